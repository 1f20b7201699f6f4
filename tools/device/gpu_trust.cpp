#include "tools/device/gpu_trust.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "engine/files.h"
#include "engine/printable.h"
#include "kernels/conv/gpu_libraries.h"
#include "kernels/device/environment.h"
#include "kernels/hash.h"
#include "kernels/notice.h"
#include "tools/device/child.h"
#include "tools/device/machine.h"
#include "tools/device/smoke.h"
#include "tools/text/advice.h"
#include "tools/text/version.h"

namespace fovea {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kFormat = "fovea gpu check 1";  // its number is that of the file's form and of the checks
constexpr std::chrono::seconds kLimit{60};

std::string time_text() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  char text[32];
  return {text, std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", gmtime_r(&now, &utc))};
}

std::string first_line(const char* file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

// Of a program's file: which build it is.
std::string build_stamp(const std::string& program) {
  struct stat file{};
  stat(program.c_str(), &file);
  return fmt::format("{} of {} bytes, {}", kVersion, file.st_size, file.st_mtime);
}

std::string file_of(const GpuCheckOptions& options) {
  if (options.folder.empty()) return "";
  return fmt::format("{}/gpu_check-{:016x}.txt", options.folder, fnv1a(options.key.data(), options.key.size()));
}

// What comes behind `begin` in the first line that has it there.
std::string first_after(const std::string& text, const std::string& begin) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(begin)) return line.substr(begin.size());
  return "";
}
// The check that had begun when there were no more lines of it, as " in NAME".
std::string where_it_was(const std::string& output) {
  const size_t begun = output.rfind(kBegins);
  if (begun == std::string::npos) return "";
  const size_t begin = begun + std::strlen(kBegins), end = output.find('\n', begin);
  return " in \"" + output.substr(begin, end == std::string::npos ? end : end - begin) + "\"";
}

// In one line; empty: it passed.
std::string what_failed(const ChildResult& child, std::chrono::milliseconds limit) {
  const std::string where = where_it_was(child.output);
  if (child.timed_out)
    return fmt::format("it hangs{}: not finished after {:g} s", where, std::chrono::duration<double>(limit).count());
  if (child.signal != 0)
    return fmt::format("it crashed{}: signal {} ({})", where, child.signal, strsignal(child.signal));
  if (child.exit_code == 0) return "";
  if (const std::string failed = first_after(child.output, kFailed); !failed.empty()) return printable(failed);
  return fmt::format("exit code {}{}: {}", child.exit_code, where, printable(first_after(child.output, "fovea: ")));
}

std::string file_text(const GpuCheckOptions& options, const GpuVerdict& verdict, const std::string& machine) {
  const std::string said = verdict.passed ? "passed" : kFailed + verdict.what;
  return fmt::format("{}\n{}\n{}\n{}\n\n{:.1f} s\n\n{}\n{}", kFormat, options.key, verdict.when,
                     verdict.lasting ? said : "undecided: " + said, verdict.seconds, machine, verdict.output);
}

void keep(const GpuCheckOptions& options, GpuVerdict& verdict, const std::string& machine) {
  const std::string file = file_of(options);
  if (file.empty()) {
    verdict.unkept = "neither XDG_CACHE_HOME nor HOME is set";
    return;
  }
  if (!verdict.lasting && remembered_verdict(options)) {
    verdict.unkept = "the earlier result is kept";
    return;
  }
  try {
    std::error_code error;
    std::filesystem::create_directories(options.folder, error);
    write_file_atomically(file, file_text(options, verdict, machine));
    verdict.file = file;
  } catch (const Error& error) {
    verdict.unkept = error.what();
  }
}

// Held by one process at a time that checks a GPU and keeps its verdict in this folder; by any number where the folder
// cannot be locked.
class Turn {
 public:
  Turn(const std::string& folder, std::chrono::milliseconds patience) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    folder_ = folder.empty() ? -1 : open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const auto until = Clock::now() + patience;
    while (folder_ >= 0 && flock(folder_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK && Clock::now() < until)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  ~Turn() {
    if (folder_ >= 0) close(folder_);
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  int folder_;
};

std::string key_of(const GpuDescription& gpu, const GpuStatus& status, const std::string& program) {
  std::string key = fmt::format("{}, compute capability {}.{}; driver: CUDA {} {}; ", gpu.name, gpu.major, gpu.minor,
                                status.driver, first_line("/sys/module/nvidia/version"));
  for (const GpuLibrary& library : gpu_libraries())
    key += fmt::format("{} {} {}; ", library.name, library.version, library.path);
  return key + "fovea " + build_stamp(program);
}

}  // namespace

GpuCheckOptions gpu_check_options(const GpuStatus& status, std::vector<std::string> command) {
  const GpuDescription& gpu = status.devices.at(static_cast<size_t>(gpu_in_use()));
  const std::string program = command.empty() ? "/proc/self/exe" : command[0];
  return {gpu.name, key_of(gpu, status, program), cache_folder(), std::move(command), kLimit};
}

std::optional<GpuVerdict> remembered_verdict(const GpuCheckOptions& options) {
  std::ifstream in(file_of(options));
  std::string format, key, said;
  GpuVerdict verdict;
  if (!std::getline(in, format) || !std::getline(in, key) || !std::getline(in, verdict.when) || !std::getline(in, said))
    return std::nullopt;
  verdict.passed = said == "passed";
  if (format != kFormat || key != options.key || !(verdict.passed || said.starts_with(kFailed))) return std::nullopt;
  if (!verdict.passed) verdict.what = said.substr(std::strlen(kFailed));
  verdict.file = file_of(options);
  return verdict;
}

GpuVerdict check_gpu(const GpuCheckOptions& options) {
  const std::string machine = machine_text();  // before: a GPU that hangs may not answer afterwards
  GpuVerdict verdict{.when = time_text()};
  const auto start = Clock::now();
  try {
    if (!options.shared_process) leave_gpu();
    const ChildResult child = run_child(options.command, options.limit);
    verdict.output = child.output;
    verdict.what = what_failed(child, options.limit);
    const bool others = options.shared_process && gpu_takes_one_process();  // maybe this one keeps the child out
    verdict.lasting = child.exit_code != static_cast<int>(ErrorKind::OutOfMemory) && !others;
  } catch (const Error& error) {
    verdict.what = error.what();
    verdict.lasting = false;
  }
  verdict.passed = verdict.what.empty();
  verdict.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  keep(options, verdict, machine);
  return verdict;
}

std::string text_of(const GpuVerdict& verdict) {
  std::string text = verdict.passed ? "passed" : kFailed + verdict.what;
  if (verdict.passed && verdict.seconds > 0) text += fmt::format(" in {:.1f} s", verdict.seconds);
  if (!verdict.passed && !verdict.file.empty()) text += "; report: " + printable(verdict.file);
  if (!verdict.unkept.empty()) text += "; result not saved: " + verdict.unkept;
  return text;
}

GpuVerdict trusted_verdict(const GpuCheckOptions& options) {
  std::optional<GpuVerdict> known = remembered_verdict(options);
  if (known && known->passed) return *known;
  std::optional<Turn> turn;
  if (!known) {
    turn.emplace(options.folder, options.limit + std::chrono::seconds(10));
    known = remembered_verdict(options);  // by the process that had its turn before
  }
  if (known) {
    if (!known->passed)
      notice(fmt::format("using the CPU: {} {} ({}); {}", options.name, text_of(*known), known->when,
                         advise(advice::kCheckGpu)));
    return *known;
  }
  OpenNotice checking(fmt::format("checking the GPU once: {} ", options.name));
  const GpuVerdict found = check_gpu(options);
  checking.end(text_of(found) + (found.passed ? "" : "; using the CPU; " + advise(advice::kCheckGpu)));
  return found;
}

}  // namespace fovea

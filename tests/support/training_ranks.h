// Trainings of several ranks as programs of their own, and how close their loss curves must be.
//
// The bound of loss curves: two computations of one loss differ by 2·kForward of it, two gradients by 2·kBackward of
// their norm (tests/support/network_bounds.h). Step i moves the weights apart by rate·2·kBackward·|g_i|, which
// changes the loss of step k by up to |g_k| times that.
#pragma once
#include <fmt/format.h>
#include <signal.h>

#include <chrono>
#include <cmath>
#include <memory>
#include <sstream>
#include <string_view>

#include "tests/support/network_bounds.h"
#include "tests/support/process.h"
#include "tests/support/ranks.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/training_data.h"
#include "tools/train/run_folder.h"

namespace fovea::test {

constexpr double kRate = 0.01;

using Arguments = std::vector<std::string>;

struct RankTrainings {
  TemporaryFolder folder;
  fs::path data = folder.path() / "data";
  explicit RankTrainings(const std::function<std::string(size_t, const std::string&)>& edit = {}) {
    make_data(data, 6, 3, edit);
  }
  std::string precision = "fp32";
  fs::path run(const std::string& name) const { return folder.path() / name; }
  // A training whose every computation is the same, up to roundings, for any number of ranks.
  Arguments arguments(const std::string& name, const Arguments& settings = {}, const Arguments& more = {}) const {
    Arguments all{"train",       "--preset", "tiny",   "--data", data.string(),    "--out", run(name).string(),
                  "--precision", precision,  "--conv", "direct", "--rank-timeout", "60"};
    for (const char* setting :
         {"train.steps=8", "train.batch=6", "train.log_every=1", "train.checkpoint_every=4",
          "train.schedule.kind=\"constant\"", "train.schedule.warmup_steps=0", "train.optimizer.kind=\"sgd\"",
          "train.optimizer.momentum=0.0", "train.sync_batch_norm=true", "input.short_side=[64, 96]"})
      all.insert(all.end(), {"--set", setting});
    all.insert(all.end(), {"--set", fmt::format("train.schedule.base={}", kRate)});
    for (const std::string& setting : settings) all.insert(all.end(), {"--set", setting});
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
};

constexpr const char* kOneThread = "export OMP_NUM_THREADS=1; ";
const std::string kCall = R"(exec "$0" "$@")";
const std::string kAlone = kOneThread + kCall;

// Ranks started by hand.
class TcpRanks {
 public:
  // What each is given; and the shell's words for the program, where that is not FOVEA_BINARY.
  struct Each {
    std::function<Arguments(int rank)> arguments;
    std::function<std::string(int rank)> call = [](int) { return kCall; };
  };
  TcpRanks(int size, const Each& each) {
    const int port = free_port();
    for (int rank = 0; rank < size; ++rank)
      ranks_.push_back(std::make_unique<Process>(
          each.arguments(rank), fmt::format("{}export RANK={} WORLD_SIZE={} MASTER_ADDR=127.0.0.1 MASTER_PORT={}; {}",
                                            kOneThread, rank, size, port, each.call(rank))));
  }
  TcpRanks(int size, const std::function<Arguments(int rank)>& arguments) : TcpRanks(size, Each{arguments}) {}
  TcpRanks(int size, const Arguments& arguments) : TcpRanks(size, [&](int) { return arguments; }) {}
  Process& operator[](size_t rank) { return *ranks_[rank]; }

  // Those that hang are killed after two minutes: exit code 137.
  std::vector<ProcessResult> wait() {
    const auto start = std::chrono::steady_clock::now();
    std::vector<ProcessResult> results;
    for (const auto& rank : ranks_) {
      while (rank->running() && std::chrono::steady_clock::now() - start < std::chrono::minutes(2))
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      if (rank->running()) rank->signal(SIGKILL);
      results.push_back(rank->wait());
    }
    return results;
  }

 private:
  std::vector<std::unique_ptr<Process>> ranks_;
};

inline void require_success(TcpRanks&& ranks) {
  const auto results = ranks.wait();
  for (const ProcessResult& result : results) {
    CAPTURE(result.out, result.err);
    REQUIRE(result.exit_code == 0);
  }
}

inline bool has_mpi() { return std::string_view(FOVEA_MPIRUN) != ""; }

// A script in which mpirun starts the ranks. Each leaves its process id in the file `pids`.RANK. Under the address
// sanitizer leaks do not count there: Open MPI leaves some, in plugins that are unloaded before anybody looks.
inline std::string mpirun(int size, const fs::path& pids, const std::string& call = kCall) {
  return fmt::format(
      "{}export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0; "
      "exec {} -np {} --oversubscribe --bind-to none sh -c 'echo $$ > {}.$OMPI_COMM_WORLD_RANK; {}' \"$0\" \"$@\"",
      kOneThread, FOVEA_MPIRUN, size, pids.string(), call);
}

struct LoggedStep {
  double loss, gradient_norm;
};

inline std::vector<LoggedStep> curve(const fs::path& run) {
  std::vector<LoggedStep> steps;
  std::istringstream log(read_text(run / "log.jsonl"));
  for (std::string line; std::getline(log, line);)
    if (const auto loss = number_in(line, "loss")) steps.push_back({*loss, *number_in(line, "gradient_norm")});
  return steps;
}

// Empty where the curves agree within the bound at the top; else the first step that does not. `forward`, `backward`:
// how far two losses and two gradients may lie apart.
inline std::string disagreement_of_curves(const std::vector<LoggedStep>& a, const std::vector<LoggedStep>& b,
                                          double forward = 2 * kForward, double backward = 2 * kBackward) {
  constexpr double kDigits = 1e-6;  // of the log
  if (a.size() != b.size() || a.empty()) return fmt::format("{} and {} steps", a.size(), b.size());
  double moved = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double bound = (forward + kDigits) * a[i].loss + a[i].gradient_norm * moved;
    if (!(std::abs(a[i].loss - b[i].loss) <= bound))
      return fmt::format("step {}: {} and {}, bound {}", i + 1, a[i].loss, b[i].loss, bound);
    moved += kRate * backward * a[i].gradient_norm;
  }
  return "";
}

const fs::path kLast = "last.safetensors";

}  // namespace fovea::test

// `fovea demo`: the main job from beginning to end, on the example images: training from random weights, evaluation,
// pictures of what was found. Each part is a command of the program, printed before it runs.
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <filesystem>
#include <utility>

#include "engine/printable.h"
#include "tools/cli/bounds.h"
#include "tools/cli/commands.h"
#include "tools/cli/completion.h"
#include "tools/text/file.h"
#include "tools/train/run_folder.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

using Words = std::vector<std::string>;

struct DemoOptions {
  std::string out, device = "auto";
  int steps = 0;
  bool resume = false;
};

// Beside the program where it is installed; in the sources where it was built there (build/PRESET/fovea).
fs::path example_images() {
  const fs::path program = fs::read_symlink("/proc/self/exe").parent_path();
  for (const char* place : {"../share/fovea/examples/blood_cells", "../../examples/blood_cells"})
    if (is_folder(program / place)) return (program / place).lexically_normal();
  throw Error(ErrorKind::Runtime,
              fmt::format("the example images are missing: {} does not exist; install Fovea again, or train on a "
                          "dataset of your own with `fovea train`",
                          printable((program / "../share/fovea/examples").lexically_normal().native())));
}

// The first of runs/demo, runs/demo-2 … that does not exist, or the last that does.
std::string default_folder(bool existing) {
  std::string last, folder = "runs/demo";
  for (int i = 2; fs::exists(folder); ++i) last = std::exchange(folder, fmt::format("runs/demo-{}", i));
  return existing && !last.empty() ? last : folder;
}

// What is printed goes into a file while this lives.
class PrintInto {
 public:
  explicit PrintInto(const std::string& path) : stdout_(dup(STDOUT_FILENO)) {
    std::fflush(stdout);
    const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0) throw Error(ErrorKind::Runtime, fmt::format("cannot write {}", printable(path)));
    dup2(file, STDOUT_FILENO);
    close(file);
  }
  PrintInto(const PrintInto&) = delete;
  PrintInto& operator=(const PrintInto&) = delete;
  ~PrintInto() {
    std::fflush(stdout);
    dup2(stdout_, STDOUT_FILENO);
    close(stdout_);
  }

 private:
  int stdout_;
};

class Demo {
 public:
  explicit Demo(const DemoOptions& options)
      : out_(options.out.empty() ? default_folder(options.resume) : options.out),
        device_(options.device),
        images_(example_images()) {}

  void run(int steps, bool resume) {
    require_run(out_, resume);
    Words train{"train", "--preset", "demo", "--data", images_, "--out", out_};
    if (resume) train.emplace_back("--resume");
    if (steps > 0) {
      for (const std::string& word :
           {std::string("--set"), fmt::format("train.steps={}", steps), std::string("train.eval_every=0")})
        train.push_back(word);
    }
    part("training on 294 images, from random weights", train);
    const std::string weights = out_ + "/best.safetensors";
    part("evaluating on 70 images that it has not seen",
         {"eval", "--weights", weights, "--data", images_, "--split", "val", "--json", out_ + "/eval.json"});
    {
      const Words detect{"detect", images_ + "/val", "--weights", weights, "--out", out_ + "/pictures"};
      announce("drawing what it finds there", detect);
      const PrintInto log(out_ + "/detect.log");
      start(detect);
    }
    heading("done");
    fmt::print(
        "contact sheet:  {0}/pictures/contact_sheet.png\npictures:       {0}/pictures/*.jpg\n"
        "chart:          {0}/chart.png, {0}/chart.svg\nweights:        {1}\nmetrics:        {0}/eval.json\n",
        printable(out_), printable(weights));
  }

 private:
  void heading(const std::string& what) const {
    const auto seconds =
        std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - start_).count();
    fmt::print("\n== {} ({} min {} s since the start)\n", what, seconds / 60, seconds % 60);
  }
  void announce(const std::string& what, const Words& words) const {
    heading(what);
    Words typed;
    for (const std::string& word : words) typed.push_back(as_typed(printable(word)));
    fmt::print("$ fovea {} --device {}\n", fmt::join(typed, " "), device_);
    std::fflush(stdout);
  }
  void start(Words words) const {
    words.insert(words.begin(), "fovea");
    words.insert(words.end(), {"--device", device_});
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    run_command_line(static_cast<int>(words.size()), arguments.data());
  }
  void part(const std::string& what, const Words& words) const {
    announce(what, words);
    start(words);
  }

  std::string out_, device_, images_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

void add_demo(CLI::App& app) {
  auto* command =
      app.add_subcommand("demo", "Train on example images of blood cells, evaluate, and draw what is found");
  const auto options = std::make_shared<DemoOptions>();
  command->footer(
      "Examples:\n  fovea demo               # a few minutes on two cores\n  fovea demo --steps 20    # only to see "
      "that everything runs");
  command->add_option("--steps", options->steps, "Steps of the training (default: the preset's)")->check(at_least(1));
  command->add_option("--out", options->out, "Folder of the run (default: runs/demo, or the next free runs/demo-2 …)")
      ->type_name("DIR");
  command->add_flag(
      "--resume", options->resume,
      "Go on with a demo that was stopped: that in --out (default: the last of runs/demo, runs/demo-2 …)");
  command->add_option("--device", options->device, "Device: cpu, cuda or auto")
      ->capture_default_str()
      ->check(CLI::IsMember({"cpu", "cuda", "auto"}));
  command->callback([options] { Demo(*options).run(options->steps, options->resume); });
}

}  // namespace fovea

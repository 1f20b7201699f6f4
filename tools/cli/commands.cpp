#include "tools/cli/commands.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <sstream>

#include "engine/printable.h"
#include "kernels/conv/gpu_libraries.h"
#include "kernels/device/cuda_device.h"
#include "tools/checkpoint/data_identity.h"
#include "tools/cli/bounds.h"
#include "tools/cli/usage.h"
#include "tools/data/formats/format.h"
#include "tools/device/build.h"
#include "tools/device/gpu_trust.h"
#include "tools/device/smoke_command.h"
#include "tools/text/advice.h"

namespace fovea {

namespace {

// Which option, or command, follows the advice of an error.
void name_options_in_advice() {
  ways_to_follow_advice() = {
      {advice::kUseLessMemory, "train.batch or --batch, input.short_side, --precision bf16"},
      {advice::kUseCpu, "--device cpu"},
      {advice::kUseGpu, "--device cuda"},
      {advice::kUseFp32, "--precision fp32"},
      {advice::kUseBf16, "--precision bf16"},
      {advice::kCheckGpu, "fovea info --check-gpu"},
      {advice::kBuildWithCuda,
       "scripts/setup && cmake --preset cuda -DCMAKE_CUDA_ARCHITECTURES=native && cmake --build --preset cuda"},
      {advice::kListLayers, "fovea info --layers"},
      {advice::kResume, "--resume"},
      {advice::kStartNew, "without --resume"},
      {advice::kKeepConfig, "without --preset, --config and --set"},
      {advice::kAllowDataChange, "--allow-data-change"},
      {advice::kAllowNonFinite, "--allow-non-finite"},
      {advice::kChangeSettings, "--set KEY=VALUE"},
      {advice::kNameStateDict, "--state-dict KEY"},
      {advice::kAllowConfigChange, "--allow-config-change"},
      {advice::kStartFromWeights, "--init-from"},
      {advice::kSetFormat, "--format"},
      {advice::kSplitDataset, "fovea data split DIR --val 0.2 OUT"},
      {advice::kSkipBadImages, "--bad-images skip"},
      {advice::kMergeClasses, "--merge-classes"},
      {advice::kSkipBadBoxes, "--bad-boxes skip"},
      {advice::kClipBoxes, "--clip"},
      {advice::kNameImages, "--images"},
      {advice::kListWeights, "fovea weights list"},
      {advice::kUseMirror, "--mirror URL"},
      {advice::kOtherFolder, "--out DIR"},
      {advice::kNamePython, "--python"},
  };
}

// CLI11 writes "TEXT:FILE" and "TEXT:{cpu,cuda,auto}".
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_option_opts(const CLI::Option* option) const override {
    const std::string text = Formatter::make_option_opts(option), type = " TEXT:";
    return text.starts_with(type) ? " " + text.substr(type.size()) : text;
  }
};

// As an unset variable of a shell leaves one: it would be taken for an option that is not given.
void require_no_empty_word(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const bool empty_value = word.starts_with("--") && word.ends_with('=');
    if (!word.empty() && !empty_value) continue;
    const std::string option(word.empty() ? argv[i - 1] : word.substr(0, word.size() - 1));
    throw Error(ErrorKind::Usage, fmt::format("the word after {} is empty: give it a value, or leave it out",
                                              i == 1 && word.empty() ? "fovea" : printable(option)));
  }
}

}  // namespace

int run_command_line(int argc, char** argv) {
  name_options_in_advice();
  CLI::App app{"Fovea trains and runs RetinaNet object detectors.", "fovea"};
  app.formatter(std::make_shared<HelpFormatter>());
  app.footer(
      "Examples:\n"
      "  fovea demo\n"
      "  fovea data check DIR\n"
      "  fovea train --preset paper --data DIR --out RUN\n"
      "  fovea eval --weights RUN/best.safetensors --data DIR\n"
      "  fovea detect photo.jpg --weights RUN/best.safetensors --out FOUND\n"
      "  fovea doctor");
  app.require_subcommand(1);
  app.set_version_flag("--version", [] { return build_text().substr(0, build_text().size() - 1); });
  add_demo(app);
  add_train(app);
  add_eval(app);
  add_detect(app);
  add_export(app);
  add_data(app);
  add_anchors(app);
  add_study(app);
  add_weights(app);
  add_info(app);
  add_convert(app);
  add_bench(app);
  add_doctor(app);
  add_completion(app);
  add_man(app);
  require_no_empty_word(argc, argv);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    const std::string unknown = unknown_word(app, argc, argv);
    throw Error(ErrorKind::Usage, fmt::format("{}; see --help", unknown.empty() ? printable(error.what()) : unknown));
  }
  return 0;
}

void add_config_options(CLI::App& command, ConfigOptions& options) {
  command.add_option("--preset", options.preset, "Preset to start from")->check(suggested(preset_names()));
  command
      .add_option("--set", options.settings,
                  "Override settings, e.g. train.steps=1000 (list them with `fovea info --config`)")
      ->type_name("KEY=VALUE");
  command
      .add_option("--precision", options.precision,
                  "Precision: auto (bf16 where it is fast), fp32, tf32 (faster, less exact fp32 on a GPU) or bf16")
      ->check(CLI::IsMember({"auto", "fp32", "tf32", "bf16"}));
  command
      .add_option("--conv", options.convolution, "Convolution algorithm: auto (Winograd where it is faster) or direct")
      ->check(CLI::IsMember({"auto", "direct", "winograd"}));
  command.add_flag("--autotune", options.autotune,
                   "On a GPU: benchmark cuDNN and cuBLASLt algorithms once per layer and use the fastest");
  command
      .add_option("--device", options.device,
                  "Device: cpu, cuda or auto (a GPU that has passed `fovea info --check-gpu`, else the CPU)")
      ->capture_default_str()
      ->check(CLI::IsMember({"cpu", "cuda", "auto"}));
}

void add_names(CLI::App& command, const char* name, std::optional<WeightFamily>& names, const char* description) {
  std::vector<std::string> families;
  for (const FamilyTraits& traits : weight_families()) families.emplace_back(traits.word);
  command
      .add_option_function<std::string>(
          name,
          [&names](const std::string& word) {
            for (const FamilyTraits& traits : weight_families())
              if (word == traits.word) names = traits.family;
          },
          description)
      ->check(CLI::IsMember(families));
}

void add_weights_options(CLI::App& command, ConfigOptions& options) {
  command.add_flag("--allow-non-finite", options.allow_non_finite,
                   "Accept weights with numbers that are not finite (NaN, inf)");
  command
      .add_option("--state-dict", options.state_dict,
                  "Where in a PyTorch file the weights are, if not at a usual place (model, state_dict, …), e.g. ema")
      ->type_name("KEY");
  add_names(command, "--names", options.names,
            "Which program's the names in a file of weights are (default: told from the file); it decides what the "
            "file does not tell, such as the order of colors");
}

void add_on_bad(CLI::App& command, const char* name, OnBad& policy, const char* description, bool may_keep) {
  std::vector<std::string> words{"skip", "error"};
  if (may_keep) words.emplace_back("keep");
  command
      .add_option_function<std::string>(
          name,
          [&policy](const std::string& word) {
            policy = word == "skip" ? OnBad::Skip : word == "error" ? OnBad::Error : OnBad::Keep;
          },
          description)
      ->default_str(words[static_cast<size_t>(policy)])
      ->check(CLI::IsMember(words));
}

void add_split(CLI::App& command, std::string& split, const char* description) {
  command.add_option("--split", split, description)
      ->capture_default_str()
      ->check(suggested({"train", "val", "test", "…"}));
}

void add_format(CLI::App& command, std::optional<DatasetFormat>& format) {
  std::vector<std::string> names;
  for (const FormatEntry& entry : formats()) names.emplace_back(entry.name);
  command
      .add_option_function<std::string>(
          "--format",
          [&format](const std::string& name) {
            for (const FormatEntry& entry : formats())
              if (name == entry.name) format = entry.format;
          },
          "Dataset format (default: detected)")
      ->check(CLI::IsMember(names));
}

void add_images(CLI::App& command, std::string& images) {
  command.add_option("--images", images, "Folder of the images (default: looked for beside the annotations)")
      ->type_name("DIR");
}

void add_merge_classes(CLI::App& command, bool& merge) {
  command.add_flag("--merge-classes", merge, "Take categories of one name for one class");
}

Config resolve(const ConfigOptions& options, Config config) {
  if (!options.preset.empty()) config = preset(options.preset);
  if (!options.file.empty()) apply_file(config, options.file);
  if (const char* environment = std::getenv("FOVEA_SET")) {
    std::istringstream words(environment);
    for (std::string word; words >> word;) apply_setting(config, word, "FOVEA_SET");
  }
  for (const std::string& setting : options.settings) apply_setting(config, setting, "--set");
  if (!options.precision.empty()) apply_setting(config, "precision=" + options.precision);
  if (!options.convolution.empty()) apply_setting(config, "convolution=" + options.convolution);
  if (options.autotune) config.autotune = true;
  validate(config);
  return config;
}

GpuCheckOptions gpu_check_of(const GpuStatus& status) {
  return gpu_check_options(status, smoke_command("/proc/self/exe"));
}

DeviceKind resolve_device(const std::string& device) {
  if (device == "cpu") return DeviceKind::Cpu;
  const GpuStatus status = gpu_status();
  if (!status.usable()) {
    if (device == "cuda") throw Error(status.kind, "--device cuda: " + status.problem);
    return DeviceKind::Cpu;
  }
  if (device == "auto" && !trusted_verdict(gpu_check_of(status)).passed) return DeviceKind::Cpu;
  warn_of_missing_libraries();
  return DeviceKind::Cuda;
}

ModelOptions model_options(const ConfigOptions& options) {
  return {.device = resolve_device(options.device),
          .adjust = [options](Config& config) { config = resolve(options, config); },
          .non_finite = options.non_finite(),
          .state_dict = options.state_dict,
          .names = options.names};
}

std::vector<Category> announced_categories(const std::string& weights, const ModelFile& file, const Dataset& dataset) {
  std::vector<Category> categories = categories_for(file, dataset);
  if (const auto changes = category_changes(file.categories, categories); !file.categories.empty() && !changes.empty())
    fmt::print(
        stderr,
        "fovea: {}: the classes go by their ids, since the dataset has other names (weights -> dataset):\n  {}\n",
        printable(weights), fmt::join(changes, "\n  "));
  return categories;
}

}  // namespace fovea

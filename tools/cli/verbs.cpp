#include "tools/cli/verbs.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "engine/printable.h"
#include "kernels/conv/gpu_libraries.h"
#include "kernels/device/cuda_device.h"
#include "tools/checkpoint/checkpoint.h"
#include "tools/cli/usage.h"
#include "tools/data/formats/format.h"
#include "tools/device/gpu_trust.h"
#include "tools/report/notices.h"

namespace fovea {

int run_command_line(int argc, char** argv) {
  CLI::App app{
      "Fovea trains and runs RetinaNet object detectors.\n\nExamples:\n"
      "  fovea train --preset demo --data examples/blood_cells --out runs/cells\n"
      "  fovea eval --weights runs/cells/best.safetensors --data examples/blood_cells\n"
      "  fovea detect photo.jpg --weights runs/cells/best.safetensors --out found\n"
      "  fovea data check DIR\n"
      "  fovea info --preset paper\n",
      "fovea"};
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("fovea ") + FOVEA_VERSION);
  add_train(app);
  add_eval(app);
  add_detect(app);
  add_data(app);
  add_anchors(app);
  add_info(app);
  add_bench(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    const std::string unknown = unknown_word(app, argc, argv);
    throw Error(ErrorKind::Usage, fmt::format("{}; see --help", unknown.empty() ? printable(error.what()) : unknown));
  }
  return 0;
}

void add_config_options(CLI::App& verb, ConfigOptions& options) {
  verb.add_option(
      "--preset", options.preset, "Starting point: " + [] {
        std::string names;
        for (const std::string& name : preset_names()) names += (names.empty() ? "" : ", ") + name;
        return names;
      }());
  verb.add_option("--set", options.settings,
                  "Override settings: key=value …, e.g. train.steps=1000 (see `fovea info --config`)")
      ->type_name("KEY=VALUE");
  verb.add_option(
          "--precision", options.precision,
          "auto (bf16 where the device has it), fp32, tf32 (a GPU's fast and less exact fp32; elsewhere fp32) or bf16")
      ->check(CLI::IsMember({"auto", "fp32", "tf32", "bf16"}));
  verb.add_option("--conv", options.convolution, "auto (Winograd where it is faster) or direct")
      ->check(CLI::IsMember({"auto", "direct", "winograd"}));
  verb.add_flag("--autotune", options.autotune,
                "On a GPU: time cuDNN's and cuBLASLt's candidates for each layer at first use");
  verb.add_option("--device", options.device,
                  "cpu, cuda or auto: the GPU, where there is one that has passed its check (fovea info --check-gpu)")
      ->check(CLI::IsMember({"cpu", "cuda", "auto"}));
}

void add_on_bad(CLI::App& verb, const char* name, OnBad& policy, const char* description, bool may_keep) {
  std::vector<std::string> words{"skip", "error"};
  if (may_keep) words.emplace_back("keep");
  verb.add_option_function<std::string>(
          name,
          [&policy](const std::string& word) {
            policy = word == "skip" ? OnBad::Skip : word == "error" ? OnBad::Error : OnBad::Keep;
          },
          description)
      ->check(CLI::IsMember(words));
}

void add_form(CLI::App& verb, std::optional<Form>& form) {
  std::vector<std::string> names;
  for (const FormEntry& entry : forms()) names.emplace_back(entry.name);
  verb.add_option_function<std::string>(
          "--format",
          [&form](const std::string& name) {
            for (const FormEntry& entry : forms())
              if (name == entry.name) form = entry.form;
          },
          "Form of the data set; without it, it is found out")
      ->check(CLI::IsMember(names));
}

Config resolve(const ConfigOptions& options, Config config) {
  if (!options.preset.empty()) config = preset(options.preset);
  if (!options.file.empty()) apply_file(config, options.file);
  if (const char* environment = std::getenv("FOVEA_SET")) {
    std::istringstream words(environment);
    for (std::string word; words >> word;) apply_setting(config, word);
  }
  for (const std::string& setting : options.settings) apply_setting(config, setting);
  if (!options.precision.empty()) apply_setting(config, "precision=" + options.precision);
  if (!options.convolution.empty()) apply_setting(config, "convolution=" + options.convolution);
  if (options.autotune) config.autotune = true;
  validate(config);
  return config;
}

DeviceKind resolve_device(const std::string& device) {
  if (device == "cpu") return DeviceKind::Cpu;
  const GpuStatus status = gpu_status();
  if (!status.usable()) {
    if (device == "cuda") throw Error(status.kind, "--device cuda: " + status.problem);
    return DeviceKind::Cpu;
  }
  if (device == "auto" && !trusted_verdict(gpu_check_options(status)).passed) return DeviceKind::Cpu;
  warn_of_missing_libraries();
  return DeviceKind::Cuda;
}

ModelFile open_model(const std::string& weights, const ConfigOptions& options) {
  const SafetensorsFile file(weights);
  const CheckpointInfo info = read_info(file);
  ModelFile opened{.config = resolve(options, info.config ? *info.config : preset("torchvision")),
                   .categories = info.categories};
  if (!info.config) {
    const std::string key = "head.classification_head.cls_logits.bias";
    opened.config.model.classes =
        static_cast<int>(file.at(key).shape.at(0)) / opened.config.model.anchors.per_location();
  }
  opened.context =
      std::make_unique<Context>(resolve_device(options.device), opened.config.precision, opened.config.convolution);
  opened.context->convolution.set_autotune(opened.config.autotune);
  tell_when_recordings_go(*opened.context);
  opened.model = std::make_unique<RetinaNet>(*opened.context, opened.config.model, opened.config.seed);
  load_weights(file, opened.model->parameters(), LoadMode::Exact);
  return opened;
}

namespace {

// Those of `categories` that are like `wanted`, in its order; empty where one is missing.
template <class Same>
std::vector<Category> find_all(const std::vector<Category>& categories, const std::vector<Category>& wanted,
                               Same&& same) {
  std::vector<Category> found;
  for (const Category& one : wanted) {
    const auto like = std::find_if(categories.begin(), categories.end(), [&](auto& other) { return same(one, other); });
    if (like == categories.end()) return {};
    found.push_back(*like);
  }
  return found;
}

}  // namespace

std::vector<Category> categories_for(const ModelFile& file, const Dataset& dataset) {
  const auto classes = static_cast<size_t>(file.config.model.classes);
  if (!file.categories.empty()) {
    // By name first: the forms number the same classes differently.
    const auto by_name = find_all(dataset.categories, file.categories, [](const Category& a, const Category& b) {
      return !a.name.empty() && a.name == b.name;
    });
    if (!by_name.empty()) return by_name;
    const auto same_id = [](const Category& a, const Category& b) { return a.id == b.id; };
    const auto by_id = find_all(dataset.categories, file.categories, same_id);
    if (!by_id.empty()) return by_id;
    for (const Category& category : file.categories)
      if (find_all(dataset.categories, {category}, same_id).empty())
        throw Error(
            ErrorKind::Data,
            fmt::format("the weights know the category {} ('{}'), the data set does not: are they of another data set?",
                        category.id, printable(category.name)));
  }
  if (classes == dataset.categories.size()) return dataset.categories;
  if (static_cast<int64_t>(classes) == dataset.categories.back().id + 1) {
    std::vector<Category> by_id(classes);
    for (size_t label = 0; label < classes; ++label) by_id[label] = {static_cast<int64_t>(label), ""};
    for (const Category& category : dataset.categories) by_id[static_cast<size_t>(category.id)] = category;
    return by_id;
  }
  throw Error(ErrorKind::Data,
              fmt::format("the weights have {} classes, the data set {}: which label is which cannot be told", classes,
                          dataset.categories.size()));
}

}  // namespace fovea

// The commands of the program, each in a file of its name. add_X puts a subcommand into the command line; its callback
// does the work.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "tools/checkpoint/model_file.h"
#include "tools/config/config.h"
#include "tools/data/dataset.h"
#include "tools/device/gpu_trust.h"

namespace CLI {
class App;
}

namespace fovea {

// Runs the command that the command line names; the exit code of --help and --version, or 0. Throws Error.
int run_command_line(int argc, char** argv);

void add_train(CLI::App& app);
void add_eval(CLI::App& app);
void add_data(CLI::App& app);
void add_anchors(CLI::App& app);
void add_detect(CLI::App& app);
void add_export(CLI::App& app);
void add_info(CLI::App& app);
void add_convert(CLI::App& app);
void add_weights(CLI::App& app);
void add_bench(CLI::App& app);
void add_study(CLI::App& app);
void add_demo(CLI::App& app);
void add_doctor(CLI::App& app);
void add_completion(CLI::App& app);
void add_man(CLI::App& app);  // the last: it names the others

// ---- options that several commands take

struct ConfigOptions {
  std::string file, preset;
  std::vector<std::string> settings;
  std::string precision, convolution, device = "auto";
  bool autotune = false, allow_non_finite = false;
  std::string state_dict;
  std::optional<WeightFamily> names;
  NonFinite non_finite() const { return allow_non_finite ? NonFinite::Take : NonFinite::Refuse; }
};
void add_config_options(CLI::App& command, ConfigOptions& options);
// An option of the programs whose names tensors have.
void add_names(CLI::App& command, const char* name, std::optional<WeightFamily>& names, const char* description);
// The options --allow-non-finite, --state-dict and --names, of commands that read weights.
void add_weights_options(CLI::App& command, ConfigOptions& options);
// An option skip|error; for images also keep.
void add_on_bad(CLI::App& command, const char* name, OnBad& policy, const char* description, bool may_keep = false);
// The option --split, and what else its help says.
void add_split(CLI::App& command, std::string& split, const char* description);
// The option --format coco|voc|csv|yolo|….
void add_format(CLI::App& command, std::optional<DatasetFormat>& format);
void add_images(CLI::App& command, std::string& images);
void add_merge_classes(CLI::App& command, bool& merge);
// `config` changed by the preset, then the file, then the environment variable FOVEA_SET ("key=value key=value"), then
// the command line.
Config resolve(const ConfigOptions& options, Config config);
// auto: the GPU where one is usable and has passed its check (tools/device/gpu_trust.h), which is run where it was not
// yet. cuda: the GPU, unchecked, or an Error that says why it is not usable (Usage where the build has no CUDA).
DeviceKind resolve_device(const std::string& device);

// The check that `--device auto` trusts: this program's own, in a process of its own.
GpuCheckOptions gpu_check_of(const GpuStatus& status);

// What open_model() takes of the options: the device, and the configuration as resolve() changes it.
ModelOptions model_options(const ConfigOptions& options);

// categories_for() the file of these weights; says on stderr where the dataset has other names for them.
std::vector<Category> announced_categories(const std::string& weights, const ModelFile& file, const Dataset& dataset);

// ---- the commands of `fovea study`

void add_study_distribution(CLI::App& study);  // also curves

}  // namespace fovea

// The verbs of the program, each in its folder. add_X puts a subcommand into the command line; its callback does the
// work.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/context.h"
#include "model/retinanet.h"
#include "tools/config/config.h"
#include "tools/data/dataset.h"

namespace CLI {
class App;
}

namespace fovea {

// Runs the verb that the command line names; the exit code of --help and --version, or 0. Throws Error.
int run_command_line(int argc, char** argv);

void add_train(CLI::App& app);
void add_eval(CLI::App& app);
void add_data(CLI::App& app);
void add_anchors(CLI::App& app);
void add_detect(CLI::App& app);
void add_info(CLI::App& app);
void add_bench(CLI::App& app);

// ---- options that several verbs take

struct ConfigOptions {
  std::string file, preset;
  std::vector<std::string> settings;
  std::string precision, convolution, device = "auto";
  bool autotune = false;
};
void add_config_options(CLI::App& verb, ConfigOptions& options);
// An option skip|error; for images also keep.
void add_on_bad(CLI::App& verb, const char* name, OnBad& policy, const char* description, bool may_keep = false);
// The option --format coco|voc|csv|yolo.
void add_form(CLI::App& verb, std::optional<Form>& form);
// `config` changed by the preset, then the file, then the environment variable FOVEA_SET ("key=value key=value"), then
// the command line.
Config resolve(const ConfigOptions& options, Config config);
// auto: the GPU where one is usable and has passed its check (tools/device/gpu_trust.h), which is run where it was not
// yet. cuda: the GPU, unchecked, or an Error that says why it is not usable (Usage where the build has no CUDA).
DeviceKind resolve_device(const std::string& device);

// ---- a network from a file of weights

struct ModelFile {
  Config config;
  std::vector<Category> categories;  // empty: the file does not say
  std::unique_ptr<Context> context;
  std::unique_ptr<RetinaNet> model;
};
// The configuration is the file's own; for weights without one (torchvision's), the preset "torchvision" or the one
// named.
ModelFile open_model(const std::string& weights, const ConfigOptions& options);

// What the network's labels mean on this data set: the file's categories, found there by name or else by id; where the
// file names none, the data set's if there are as many, or ids as labels (torchvision's 91 outputs for COCO).
// Error(Data) where they do not go together.
std::vector<Category> categories_for(const ModelFile& file, const Dataset& dataset);

}  // namespace fovea

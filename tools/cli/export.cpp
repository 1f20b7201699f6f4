#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <utility>

#include "engine/printable.h"
#include "kernels/device/threads.h"
#include "tools/cli/bounds.h"
#include "tools/cli/commands.h"
#include "tools/data/formats/folder.h"
#include "tools/data/formats/format.h"
#include "tools/export/description.h"
#include "tools/export/exporter.h"
#include "tools/export/verify.h"
#include "tools/report/progress.h"
#include "tools/text/outputs.h"
#include "tools/text/stop.h"
#include "tools/text/text.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

struct ExportCommand {
  ConfigOptions config;
  std::string weights, out, size, batch = "1", verify, split = "val", python = "python3";
  ExportOptions model;
  Runtime runtime = Runtime::OnnxRuntime;
  int verify_images = 100;
  std::optional<DatasetFormat> format;

  fs::path description() const { return fs::path(out).replace_extension(".json"); }
};

// An option whose values are words.
template <class E>
void add_choice(CLI::App& command, const char* name, E& choice, const std::vector<E>& choices,
                const char* description) {
  std::vector<std::string> words;
  for (const E one : choices) words.emplace_back(name_of(one));
  command
      .add_option_function<std::string>(
          name,
          [&choice, choices](const std::string& word) {
            for (const E one : choices)
              if (word == name_of(one)) choice = one;
          },
          description)
      ->default_str(name_of(choice))
      ->check(CLI::IsMember(words));
}

// "800x1344": height and width.
Size2d parsed_size(const std::string& text) {
  const size_t cross = text.find('x');
  if (cross != std::string::npos) {
    const auto height = parse_integer(text.substr(0, cross)), width = parse_integer(text.substr(cross + 1));
    constexpr int64_t kMost = 1 << 16;
    if (height && width && *height > 0 && *width > 0 && *height <= kMost && *width <= kMost)
      return {static_cast<int>(*height), static_cast<int>(*width)};
  }
  throw Error(ErrorKind::Usage, fmt::format("--size {}: must be height and width, such as 800x1344", printable(text)));
}

int parsed_batch(const std::string& text) {
  if (text == "dynamic") return 0;
  const auto batch = parse_integer(text);
  if (batch && *batch >= 1 && *batch <= 4096) return static_cast<int>(*batch);
  throw Error(ErrorKind::Usage,
              fmt::format("--batch {}: must be a number from 1 to 4096, or dynamic", printable(text)));
}

void check_export_files(const ExportCommand& command) {
  const fs::path out = command.out;
  if (out.extension() != ".onnx")
    throw Error(ErrorKind::Usage, fmt::format("{}: the output's name must end in .onnx", printable(command.out)));
  FilesInUse files;
  files.input(command.weights);
  for (const fs::path& output : {out, command.description()}) {
    files.output(output);
    if (!command.verify.empty()) require_outside(output, command.verify);
    require_writable(output);
    require_replaceable(output);
  }
}

Dataset images_to_verify_on(const ExportCommand& command) {
  const StatusLine shown("reading " + printable(command.split));
  Dataset dataset = load_dataset(command.verify, command.split, {.format = command.format, .whole = true});
  const auto most = static_cast<size_t>(command.verify_images);
  if (most > 0 && dataset.samples.size() > most) dataset.samples.resize(most);
  return dataset;
}

void verify_export(const ExportCommand& command, ModelFile& file, const Dataset& dataset,
                   const std::vector<Category>& categories, const RuntimeProcess& runtime) {
  BadFiles bad_files(images_in(dataset));
  add_bad_images(bad_files, dataset);
  Progress progress(static_cast<int64_t>(dataset.samples.size()), 0, on_stderr("image"));
  size_t before = 0;
  const auto update = [&](size_t done) {
    progress.update(static_cast<int64_t>(done), {}, static_cast<int64_t>(done - std::exchange(before, done)));
  };
  runtime.load(command.out);
  const Verification verification = verify(file, command.model, runtime, dataset, categories, bad_files, update);
  progress.finish();
  fmt::print("{}\n", verification.text());
  flush_output();
  require_same(verification, command.model.precision);
}

void run_export(ExportCommand& command) {
  command.model.batch = parsed_batch(command.batch);
  if (!command.size.empty()) {
    command.model.size = parsed_size(command.size);
    require_exportable(command.model);
  }
  const bool verifies = !command.verify.empty();
  if (verifies) check_verified_tail(command.model);
  check_export_files(command);
  Dataset dataset;
  if (verifies) dataset = images_to_verify_on(command);
  ModelFile file = open_model(command.weights, model_options(command.config));
  std::vector<Category> categories;
  std::optional<RuntimeProcess> runtime;
  if (verifies) {
    categories = announced_categories(command.weights, file, dataset);
    runtime.emplace(command.python, command.runtime, usable_cores());
  }
  const PinnedThreads pinned;
  if (command.size.empty()) command.model.size = usual_export_size(file.config.input);
  const ExportedModel exported = export_model(file, command.model);
  {
    const Unbroken both;
    write_output(command.out, exported.onnx);
    write_output(command.description(), exported.description);
  }
  fmt::print("{}: {}, {} x {}, {}, {}: {:.1f} MB\n{}: classes, preprocessing, anchors\n", printable(command.out),
             name_of(command.model.tail), command.model.size.height, command.model.size.width,
             command.batch == "dynamic" ? "any batch" : "batch " + command.batch, name_of(command.model.precision),
             static_cast<double>(exported.onnx.size()) / 1e6, printable(command.description().native()));
  flush_output();
  if (verifies) verify_export(command, file, dataset, categories, *runtime);
}

}  // namespace

void add_export(CLI::App& app) {
  auto* command = app.add_subcommand("export", "Write a network as ONNX, for TensorRT, OpenVINO and ONNX Runtime");
  const auto options = std::make_shared<ExportCommand>();
  options->config.device = "cpu";
  options->config.precision = "fp32";
  command->footer(
      "Examples:\n"
      "  fovea export RUN/best.safetensors model.onnx\n"
      "  fovea export RUN/best.safetensors model.onnx --size 640x640 --batch dynamic --verify DIR");
  command
      ->add_option("weights", options->weights,
                   "Checkpoint of Fovea, or torchvision's weights (safetensors, or PyTorch's .pth)")
      ->required()
      ->type_name("FILE");
  command->add_option("out", options->out, "File to write, NAME.onnx; NAME.json beside it describes it")
      ->required()
      ->type_name("FILE");
  using Tail = ExportTail;
  add_choice(*command, "--tail", options->model.tail, {Tail::Heads, Tail::Nms, Tail::EfficientNms},
             "The model ends in: heads (logits and deltas), nms (detections) or efficient_nms (TensorRT's plugin)");
  using P = ExportPrecision;
  add_choice(*command, "--precision", options->model.precision, {P::Fp32, P::Fp16, P::Bf16},
             "Type of the network's tensors");
  using Input = ExportInput;
  add_choice(*command, "--input", options->model.input, {Input::Raw, Input::Unit, Input::Normalized},
             "Images come as: raw (bytes, NHWC), unit (0 to 1, NCHW) or normalized (NCHW)");
  command
      ->add_option("--size", options->size,
                   "Height and width of the input (default: those of a wide image, from the configuration)")
      ->type_name("HxW");
  command->add_option("--batch", options->batch, "Images at once, or dynamic: any number")
      ->capture_default_str()
      ->type_name("N");
  command->add_flag("--filled", options->model.filled, "Images always fill the input: the model takes no sizes");
  command->add_option("--preset", options->config.preset, "Preset to start from")->check(suggested(preset_names()));
  command
      ->add_option("--set", options->config.settings,
                   "Override settings, e.g. model.detect.score_threshold=0.3 (list them with `fovea info --config`)")
      ->type_name("KEY=VALUE");
  add_weights_options(*command, options->config);
  auto* verify = command
                     ->add_option("--verify", options->verify,
                                  "Dataset: run the model on its images and compare detections and AP")
                     ->type_name("DIR");
  add_split(*command, options->split, "Split to verify on");
  add_format(*command, options->format);
  command->get_option("--split")->needs(verify);
  command->get_option("--format")->needs(verify);
  command->add_option("--verify-images", options->verify_images, "Images to verify on, the split's first; 0: all")
      ->capture_default_str()
      ->check(at_least(0))
      ->needs(verify);
  add_choice(*command, "--runtime", options->runtime, {Runtime::OnnxRuntime, Runtime::OpenVino},
             "What runs the model for --verify");
  command->get_option("--runtime")->needs(verify);
  command->add_option("--python", options->python, "Python that has it")
      ->capture_default_str()
      ->type_name("FILE")
      ->needs(verify);
  command->callback([options] { run_export(*options); });
}

}  // namespace fovea

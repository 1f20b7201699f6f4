// `fovea convert`: weights in another format, under another program's names, in another dtype.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <filesystem>

#include "engine/printable.h"
#include "tools/checkpoint/convert_weights.h"
#include "tools/checkpoint/foreign_weights.h"
#include "tools/cli/commands.h"
#include "tools/text/outputs.h"

namespace fovea {

namespace {

struct ConvertWeightsOptions {
  std::string in, out, precision;
  std::optional<WeightFamily> to;
  ConfigOptions weights;
  bool strip = false, average = false;
};

constexpr std::pair<const char*, const char*> kPrecisions[] = {{"fp32", "F32"}, {"fp16", "F16"}, {"bf16", "BF16"}};

std::string dtype_of(const std::string& precision) {
  for (const auto& [word, dtype] : kPrecisions)
    if (precision == word) return dtype;
  return "";
}

std::string some_of(const std::vector<std::string>& names) {
  constexpr size_t kMost = 4;
  std::vector<std::string> first;
  for (const std::string& name : names)
    if (first.size() < kMost) first.push_back(printable(name));
  return fmt::format("{}{}", fmt::join(first, ", "), names.size() > kMost ? ", …" : "");
}

// What the program whose names these are must be told, as its weights do not tell it.
void tell_of_use(const ConvertWeightsOptions& options, const Config& config) {
  const Recognized there = recognize(open_tensor_file(options.out), options.to);
  const auto otherwise = used_otherwise(there, config);
  if (!otherwise.empty())
    fmt::print("{} uses such a network otherwise, if it is not told (there -> here): {}\n",
               traits_of(there.family).program, fmt::join(otherwise, ", "));
}

void convert_file(const ConvertWeightsOptions& options) {
  require_known_format(options.out);
  check_outputs({options.in}, {options.out});
  require_replaceable(options.out);
  const Converted done = convert_weights({.in = options.in,
                                          .out = options.out,
                                          .state_dict = options.weights.state_dict,
                                          .names_in = options.weights.names,
                                          .names_out = options.to.value_or(WeightFamily::Torchvision),
                                          .dtype = dtype_of(options.precision),
                                          .strip = options.strip,
                                          .average = options.average,
                                          .non_finite = options.weights.non_finite()});
  if (done.recognized) tell_of_recognized(options.in, *done.recognized, *done.config);
  if (!done.left_out.empty())
    fmt::print("left out, being none of the network's: {} tensors ({})\n", done.left_out.size(),
               some_of(done.left_out));
  fmt::print("{}: {} tensors{}{} from {}\n", printable(options.out), done.tensors,
             options.precision.empty() ? "" : " in " + options.precision,
             done.has_optimizer ? " and the optimizer's state" : "", done.format);
  if (done.config) tell_of_use(options, *done.config);
}

}  // namespace

void add_convert(CLI::App& app) {
  auto* command = app.add_subcommand(
      "convert", "Convert weights between checkpoints, safetensors and PyTorch's files, and between programs' names");
  const auto options = std::make_shared<ConvertWeightsOptions>();
  command->add_option("in", options->in, "Weights: a checkpoint, safetensors, or PyTorch's .pth")
      ->required()
      ->type_name("FILE");
  command
      ->add_option("out", options->out,
                   "File to write; its name ends with .safetensors (a checkpoint of Fovea), .pth or .pt")
      ->required()
      ->type_name("FILE");
  add_names(*command, "--to", options->to,
            "Which program's names the tensors of a RetinaNet get (default: torchvision's)");
  command
      ->add_option("--precision", options->precision,
                   "Precision of the weights (default: as they are); another one is for detection, without the "
                   "optimizer's state")
      ->check(CLI::IsMember({"fp32", "fp16", "bf16"}));
  command->add_flag("--strip", options->strip, "Drop the optimizer's state");
  auto* average = command->add_flag("--ema", options->average,
                                    "Take the moving average of the weights, which a training kept beside them");
  add_weights_options(*command, options->weights);
  average->excludes(command->get_option("--state-dict"));
  command->footer(
      "Examples:\n"
      "  fovea convert RUN/best.safetensors best.pth --strip\n"
      "  fovea convert model_final.pth detector.safetensors\n"
      "  fovea convert RUN/best.safetensors small.safetensors --precision fp16\n"
      "  fovea convert RUN/best.safetensors model.pth --to detectron2");
  command->callback([options] { convert_file(*options); });
}

}  // namespace fovea

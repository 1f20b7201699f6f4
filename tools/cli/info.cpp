// `fovea info`: the build, the machine, and a network's table of layers, parameters, arithmetic and memory.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <sstream>

#include "engine/files.h"
#include "engine/optimizer.h"
#include "engine/printable.h"
#include "engine/tensor_file.h"
#include "kernels/conv/conv.h"
#include "kernels/device/cuda_device.h"
#include "kernels/device/gpu.h"
#include "kernels/launch/math.h"
#include "model/trace.h"
#include "tools/analysis/plan_table.h"
#include "tools/analysis/roofline.h"
#include "tools/analysis/simulation.h"
#include "tools/cli/bounds.h"
#include "tools/cli/commands.h"
#include "tools/config/config.h"
#include "tools/device/gpu_trust.h"
#include "tools/device/machine.h"
#include "tools/device/smoke.h"
#include "tools/report/layer_table.h"
#include "tools/report/table.h"
#include "tools/report/tensor_list.h"
#include "tools/text/outputs.h"
#include "tools/train/step.h"
#include "tools/train/training_memory.h"

namespace fovea {

namespace {

struct InfoOptions {
  ConfigOptions config;
  std::string file, weights, json;
  std::vector<int> size;
  int batch = 1;
  bool show_config = false, layers = false, plans = false, roofline = false, simulate = false;
  bool check_gpu = false, smoke = false;
};

// Of the GPU that --device auto would use.
std::string verdict_text() {
  const GpuStatus status = gpu_status();
  if (!status.usable()) return "";
  const auto verdict = remembered_verdict(gpu_check_of(status));
  if (!verdict) return "GPU check: not run yet; --device auto runs it before it first uses the GPU\n";
  return fmt::format("GPU check: {} ({})\n", text_of(*verdict), verdict->when);
}

void check_gpu_anew() {
  const GpuStatus status = gpu_status();
  if (!status.usable()) throw Error(status.kind, "--check-gpu: " + status.problem);
  fmt::print("{}\n", machine_text());
  const GpuVerdict verdict = check_gpu(gpu_check_of(status));
  std::istringstream lines(verdict.output);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(kPassed) || line.starts_with(kFailed)) fmt::print("{}\n", printable(line));
  const std::string text = "the GPU " + text_of(verdict);
  if (!verdict.passed) throw Error(verdict.lasting ? ErrorKind::Runtime : ErrorKind::OutOfMemory, text);
  fmt::print("{}\n", text);
}

void smoke() {
  resolve_device("cuda");
  if (!run_smoke()) throw Error(ErrorKind::Runtime, "the GPU failed a check");
}

struct Plan {
  std::vector<ConvTrace> layers, training_layers;
  size_t forward_peak, training_peak;
};

// Recording runs the host's side of a pass and none of the arithmetic: shapes, calls and memory without the time.
Plan plan(Context& context, RetinaNet& model, Size2d size, int batch) {
  Plan plan;
  const Shape shape{batch, size.height, size.width, 3};
  context.memory.reset_peak();
  plan.layers = traced_layers(context, model, shape, /*training=*/false);
  plan.forward_peak = context.memory.statistics().peak;
  plan.training_layers = traced_layers(context, model, shape, /*training=*/true);
  plan.training_peak = training_peak(context, model, shape);
  return plan;
}

// The calls of `body` as it is recorded once it has run.
Simulation simulation_of(Context& context, const std::function<void()>& body) {
  context.queue.warm_up(body);
  QueueProfile profile;
  context.queue.set_profile(&profile);
  context.queue.record(body);
  context.queue.set_profile(nullptr);
  return simulate(profile.works, simulated_h200());
}

void print_simulation(const char* what, const Simulation& simulation, int batch) {
  fmt::print("{}: microseconds of each layer's calls\n{}", what, layer_table(simulation.by_layer));
  fmt::print("{}: {} calls, {:.2f} ms per batch of {}, {:.0f} images/s predicted\n", what, simulation.calls,
             1e3 * simulation.seconds, batch, batch / simulation.seconds);
  if (!simulation.undeclared.empty())
    fmt::print("counted as launch gaps only: {}\n", fmt::join(simulation.undeclared, ", "));
  fmt::print("\n");
}

// Nothing runs: a described GPU takes what the engine gives it.
void simulate_network(const InfoOptions& options, const Config& config, Size2d size) {
  Gpu::describe();
  Context context(DeviceKind::Cuda, Precision::BF16);
  RetinaNet model(context, config.model, std::nullopt);
  const int64_t n = options.batch;
  constexpr int64_t kBoxes = 64;
  const Tensor images = context.empty({n, size.height, size.width, 3}, context.activation_dtype),
               sizes = context.empty({n, 2}, DType::F32);
  const Truth truth{context.empty({n, kBoxes, 4}, DType::F32), context.empty({n, kBoxes}, DType::I32),
                    context.empty({n, kBoxes}, DType::U8), context.empty({n}, DType::I32)};
  const Simulation detection = simulation_of(context, [&] {
    Tape tape(context, /*training=*/false);
    model.detect(model.forward(tape, images), size, sizes, {});
  });
  Optimizer optimizer(context, model.parameters(), config.train.optimizer);
  const Simulation training =
      simulation_of(context, [&] { enqueue_step(model, optimizer, {.images = images, .truth = truth, .size = size}); });
  const SimulatedGpu gpu = simulated_h200();
  fmt::print("{}, bf16: predicted from the recorded calls, not measured\n{}\n", gpu.name, gpu.constants());
  print_simulation("detection", detection, options.batch);
  print_simulation("training", training, options.batch);
  if (options.json.empty()) return;
  const auto json = [](const Simulation& simulation) {
    return fmt::format(R"({{"seconds":{:.6f},"calls":{},"layers":{}}})", simulation.seconds, simulation.calls,
                       layers_json(simulation.by_layer));
  };
  write_output(options.json, fmt::format(R"({{"about":"{}","gpu":{},"batch":{},"detection":{},"training":{}}})", kMark,
                                         json_quoted(gpu.name), options.batch, json(detection), json(training)) +
                                 "\n");
}

Size2d input_size(const InfoOptions& options, const Config& config) {
  const int short_side = config.input.short_side.back(), pad = config.input.pad_to;
  const auto padded = [&](int length) { return round_up(length, pad); };
  if (options.size.empty())
    return {padded(short_side),
            padded(static_cast<int>(std::min<int64_t>(config.input.long_side, int64_t{short_side} * 4 / 3)))};
  return {padded(options.size[0]), padded(options.size.size() > 1 ? options.size[1] : options.size[0])};
}

void print_network(const InfoOptions& options, const Config& config, Context& context, RetinaNet& model) {
  const Size2d size = input_size(options, config);
  const Plan p = plan(context, model, size, options.batch);
  double macs = 0;
  Table table({"layer", "input", "kernel", "output", "GMAC", "computed by"});
  for (const ConvTrace& layer : p.layers) {
    const auto& s = layer.shape;
    macs += static_cast<double>(s.macs());
    if (options.layers)
      table.add({layer.name, fmt::format("{}x{}x{}", s.in_h, s.in_w, s.in_c),
                 fmt::format("{}x{}/{}{}", s.kernel_h, s.kernel_w, s.stride,
                             s.groups > 1 ? fmt::format(" in {} groups", s.groups) : ""),
                 fmt::format("{}x{}x{}", s.out_h(), s.out_w(), s.out_c),
                 fmt::format("{:.3f}", static_cast<double>(s.macs()) / 1e9),
                 context.convolution.describe(s, context.activation_dtype, kernels::ConvPass::Forward, layer.fusion,
                                              context.queue.device())});
  }
  if (options.layers) fmt::print("{}", table.text());
  if (options.plans) {
    std::vector<LayerPlans> plans;
    plan_layers(context.convolution, p.layers, DType::BF16, options.batch, plans);
    fmt::print("{}\n", plan_table(plans));
  }
  if (options.roofline)
    fmt::print("{}\n", roofline_table(layer_costs(p.training_layers, model), h200_roofline(), options.batch));
  const auto mib = [](size_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
  fmt::print("network: {}, {} classes, {} anchors per location, {}\n", backbone_name(config.model.backbone),
             config.model.classes, config.model.anchors.per_location(), name_of(context.activation_dtype));
  fmt::print("parameters: {:.2f} M, of which {:.2f} M trained\n", model.parameters().total_count() / 1e6,
             model.parameters().trainable_count() / 1e6);
  fmt::print(
      "at {} x {} x {}: {:.2f} GMAC forward; tensors take {:.0f} MiB to detect, {:.0f} MiB to train (without "
      "optimizer state and packed weights)\n",
      options.batch, size.height, size.width, macs / 1e9, mib(p.forward_peak), mib(p.training_peak));
}

void print_config(const InfoOptions& options) {
  const Config config = options.weights.empty() ? resolve(options.config, preset("paper"))
                                                : open_model(options.weights, model_options(options.config)).config;
  fmt::print("{}", to_toml(config));
}

void info(const InfoOptions& options) {
  check_outputs({options.weights, options.file}, {options.json});
  if (!options.file.empty()) {
    fmt::print("{}", tensor_list(open_tensor_file(options.file, options.config.state_dict)));
    return;
  }
  if (options.smoke) return smoke();
  if (options.check_gpu) return check_gpu_anew();
  if (options.show_config) return print_config(options);
  fmt::print("{}{}", machine_text(), verdict_text());
  if (!options.weights.empty()) {
    ModelFile file = open_model(options.weights, model_options(options.config));
    std::string names;
    for (const Category& category : file.categories)
      names += fmt::format("{}{} ({})", names.empty() ? "" : ", ", printable(category.name), category.id);
    fmt::print("\n{}\nclasses: {}\n", printable(options.weights), names.empty() ? "not named" : names);
    return print_network(options, file.config, *file.context, *file.model);
  }
  const Config config = resolve(options.config, preset("paper"));
  fmt::print("\n");
  if (options.simulate) return simulate_network(options, config, input_size(options, config));
  Context context(resolve_device(options.config.device), config.precision, config.convolution);
  RetinaNet model(context, config.model, std::nullopt);
  print_network(options, config, context, model);
}

}  // namespace

void add_info(CLI::App& app) {
  auto* command =
      app.add_subcommand("info", "Show the build, the machine, and a network's parameters, arithmetic and memory");
  const auto options = std::make_shared<InfoOptions>();
  add_config_options(*command, options->config);
  add_weights_options(*command, options->config);
  command->footer(
      "Examples:\n"
      "  fovea info --preset paper --layers\n"
      "  fovea info --config --preset demo\n"
      "  fovea info weights.pth\n"
      "  fovea info --check-gpu");
  command
      ->add_option("file", options->file,
                   "List the tensors of this file of weights (safetensors, or PyTorch's .pth), by the names that a "
                   "network takes them by")
      ->type_name("FILE");
  command->add_flag(
      "--check-gpu", options->check_gpu,
      "Check convolution, losses, NMS and training steps on the GPU against the CPU, within a minute; --device auto "
      "uses the GPU once this has passed");
  command->add_flag(
      "--smoke", options->smoke,
      "Run the checks of --check-gpu in this process, without a time limit (for debuggers and sanitizers)");
  command->add_option("--weights", options->weights, "Describe the network of these weights")->type_name("FILE");
  command->add_option("--size", options->size, "Height and width of the input (default: from the configuration)")
      ->expected(1, 2)
      ->check(CLI::Range(1, 65536));
  command->add_option("--batch", options->batch, "Images per batch")->capture_default_str()->check(at_least(1));
  command->add_flag("--layers", options->layers, "List every convolution and the kernel that computes it");
  command->add_flag(
      "--plans", options->plans,
      "List the cuDNN plans and cuBLASLt matmuls of every convolution in bf16, for this machine's GPU or else an H200");
  command->add_flag("--roofline", options->roofline,
                    "List the lower bounds of each layer on an H200 in bf16: FLOP, bytes, microseconds");
  command->add_flag("--simulate", options->simulate,
                    "Predict the time of a training step and a detection on an H200 in bf16 from the recorded calls");
  command->add_option("--json", options->json, "Write the predictions of --simulate to this file")
      ->type_name("FILE")
      ->needs("--simulate");
  command->add_flag("--config", options->show_config, "Print the whole configuration as TOML, and nothing else");
  command->callback([options] { info(*options); });
}

}  // namespace fovea

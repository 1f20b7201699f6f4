// `fovea bench`: seconds an image of detection and training on random images, memory, and where the time goes.
#include <fmt/format.h>
#include <omp.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <numeric>

#include "engine/files.h"
#include "engine/printable.h"
#include "engine/random.h"
#include "engine/safetensors.h"
#include "kernels/conv/gpu_libraries.h"
#include "kernels/device/cuda_device.h"
#include "kernels/device/threads.h"
#include "model/levels.h"
#include "model/trace.h"
#include "model/weights.h"
#include "tools/analysis/candidates.h"
#include "tools/analysis/plan_times.h"
#include "tools/cli/bench_models.h"
#include "tools/cli/bounds.h"
#include "tools/cli/commands.h"
#include "tools/cli/process_memory.h"
#include "tools/report/layer_table.h"
#include "tools/report/table.h"
#include "tools/text/outputs.h"
#include "tools/train/step.h"

namespace fovea {

namespace {

constexpr int64_t kCandidates = 1000;  // an image: about what a trained network has

struct BenchOptions {
  std::string preset, model = "r50", precision = "auto", convolution = "auto", device = "auto", json, weights, input,
                      outputs, time_plans;
  int size = 800, batch = 1, classes = 0, warmup = 2, repeats = 5;  // classes 0: those of the preset
  bool inference_only = false, training_only = false, autotune = false, layers = false;
};

std::string network_name(const BenchOptions& options) {
  return options.preset.empty() ? options.model : options.preset;
}

Config bench_config(const BenchOptions& options) {
  Config config = preset(options.preset.empty() ? "torchvision" : options.preset);
  if (options.preset.empty()) config.model.backbone = backbone_of_model(options.model);
  if (options.classes > 0) config.model.classes = options.classes;
  config.train.batch = options.batch;
  apply_setting(config, "precision=" + options.precision);
  apply_setting(config, "convolution=" + options.convolution);
  config.autotune = options.autotune;
  validate(config);
  return config;
}

struct Timing {
  std::vector<double> seconds;  // of each repeat, an image
  double median() const {
    auto sorted = seconds;
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 2];
  }
  double least() const { return *std::min_element(seconds.begin(), seconds.end()); }
};

template <class Work>
Timing time(const BenchOptions& options, const Work& work) {
  for (int i = 0; i < options.warmup; ++i) work();
  Timing timing;
  for (int i = 0; i < options.repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    timing.seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() /
                             options.batch);
  }
  return timing;
}

std::vector<float> images_for(const BenchOptions& options) {
  if (options.input.empty()) {
    Random random(0, stream::kBenchmark);
    std::vector<float> images(static_cast<size_t>(options.batch) * options.size * options.size * 3);
    for (float& value : images) value = static_cast<float>(random.normal());
    return images;
  }
  const SafetensorsFile file(options.input);
  const std::vector<int64_t> shape{options.batch, options.size, options.size, 3};
  if (const auto& found = file.at("images").shape; found != shape)
    throw Error(ErrorKind::Data, fmt::format("{}: 'images' is [{}], expected [{}]", printable(options.input),
                                             fmt::join(found, ", "), fmt::join(shape, ", ")));
  return file.read<float>("images");
}

// Random normalized images, and eight random boxes each.
DeviceBatch random_batch(Context& context, const BenchOptions& options, const std::vector<float>& images) {
  constexpr int kBoxes = 8;
  Random random(1, stream::kBenchmark);
  DeviceBatch batch;
  const int64_t n = options.batch;
  batch.size = {options.size, options.size};
  const Tensor given = Tensor::from(context.memory, {n, options.size, options.size, 3}, images);
  batch.images =
      context.activation_dtype == DType::F32 ? given : Tensor::empty(context.memory, given.shape(), DType::BF16);
  if (context.activation_dtype == DType::BF16) batch.images.upload(std::vector<bfloat16>(images.begin(), images.end()));
  std::vector<float> boxes, sizes;
  std::vector<int32_t> labels, counts;
  for (int64_t image = 0; image < n; ++image) {
    for (int i = 0; i < kBoxes; ++i) {
      const double side = options.size * (0.05 + 0.4 * random.uniform()), x = random.uniform() * (options.size - side),
                   y = random.uniform() * (options.size - side);
      for (const double edge : {x, y, x + side, y + side}) boxes.push_back(static_cast<float>(edge));
      labels.push_back(static_cast<int32_t>(random.below(static_cast<uint32_t>(options.classes))));
    }
    counts.push_back(kBoxes);
    sizes.insert(sizes.end(), 2, static_cast<float>(options.size));
  }
  batch.truth = {Tensor::from(context.memory, {n, kBoxes, 4}, boxes), Tensor::from(context.memory, {n, kBoxes}, labels),
                 Tensor::zeros(context.memory, {n, kBoxes}, DType::U8), Tensor::from(context.memory, {n}, counts)};
  batch.image_sizes = Tensor::from(context.memory, {n, 2}, sizes);
  return batch;
}

// The heads' outputs as [N, anchors, …], of `columns` a location.
std::vector<float> concatenated(const std::vector<Tensor>& levels, int columns) {
  std::vector<std::vector<float>> values;
  for (const Tensor& level : levels) values.push_back(values_of(level, level.batch(), columns));
  std::vector<float> out;
  const auto images = static_cast<size_t>(levels[0].batch());
  for (size_t n = 0; n < images; ++n)
    for (const auto& level : values)
      out.insert(out.end(), level.begin() + static_cast<int64_t>(n * (level.size() / images)),
                 level.begin() + static_cast<int64_t>((n + 1) * (level.size() / images)));
  return out;
}

void write_outputs(const std::string& path, const BenchOptions& options, const Outputs& outputs,
                   int anchors_per_location) {
  const auto logits = concatenated(outputs.logits, anchors_per_location * options.classes),
             deltas = concatenated(outputs.deltas, anchors_per_location * 4);
  const int64_t n = options.batch, anchors = static_cast<int64_t>(deltas.size()) / 4 / n;
  write_safetensors(path,
                    {{"cls_logits", {"F32", {n, anchors, options.classes}, std::as_bytes(std::span(logits))}},
                     {"bbox_regression", {"F32", {n, anchors, 4}, std::as_bytes(std::span(deltas))}}},
                    {{"about", kMark}});
}

// Seconds of a run by layer and call. On a GPU of what is replayed, the mean of several; on the CPU of one more run.
QueueProfile profile_of(Context& context, const std::function<void()>& submit, const std::function<void()>& finish) {
  QueueProfile profile;
  if (!context.queue.on_cuda()) {
    context.queue.set_profile(&profile);
    submit();
    finish();
    context.queue.set_profile(nullptr);
    return profile;
  }
  constexpr int kReplays = 5;
  const Recording recording = context.queue.record(submit, {.times = true});
  for (int i = 0; i < kReplays; ++i) {
    recording.replay();
    recording.add_times(profile);
  }
  for (auto& [key, entry] : profile.entries) {
    entry.calls /= kReplays;
    entry.seconds /= kReplays;
  }
  return profile;
}

// Seconds by call, longest first.
std::vector<std::pair<std::string, double>> by_call(const QueueProfile& profile) {
  std::map<std::string, double> seconds;
  for (const auto& [key, entry] : profile.entries) seconds[key.name] += entry.seconds;
  std::vector<std::pair<std::string, double>> calls(seconds.begin(), seconds.end());
  std::sort(calls.begin(), calls.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  return calls;
}

struct Part {
  Timing timing;
  size_t peak_rss = 0, peak_tensors = 0;
  std::vector<double> candidates;  // an image, by level: of detection
  QueueProfile profile;
};

// `submit` enqueues the work, `finish` waits for it. On a GPU what is timed is the graph that training and detection
// replay, and so are its parts, in a recording with times. `note` is told of the part each time that there is more of
// it: what was measured is not lost where what follows fails.
Part measure(Context& context, const BenchOptions& options, const Part& unmeasured, const std::function<void()>& submit,
             const std::function<void()>& finish, const std::function<void(const Part&)>& note) {
  Part part = unmeasured;
  RepeatedWork repeated;
  reset_peak_rss();
  context.memory.reset_peak();
  part.timing = time(options, [&] {
    if (context.queue.on_cuda())
      repeated.run(context, submit);
    else
      submit();
    finish();
  });
  part.peak_rss = peak_rss();
  part.peak_tensors = context.memory.statistics().peak;
  note(part);
  part.profile = profile_of(context, submit, finish);
  note(part);
  return part;
}

std::string list_json(const std::vector<double>& values, int digits) {
  std::string list;
  for (const double value : values) list += fmt::format("{}{:.{}f}", list.empty() ? "" : ",", value, digits);
  return "[" + list + "]";
}

double sum(const std::vector<double>& values) { return std::accumulate(values.begin(), values.end(), 0.0); }

std::string part_json(const Part& part) {
  const auto calls = by_call(part.profile);
  double total = 0;
  for (const auto& [name, seconds] : calls) total += seconds;
  std::string shares, candidates;
  for (const auto& [name, seconds] : calls)
    shares += fmt::format("{}{}:{:.6f}", shares.empty() ? "" : ",", json_quoted(name), seconds / total);
  if (!part.candidates.empty())
    candidates = fmt::format(R"("candidates_per_image":{:.1f},"candidates_by_level":{},)", sum(part.candidates),
                             list_json(part.candidates, 1));
  return fmt::format(
      R"({{"seconds_per_image":{:.6f},"least_seconds_per_image":{:.6f},"all":{},"peak_rss_bytes":{},"peak_tensor_bytes":{},{}"shares":{{{}}},"layers":{}}})",
      part.timing.median(), part.timing.least(), list_json(part.timing.seconds, 6), part.peak_rss, part.peak_tensors,
      candidates, shares, layers_json(part.profile));
}

void print_part(const BenchOptions& options, const char* name, const Part& part) {
  fmt::print("{}: {:.4f} s per image (median of {}, best {:.4f}), peak memory {:.0f} MiB\n", name, part.timing.median(),
             part.timing.seconds.size(), part.timing.least(), static_cast<double>(part.peak_rss) / (1 << 20));
  if (!part.candidates.empty()) {
    std::string levels;
    for (const double count : part.candidates) levels += fmt::format("{}{:.0f}", levels.empty() ? "" : " ", count);
    fmt::print("candidates per image: {:.0f} ({} by level)\n", sum(part.candidates), levels);
  }
  const auto calls = by_call(part.profile);
  double total = 0;
  for (const auto& [kernel, seconds] : calls) total += seconds;
  if (options.layers) fmt::print("{}", layer_table(part.profile));
  Table table({"part", "ms", "share"});
  for (const auto& [kernel, seconds] : calls)
    if (seconds > total / 1000)
      table.add({kernel, fmt::format("{:.2f}", seconds * 1e3), fmt::format("{:.1f} %", 100 * seconds / total)});
  fmt::print("{}\n", table.text());
}

// The network's candidates on the batch, by level; with random weights it is given some.
std::vector<double> candidates(Context& context, const BenchOptions& options, RetinaNet& model,
                               const DeviceBatch& batch) {
  const auto outputs = [&] {
    Tape tape(context, /*training=*/false);
    return model.forward(tape, batch.images);
  };
  // Twice: logits as they are drawn are so close to each other that bf16 hardly tells them apart.
  for (int round = 0; options.weights.empty() && round < 2; ++round) give_candidates(model, outputs(), kCandidates);
  std::vector<double> counts = candidates_by_level(model, outputs());
  context.memory.release_cached();
  return counts;
}

std::string json_head(const Context& context, const BenchOptions& options) {
  const GpuStatus gpu = context.queue.on_cuda() ? gpu_status() : GpuStatus{};
  const std::string name = gpu.devices.empty() ? "" : gpu.devices.at(static_cast<size_t>(gpu_in_use())).name;
  return fmt::format(
      R"({{"about":"{}","model":"{}","size":{},"batch":{},"classes":{},"precision":"{}","convolution":"{}","device":"{}","gpu":{},"driver":{},"libraries":{},"threads":{})",
      kMark, network_name(options), options.size, options.batch, options.classes, name_of(context.activation_dtype),
      options.convolution, context.queue.on_cuda() ? "cuda" : "cpu", json_quoted(name), gpu.driver,
      json_of(gpu_libraries()), omp_get_max_threads());
}

// Of one layer, instead of the whole.
void bench_plans(const BenchOptions& options, Context& context, RetinaNet& model) {
  constexpr int kPlans = 5;
  const auto layers = traced_layers(context, model, {options.batch, options.size, options.size, 3}, /*training=*/true);
  context.memory.release_cached();
  const PlanTimes times = time_plans(context, layers, options.time_plans, kPlans);
  fmt::print("{} at batch {}, {}x{}, {}: the first {} plans of each pass, timed one by one\n{}", options.time_plans,
             options.batch, options.size, options.size, name_of(context.activation_dtype), kPlans, times.table());
  if (!options.json.empty())
    write_output(options.json, json_head(context, options) + ",\"plans\":" + times.json() + "}\n");
}

void bench(BenchOptions options) {
  check_outputs({options.weights, options.input}, {options.json, options.outputs});
  const Config config = bench_config(options);
  options.classes = config.model.classes;
  Context context(resolve_device(options.device), config.precision, config.convolution);
  context.convolution.set_autotune(config.autotune);
  const PinnedThreads pinned;
  RetinaNet model(context, config.model, options.weights.empty() ? std::optional<uint64_t>(0) : std::nullopt);
  if (!options.time_plans.empty()) return bench_plans(options, context, model);
  if (!options.weights.empty()) load_weights(open_tensor_file(options.weights), model.parameters(), LoadMode::Exact);
  const DeviceBatch batch = random_batch(context, options, images_for(options));
  fmt::print("{}: {}, {}x{}, batch {}, {} classes, {}, {} threads\n", network_name(options),
             backbone_name(config.model.backbone), options.size, options.size, options.batch, options.classes,
             name_of(context.activation_dtype), omp_get_max_threads());
  if (!options.outputs.empty()) {
    Tape tape(context, /*training=*/false);
    write_outputs(options.outputs, options, model.forward(tape, batch.images), model.config().anchors.per_location());
  }
  std::string json = json_head(context, options);
  const auto note_as = [&](const std::string& name) {
    return [&options, name, before = json](const Part& part) {
      if (!options.json.empty()) write_output(options.json, before + ",\"" + name + "\":" + part_json(part) + "}\n");
    };
  };
  if (!options.training_only) {
    DeviceDetections found;
    const auto detect = [&] {
      Tape tape(context, /*training=*/false);
      found = model.detect(model.forward(tape, batch.images), batch.size, batch.image_sizes, {});
    };
    Part part{.candidates = candidates(context, options, model, batch)};
    const Part inference = measure(context, options, part, detect, [&] { to_host(found); }, note_as("inference"));
    print_part(options, "inference", inference);
    json += ",\"inference\":" + part_json(inference);
  }
  if (!options.inference_only) {
    context.convolution.forget_weights();
    context.memory.release_cached();
    Optimizer optimizer(context, model.parameters(), config.train.optimizer);
    optimizer.set_learning_rate(1e-4);
    const Part training = measure(
        context, options, {}, [&] { enqueue_step(model, optimizer, batch); },
        [&] { context.queue.synchronize("the end of a step"); }, note_as("training"));
    print_part(options, "training", training);
  }
}

}  // namespace

void add_bench(CLI::App& app) {
  auto* command =
      app.add_subcommand("bench", "Measure the speed and memory of detection and training on random images");
  const auto o = std::make_shared<BenchOptions>();
  auto* model = command->add_option("--model", o->model, "Backbone");
  model->capture_default_str()->check(suggested(bench_models()));
  command->add_option("--preset", o->preset, "Use the network and optimizer of this preset instead")
      ->excludes(model)
      ->check(suggested(preset_names()));
  command->add_option("--size", o->size, "Height and width of the input")
      ->capture_default_str()
      ->check(CLI::Range(32, 8192));
  command->add_option("--batch", o->batch, "Images per batch")->capture_default_str()->check(at_least(1));
  command->add_option("--classes", o->classes, "Number of classes (default: those of the preset, or 91)")
      ->check(at_least(1));
  command->add_option("--precision", o->precision, "Precision")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "fp32", "tf32", "bf16"}));
  command->add_option("--conv", o->convolution, "Convolution algorithm")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "direct", "winograd"}));
  command->add_option("--device", o->device, "Device: cpu, cuda or auto")
      ->capture_default_str()
      ->check(CLI::IsMember({"cpu", "cuda", "auto"}));
  command->add_option("--warmup", o->warmup, "Untimed runs first")
      ->capture_default_str()
      ->take_last()
      ->check(at_least(0));
  command->add_option("--repeats", o->repeats, "Timed runs")->capture_default_str()->take_last()->check(at_least(1));
  command->add_option("--json", o->json, "Write the results to this file")->type_name("FILE");
  command->add_option("--weights", o->weights, "Load these weights (safetensors, or PyTorch's .pth)")
      ->type_name("FILE");
  command->add_option("--input", o->input, "Use the tensor `images` [N, H, W, 3] of this safetensors file as input")
      ->type_name("FILE");
  command->add_option("--outputs", o->outputs, "Write the heads' outputs to this file")->type_name("FILE");
  command->add_flag("--autotune", o->autotune,
                    "On a GPU: benchmark cuDNN and cuBLASLt algorithms once per layer and use the fastest");
  command
      ->add_option("--time-plans", o->time_plans,
                   "On a GPU: time only cuDNN's plans for the three passes of this layer")
      ->type_name("LAYER");
  command->add_flag("--layers", o->layers, "List the time of each layer");
  auto* inference = command->add_flag("--inference-only", o->inference_only, "Skip training");
  command->add_flag("--training-only", o->training_only, "Skip inference")->excludes(inference);
  command->footer(
      "Examples:\n"
      "  fovea bench --model r50 --size 800 --batch 1\n"
      "  fovea bench --preset demo --inference-only --layers");
  command->callback([o] { bench(*o); });
}

}  // namespace fovea

// Rates of the convolutions of RetinaNet R50-FPN (91 classes, 9 anchors, square image), each unique layer once:
//   bench_conv [--size 800] [--batch 1] [--dtype fp32|bf16|both] [--algorithm auto|direct|winograd|all] [--runs 5]
//              [--layer TEXT] [--cpu-time] [--json FILE]
// A total is Σ layers · times the layer runs: forward for an image, all three passes for a training step whose stem and
// first stage are frozen. The best of the runs is shown: other work on the machine only ever adds time. --cpu-time runs
// on one thread and counts its CPU time: rates a core, for a machine that is busy with other work.
#include <cstdio>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "benchmarks/bench.h"
#include "kernels/conv/conv.h"

using namespace fovea;
using namespace fovea::kernels;

namespace {

struct Layer {
  std::string name;
  ConvShape shape;
  int forward = 1;        // times in an image's forward pass
  int backward_data = 0;  // times in a training step
  int backward_weight = 0;
};

std::vector<Layer> retinanet_r50(int size, int batch) {
  std::vector<Layer> layers;
  const auto half = [](int n) { return (n + 1) / 2; };
  const int s2 = half(size), s4 = half(s2), s8 = half(s4), s16 = half(s8), s32 = half(s16), s64 = half(s32);
  const auto add = [&](std::string name, int in, int c, int o, int kernel, int stride, int forward, int data,
                       int weight) {
    layers.push_back(
        {std::move(name), {batch, in, in, c, o, kernel, kernel, stride, kernel / 2}, forward, data, weight});
  };
  add("stem", size, 3, 64, 7, 2, 1, 0, 0);
  add("layer1 reduce first", s4, 64, 64, 1, 1, 1, 0, 0);
  add("layer1 reduce", s4, 256, 64, 1, 1, 2, 0, 0);
  add("layer1 3x3", s4, 64, 64, 3, 1, 3, 0, 0);
  add("layer1 expand", s4, 64, 256, 1, 1, 4, 0, 0);
  const int sizes[] = {s4, s8, s16, s32}, blocks[] = {4, 6, 3};
  for (int stage = 0; stage < 3; ++stage) {
    const std::string name = "layer" + std::to_string(stage + 2);
    const int in = sizes[stage], out = sizes[stage + 1], c = 128 << stage, n = blocks[stage], data = stage > 0;
    add(name + " reduce first", in, 2 * c, c, 1, 1, 1, data, 1);
    add(name + " 3x3 stride 2", in, c, c, 3, 2, 1, 1, 1);
    add(name + " downsample", in, 2 * c, 4 * c, 1, 2, 1, data, 1);
    add(name + " reduce", out, 4 * c, c, 1, 1, n - 1, n - 1, n - 1);
    add(name + " 3x3", out, c, c, 3, 1, n - 1, n - 1, n - 1);
    add(name + " expand", out, c, 4 * c, 1, 1, n, n, n);
  }
  for (int level = 3; level <= 5; ++level) {
    add("lateral P" + std::to_string(level), sizes[level - 2], 64 << level, 256, 1, 1, 1, 1, 1);
    add("output P" + std::to_string(level), sizes[level - 2], 256, 256, 3, 1, 1, 1, 1);
  }
  add("P6", s32, 256, 256, 3, 2, 1, 1, 1);
  add("P7", s64, 256, 256, 3, 2, 1, 1, 1);
  const int levels[] = {s8, s16, s32, s64, half(s64)};
  for (int level = 0; level < 5; ++level) {
    const std::string name = " P" + std::to_string(level + 3);
    add("head" + name, levels[level], 256, 256, 3, 1, 8, 8, 8);
    add("logits" + name, levels[level], 256, 824, 3, 1, 1, 1, 1);
    add("deltas" + name, levels[level], 256, 40, 3, 1, 1, 1, 1);
  }
  return layers;
}

struct Result {
  const Layer* layer;
  const char* dtype;
  const char* algorithm;
  double seconds[3] = {};  // forward, backward data, backward weight; 0: not run in training
  std::string implementation[3] = {};
  size_t workspace = 0, packed = 0;  // bytes of scratch, and of packed weights kept
};

template <class T>
Result measure(const Layer& layer, ConvAlgorithm algorithm, const char* name, const bench::Timing& timing) {
  const ConvShape& s = layer.shape;
  Queue queue;
  bench::Stopwatch stopwatch(queue, timing.cpu_time);
  const auto best_seconds = [&](const auto& work) { return timing.sorted_seconds(stopwatch, work).front(); };
  Convolution convolution(algorithm);
  auto x = bench::uniform<T>(s.input_count()), w = bench::uniform<T>(s.weight_count()),
       y = bench::uniform<T>(s.output_count());
  auto dy = bench::uniform<T>(s.output_count()), dx = std::vector<T>(s.input_count());
  std::vector<float> bias(s.out_c), dbias(s.out_c), dweight(s.weight_count());
  const uint64_t version = 1;
  const ConvWeights weights{w.data(), &version};
  constexpr DType dtype = dtype_of<T>();
  Result result{&layer, name_of(dtype), name};
  result.seconds[0] = best_seconds(
      [&] { convolution.forward(queue, s, dtype, {x.data(), weights, bias.data(), nullptr, true, y.data()}); });
  if (layer.backward_data > 0)
    result.seconds[1] = best_seconds(
        [&] { convolution.backward_data(queue, s, dtype, {dy.data(), weights, x.data(), false, dx.data()}); });
  if (layer.backward_weight > 0)
    result.seconds[2] = best_seconds([&] {
      convolution.backward_weight(queue, s, dtype, {x.data(), dy.data(), false, dweight.data(), dbias.data()});
    });
  for (const ConvPass pass : {ConvPass::Forward, ConvPass::BackwardData, ConvPass::BackwardWeight}) {
    const bool forward = pass == ConvPass::Forward;
    result.implementation[static_cast<int>(pass)] =
        convolution.describe(s, dtype, pass, {.bias = forward, .relu = forward});
  }
  result.workspace = queue.workspace_bytes();
  result.packed = convolution.cached_bytes();
  return result;
}

void print(const Result& r) {
  const auto rate = [&](double seconds) { return seconds > 0 ? 2e-9 * r.layer->shape.macs() / seconds : 0.; };
  std::printf("%-20s %4s %-8s", r.layer->name.c_str(), r.dtype, r.algorithm);
  for (int pass = 0; pass < 3; ++pass) {
    const bool run = r.seconds[pass] > 0;
    std::printf(" |%8.2f ms %5.0f %-27.27s", 1e3 * r.seconds[pass], rate(r.seconds[pass]),
                run ? r.implementation[pass].c_str() : "");
  }
  std::printf(" | scratch %5.1f packed %5.1f MiB\n", r.workspace / 1048576., r.packed / 1048576.);
}

void write_json(const std::string& path, const std::vector<Result>& results) {
  std::ofstream file(path);
  file << "[";
  for (size_t i = 0; i < results.size(); ++i) {
    const Result& r = results[i];
    file << (i ? ",\n " : "") << "{\"layer\": \"" << r.layer->name << "\", \"dtype\": \"" << r.dtype
         << "\", \"algorithm\": \"" << r.algorithm << "\", \"gmac\": " << 1e-9 * r.layer->shape.macs()
         << ", \"times\": [" << r.layer->forward << ", " << r.layer->backward_data << ", " << r.layer->backward_weight
         << "], \"seconds\": [" << r.seconds[0] << ", " << r.seconds[1] << ", " << r.seconds[2]
         << "], \"workspace_bytes\": " << r.workspace << ", \"packed_bytes\": " << r.packed << "}";
  }
  file << "]\n";
  if (!file.flush()) throw Error(ErrorKind::Runtime, "cannot write " + path);
}

struct Options {
  int size = 800, batch = 1;
  std::string dtype = "both", algorithm = "all", layers;

  std::vector<bench::Option> command_line() {
    return {
        {"--size", &size, "image side, pixels"},
        {"--batch", &batch, "images"},
        {"--dtype", &dtype, "fp32, bf16 or both", bench::Option::Any, {"fp32", "bf16", "both"}},
        {"--algorithm", &algorithm, "of the convolutions", bench::Option::Any, {"auto", "direct", "winograd", "all"}},
        {"--layer", &layers, "only layers whose name contains this"}};
  }
};

void run(const Options& options, const bench::Timing& timing, const std::string& json) {
  const std::pair<const char*, ConvAlgorithm> algorithms[] = {
      {"auto", ConvAlgorithm::Auto}, {"direct", ConvAlgorithm::Direct}, {"winograd", ConvAlgorithm::Winograd}};
  const auto layers = retinanet_r50(options.size, options.batch);
  std::vector<Result> results;
  std::map<std::string, std::pair<double, double>> totals;  // forward, training step
  for (const Layer& layer : layers) {
    if (layer.name.find(options.layers) == std::string::npos) continue;
    for (const auto& [name, value] : algorithms) {
      if (options.algorithm != "all" && options.algorithm != name) continue;
      for (const bool bf16 : {false, true}) {
        if (options.dtype != "both" && (options.dtype == "bf16") != bf16) continue;
        results.push_back(bf16 ? measure<bfloat16>(layer, value, name, timing)
                               : measure<float>(layer, value, name, timing));
        const Result& r = results.back();
        print(r);
        auto& [forward, step] = totals[std::string(r.dtype) + " " + name];
        forward += r.seconds[0] * layer.forward;
        step +=
            r.seconds[0] * layer.forward + r.seconds[1] * layer.backward_data + r.seconds[2] * layer.backward_weight;
      }
    }
  }
  for (const auto& [name, total] : totals)
    std::printf("total %-14s forward %7.1f ms, training step %7.1f ms\n", name.c_str(), 1e3 * total.first,
                1e3 * total.second);
  if (!json.empty()) write_json(json, results);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  return bench::program(argc, argv, "Rates of the convolutions of RetinaNet R50-FPN", 5, options.command_line(),
                        [&](const bench::Timing& timing, const std::string& json) { run(options, timing, json); });
}

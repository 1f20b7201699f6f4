// `fovea convert`: what goes there and back is the same to the bit, under every program's names and in both formats.
#include <cmath>

#include "engine/half.h"
#include "engine/safetensors.h"
#include "kernels/launch/bfloat16.h"
#include "model/weight_family.h"
#include "tests/support/catch.h"
#include "tests/support/checked_run.h"
#include "tests/support/pth_file.h"
#include "tests/support/training_folder.h"
#include "tools/checkpoint/checkpoint.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

const fs::path kFiles = fs::path(FOVEA_TEST_DATA) / "pth";

Config network(const char* from, const std::vector<const char*>& settings) {
  Config config = preset(from);
  for (const char* setting :
       {"model.classes=3", "input.short_side=[96]", "input.long_side=128", "model.detect.score_threshold=0.005"})
    apply_setting(config, setting);
  for (const char* setting : settings) apply_setting(config, setting);
  return config;
}
// What every program has but for ODTK, which has the usual widths alone: ResNet-50, very narrow.
Config narrow_network() {
  return network("paper", {"model.backbone.width_divisor=16", "model.backbone.stem_width=8", "model.fpn.channels=16"});
}
Config network_of(WeightFamily family) { return family == WeightFamily::Odtk ? network("r18", {}) : narrow_network(); }

std::map<std::string, std::string> told_by(const TensorFile& file) {
  auto metadata = file.metadata();
  for (const char* of_writer : {"xxh3", "about"}) metadata.erase(of_writer);
  return metadata;
}

void check_same(const TensorFile& a, const TensorFile& b) {
  CHECK(a.tensors().size() == b.tensors().size());
  for (const auto& [name, tensor] : a.tensors()) {
    CAPTURE(name);
    REQUIRE(b.contains(name));
    const StoredTensor& other = b.at(name);
    CHECK(tensor.dtype == other.dtype);
    CHECK(tensor.shape == other.shape);
    CHECK(a.read_bytes(name) == b.read_bytes(name));
  }
  CHECK(told_by(a) == told_by(b));
}

struct ConvertBench : TrainingFolder {
  std::string weights = (folder.path() / "weights.safetensors").string();

  explicit ConvertBench(const Config& config = narrow_network()) {
    Context context(DeviceKind::Cpu, Precision::F32, kernels::ConvAlgorithm::Auto);
    const RetinaNet model(context, config.model, 7);
    save_checkpoint(weights, model, nullptr, config, {{1, "a"}, {2, "b \"ß\""}, {5, "c"}}, {});
  }
  std::string path(const std::string& name) const { return (folder.path() / name).string(); }
  std::string convert(const std::string& in, const std::string& name, const Arguments& more = {}) const {
    check_runs(joined({"convert", in, path(name)}, more));
    return path(name);
  }
  std::string found(const std::string& file) const {
    const std::string out = path("found");
    fs::remove_all(out);
    check_runs({"detect", (data / "val").string(), "--weights", file, "--no-draw", "--score", "0", "--out", out});
    return read_text(out + "/detections.json");
  }
};

}  // namespace

TEST_CASE("convert: a training's checkpoint is the same after PyTorch's form, with the optimizer's state",
          "[convert]") {
  TrainingFolder trainings;
  make_data(trainings.data, 2, 2);
  check_runs(trainings.arguments("run", {"--set", "train.steps=2"}));
  const std::string last = (trainings.run("run") / "last.safetensors").string(),
                    pth = (trainings.folder.path() / "x.pth").string(),
                    back = (trainings.folder.path() / "y.safetensors").string();
  CHECK_THAT(run({"convert", last, pth}).out, Contains("and the optimizer's state"));
  check_runs({"convert", pth, back});
  const SafetensorsFile before(last), after(back);
  CHECK(before.contains("optimizer.adamw.m"));
  check_same(before, after);
  check_runs({"convert", pth, back, "--strip"});
  const SafetensorsFile stripped(back);
  CHECK_FALSE(stripped.contains("optimizer.adamw.m"));
  CHECK_FALSE(read_info(stripped).config == std::nullopt);
}

TEST_CASE("convert: under each program's names, in both formats, the same is found, and the way back is exact",
          "[convert]") {
  for (const FamilyTraits& family : weight_families()) {
    const ConvertBench bench(network_of(family.family));
    make_data(bench.data, 1, 1);
    const std::string found = bench.found(bench.weights);
    CHECK_THAT(found, Contains("\"score\""));
    for (const char* ending : {".pth", ".safetensors"}) {
      CAPTURE(family.word, ending);
      const std::string there = bench.convert(bench.weights, std::string("there") + ending, {"--to", family.word}),
                        back = bench.convert(there, std::string("back") + ending + ".safetensors");
      check_same(SafetensorsFile(bench.weights), SafetensorsFile(back));
      CHECK(bench.found(there) == found);
    }
  }
}

TEST_CASE("convert: in fp16 and bf16 each weight is the nearest one, and the file finds", "[convert]") {
  const ConvertBench bench;
  make_data(bench.data, 2, 2);
  const SafetensorsFile before(bench.weights);
  for (const std::string precision : {"fp16", "bf16"}) {
    const std::string out = bench.convert(bench.weights, precision + ".safetensors", {"--precision", precision});
    const SafetensorsFile after(out);
    int wrong = 0;
    for (const auto& [name, tensor] : before.tensors()) {
      CHECK(after.at(name).dtype == (precision == "fp16" ? "F16" : "BF16"));
      const auto wide = before.read<float>(name), narrow = after.read<float>(name);
      for (size_t i = 0; i < wide.size(); ++i)
        wrong += narrow[i] !=
                 (precision == "fp16" ? float_of_half(half_of_float(wide[i])) : static_cast<float>(bfloat16(wide[i])));
    }
    CHECK(wrong == 0);
    CHECK(fs::file_size(out) < fs::file_size(bench.weights) * 0.6);
    CHECK_THAT(bench.found(out), Contains("\"score\""));
  }
}

TEST_CASE("convert: weights of no detector keep their names, without wrappers' prefixes", "[convert]") {
  const ConvertBench bench;
  const std::vector<float> values{1, 2, 3};
  write_pth(bench.path("in.pth"), {{"conv1.weight", {"F32", {3}, std::as_bytes(std::span(values)), {}}}},
            [](const std::string& name) { return "module." + name; });
  const SafetensorsFile out(bench.convert(bench.path("in.pth"), "out.safetensors"));
  write_safetensors(bench.path("both.safetensors"),
                    {{"conv1.weight", {"F32", {3}, std::as_bytes(std::span(values)), {}}},
                     {"optimizer.m", {"F32", {3}, std::as_bytes(std::span(values)), {}}}},
                    {});
  const std::string both = bench.convert(bench.path("both.safetensors"), "both.pth");
  CHECK(open_tensor_file(both, "model").tensors().size() == 1);
  CHECK(open_tensor_file(both, "optimizer").tensors().size() == 1);
  CHECK(out.tensors().size() == 1);
  CHECK(out.read<float>("conv1.weight") == values);
  check_fails(3, {"convert", bench.path("in.pth"), bench.path("other.pth"), "--to", "detectron2"},
              "in.pth: holds no RetinaNet");
  CHECK_FALSE(fs::exists(bench.path("other.pth")));
}

TEST_CASE("convert: --ema takes the average that lies beside the weights", "[convert]") {
  const ConvertBench bench;
  const std::string file = (kFiles / "ema.pth").string();
  const SafetensorsFile now(bench.convert(file, "now.safetensors")),
      average(bench.convert(file, "average.safetensors", {"--ema"}));
  CHECK(average.contains("conv.weight"));
  CHECK(now.read_bytes("conv.weight") != average.read_bytes("conv.weight"));
  check_fails(3, {"convert", bench.weights, bench.path("x.pth"), "--ema"}, "keeps no moving average");
  check_fails(3, {"convert", bench.path("now.safetensors"), bench.path("x.pth"), "--ema"}, "is no PyTorch file");
}

TEST_CASE("convert: --ema of a checkpoint takes the average that the best one holds", "[convert]") {
  TrainingFolder trainings;
  make_data(trainings.data, 2, 2);
  const Arguments short_and_averaged{"--set", "train.steps=3", "--set", "train.optimizer.ema_decay=0.5"};
  check_runs(trainings.arguments("run", short_and_averaged));
  const std::string out = (trainings.folder.path() / "average.safetensors").string();
  check_runs({"convert", (trainings.run("run") / "last.safetensors").string(), out, "--ema"});
  const SafetensorsFile average(out), best(trainings.run("run") / "best.safetensors"),
      last(trainings.run("run") / "last.safetensors");
  const std::string weight = "head.classification_head.cls_logits.weight";
  CHECK(average.read_bytes(weight) != last.read_bytes(weight));
  CHECK(average.tensors().size() == best.tensors().size());
  for (const auto& [name, tensor] : best.tensors()) CHECK(average.read_bytes(name) == best.read_bytes(name));
}

TEST_CASE("fault: convert refuses in a line what it cannot do, and nothing is lost", "[convert]") {
  const ConvertBench bench;
  const std::string& in = bench.weights;
  check_fails(2, {"convert", in, bench.path("x.onnx")}, "x.onnx: its name tells no format");
  check_fails(2, {"convert", in, in}, "would overwrite the input");
  write_text(bench.path("mine.pth"), "mine");
  check_fails(2, {"convert", in, bench.path("mine.pth")}, "mine.pth");
  CHECK(read_text(bench.path("mine.pth")) == "mine");
  bench.convert(in, "again.pth");
  bench.convert(in, "again.pth");  // its own may be replaced
  bench.convert(in, "again.safetensors");
  bench.convert(in, "again.safetensors");
  check_fails(3, {"convert", bench.path("none.pth"), bench.path("x.pth")}, "none.pth");
  check_fails(2, {"convert", in, bench.path("x.pth"), "--to", "keras"}, "keras");
  check_fails(3, {"convert", in, bench.path("x.pth"), "--names", "odtk"}, "have not ODTK's names, but torchvision's");
  CHECK_FALSE(fs::exists(bench.path("x.pth")));
}

TEST_CASE("fault: convert names the tensor that holds no number, or one too large for fp16", "[convert]") {
  const ConvertBench bench;
  for (const float value : {NAN, 70000.f}) {
    std::map<std::string, StoredTensor> tensors = SafetensorsFile(bench.weights).tensors();
    const SafetensorsFile before(bench.weights);
    auto bias = before.read<float>("backbone.fpn.inner_blocks.0.0.bias");
    bias[1] = value;
    tensors["backbone.fpn.inner_blocks.0.0.bias"].data = std::as_bytes(std::span(bias));
    const std::string odd = bench.path("odd.safetensors");
    write_safetensors(odd, tensors, before.metadata());
    check_fails(3, {"convert", odd, bench.path("x.pth"), "--precision", "fp16"},
                "tensor 'backbone.fpn.inner_blocks.0.0.bias' holds");
    CHECK_FALSE(fs::exists(bench.path("x.pth")));
  }
  check_runs({"convert", bench.path("odd.safetensors"), bench.path("x.pth"), "--precision", "bf16"});
}

TEST_CASE("fault: a network that the other program does not have is not converted to it", "[convert]") {
  Config config = narrow_network();
  apply_setting(config, "model.head.norm=group");
  apply_setting(config, "model.head.norm_groups=4");
  const ConvertBench bench(config);
  check_fails(3, {"convert", bench.weights, bench.path("x.pth"), "--to", "odtk"}, "which ODTK's has not");
}

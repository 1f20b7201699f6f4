// The commands on weights of other programs' RetinaNets.
#include "tools/checkpoint/foreign_weights.h"

#include "engine/safetensors.h"
#include "model/weights.h"
#include "tests/support/catch.h"
#include "tests/support/checked_run.h"
#include "tests/support/pth_file.h"
#include "tests/support/state_dicts.h"
#include "tests/support/training_folder.h"
#include "tools/checkpoint/model_file.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

// A network of the preset tiny, but with heads as every program has them.
const Arguments kTiny{"--preset", "tiny", "--set", "model.head.norm=none", "--set", "model.fpn.p6_from_c5=true"};

struct ForeignBench : TrainingFolder {
  Config config = preset("tiny");
  HostTensors own;
  ForeignBench() {
    make_data(data, 2, 2);
    config.model.head.norm = Norm::None;
    config.model.fpn.p6_from_c5 = true;
    config.model.classes = 3;
    Context context(DeviceKind::Cpu, Precision::F32);
    own.add_parameters(RetinaNet(context, config.model, /*seed=*/1).parameters());
  }
  std::string file(WeightFamily family) const {
    std::map<std::string, StoredTensor> tensors;
    std::deque<std::vector<std::byte>> values;
    for (const auto& [name, tensor] : own.tensors()) {
      values.push_back(to_family(family, name, tensor.data, tensor.shape, config.model));
      tensors[name] = {"F32", tensor.shape, values.back(), {}};
    }
    const fs::path path = folder.path() / (std::string(traits_of(family).word) + ".pth");
    write_pth(path, tensors, [&](const std::string& name) { return family_name(family, name, config.model); }, "model");
    return path.string();
  }
  std::string found(const std::string& weights, const Arguments& more) const {
    const std::string out = (folder.path() / "found").string();
    fs::remove_all(out);
    check_runs(joined({"detect", (data / "val").string(), "--weights", weights, "--set",
                       "model.detect.score_threshold=0.005", "--no-draw", "--score", "0", "--out", out},
                      more));
    return read_text(out + "/detections.json");
  }
};

const std::vector<WeightFamily> kOthers{WeightFamily::Detectron2, WeightFamily::Detectron2Rgb,
                                        WeightFamily::MMDetection, WeightFamily::MMDetectionCaffe};

}  // namespace

TEST_CASE("the same network finds the same from every family's file", "[foreign_weights]") {
  const ForeignBench bench;
  const std::string found = bench.found(bench.file(WeightFamily::Torchvision), kTiny);
  CHECK_THAT(found, Contains("\"score\""));
  for (const WeightFamily family : kOthers) {
    CAPTURE(traits_of(family).word);
    CHECK(found == bench.found(bench.file(family), joined(kTiny, {"--names", traits_of(family).word})));
  }
  CHECK(found == bench.found(bench.file(WeightFamily::Torchvision2020), kTiny));
}

TEST_CASE("a foreign network needs no setting, and what was assumed is said", "[foreign_weights]") {
  const ForeignBench bench;
  const std::string file = bench.file(WeightFamily::Detectron2);
  const auto info = run({"info", "--weights", file, "--device", "cpu"});
  CHECK(info.exit_code == 0);
  CHECK_THAT(info.err, Contains("detectron2.pth: detectron2: ResNet-18 with 1+1+1+1 blocks, widths divided by 8, P6 "
                                "from C5, heads of 1 convolution, 9 anchors a location, 3 classes\n") &&
                           Contains("not in the file, taken as usual there: ") &&
                           Contains("model.anchors.sizes = [32.0, 64.0, 128.0, 256.0, 512.0]") &&
                           Contains("input.short_side = [800]") && Contains("--set KEY=VALUE"));
  CHECK(std::count(info.err.begin(), info.err.end(), '\n') == 2);
  const auto changed = run({"info", "--weights", file, "--device", "cpu", "--set", "input.short_side=640"});
  CHECK_THAT(changed.err, !Contains("short_side"));
  const auto config = run({"info", "--config", "--weights", file, "--device", "cpu"});
  CHECK_THAT(config.out, Contains("std = [0.00392156862745098, 0.00392156862745098, 0.00392156862745098]") &&
                             Contains("p6_from_c5 = true") && Contains("antialias = true"));
  const auto listed = run({"info", file});
  CHECK_THAT(listed.out, Contains("network: detectron2: ResNet-18") && Contains("\nbackbone.body.conv1.weight ") &&
                             Contains(" backbone.bottom_up.stem.conv1.weight\n"));
}

TEST_CASE("train starts from a foreign detector, and says where its network is used otherwise", "[foreign_weights]") {
  const ForeignBench bench;
  for (const WeightFamily family : kOthers) {
    CAPTURE(traits_of(family).word);
    const auto trained = run(
        bench.arguments(traits_of(family).word,
                        joined({"--init-from", bench.file(family), "--names", traits_of(family).word, "--set",
                                "model.head.norm=none", "--set", "model.fpn.p6_from_c5=true", "--set", "train.steps=1"},
                               {})));
    CHECK(trained.exit_code == 0);
    CHECK_THAT(trained.out, Contains("of another shape): none") && !Contains("left out"));
    const bool caffe = traits_of(family).caffe;
    CHECK((trained.out.find("input.std = [0.00392") != std::string::npos) == caffe);
    const bool mm = family == WeightFamily::MMDetection || family == WeightFamily::MMDetectionCaffe;
    CHECK((trained.out.find("model.fpn.relu_before_p7 = false -> true") != std::string::npos) == mm);
  }
  check_fails(2, bench.arguments("other", {"--names", "odtk"}), "--names says whose names");
  check_fails(3, bench.arguments("other", {"--init-from", bench.file(WeightFamily::Detectron2), "--names", "odtk"}),
              "have not ODTK's names, but detectron2's");
}

TEST_CASE("fault: a network that cannot be built is refused by its tensor, and listed all the same",
          "[foreign_weights]") {
  const ForeignBench bench;
  const auto path = bench.folder.path() / "x.safetensors";
  static const std::vector<float> zeros(64);
  const auto bytes = std::as_bytes(std::span(zeros)).first(16);
  write_safetensors(path, {{"roi_heads.x", {"F32", {4}, bytes, {}}}}, {});
  check_fails(3, {"detect", bench.data.string(), "--weights", path.string(), "--out", bench.run("o").string()},
              "holds no RetinaNet: tensor 'roi_heads.x' is of a Faster or Mask R-CNN");
  write_safetensors(path, {{"head.cls_score.bias", {"F32", {4}, bytes, {}}}}, {});
  const auto listed = run({"info", path.string()});
  CHECK(listed.exit_code == 0);
  CHECK_THAT(listed.out, Contains("network: none of Fovea's: ") && Contains("stem.conv1.weight' is missing"));
}

TEST_CASE("fault: anchors that the configuration has not in that number are refused", "[foreign_weights]") {
  const ForeignBench bench;
  check_fails(3, {"info", "--weights", bench.file(WeightFamily::Torchvision), "--set", "model.anchors.ratios=[1.0]"},
              "has 9 anchors a location, the configuration 3: set model.anchors.octaves");
}

TEST_CASE("the configuration of a recognized network is one that is taken", "[foreign_weights]") {
  for (const Shapes& shapes : {detectron2_state(kBlocksOf50), mmdetection_state(), odtk_state()}) {
    const Recognized recognized = recognize(file_of(shapes));
    const Config config = config_for(recognized);
    validate(config);
    CHECK(used_otherwise(recognized, config).empty());
    CHECK(config.model.detect.per_image == 100);
    CHECK(config.input.std[1] == recognized.deviation[1]);
  }
  const auto otherwise = used_otherwise(recognize(file_of(odtk_state())), preset("paper"));
  CHECK(otherwise ==
        std::vector<std::string>{"model.anchors.offset = 0.5 -> 0.0", "model.anchors.inclusive = true -> false"});
}

TEST_CASE("the preset torchvision_v2 is the network of torchvision's second RetinaNet", "[foreign_weights]") {
  const Config config = preset("torchvision_v2");
  CHECK(network_words(config.model) ==
        "ResNet-50, P6 from C5, heads of 4 convolutions with group norm, 9 anchors a location, 80 classes");
  CHECK((config.model.loss.box == BoxLoss::GIoU && config.model.anchors.rounded));
  CHECK((config.model.backbone.norm == Norm::Batch && config.input.short_side.back() == 800));
}

// Exported models in the programs that they are for: ONNX Runtime, OpenVINO and ONNX's own checker.
#include <csignal>

#include "model/backbone/kinds.h"
#include "model/names.h"
#include "tests/support/checked_run.h"
#include "tests/support/exportable.h"
#include "tests/support/training_folder.h"
#include "tests/support/variable.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

// Types and shapes as ONNX infers them must be those that the file says: strict_mode compares.
constexpr const char* kCheck = R"py(
import sys, onnx
model = onnx.load(sys.argv[1])
onnx.checker.check_model(model, full_check=True)
onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
)py";

struct Exporting {
  TemporaryFolder folder;
  fs::path data = folder.path() / "data", out = folder.path() / "model.onnx";
  std::string weights, size = "96x128";

  explicit Exporting(const Config& config) : weights(write_exportable(folder.path() / "w.safetensors", config)) {
    make_data(data, 1, 5);
  }
  Arguments arguments(const Arguments& more = {}) const {
    return joined({"export", weights, out.string(), "--size", size}, more);
  }
  Arguments verifying(const Arguments& more) const {
    return joined(arguments({"--verify", data.string(), "--python", FOVEA_ONNX_PYTHON}), more);
  }
  void check_valid() const { check_python({"-c", kCheck, out.string()}); }
  static void check_python(const Arguments& arguments) {
    CHECK(run(arguments, "exec " FOVEA_ONNX_PYTHON " \"$@\"").exit_code == 0);
  }
};

bool has_runtimes() { return fs::exists(FOVEA_ONNX_PYTHON); }
#define SKIP_WITHOUT_RUNTIMES()                                                         \
  if (!has_runtimes())                                                                  \
  SKIP_TEST(                                                                            \
      "there are no ONNX Runtime and OpenVINO: scripts/setup installs them for Python " \
      "3.11")

// One image at a time, four, and any number.
void check_in_both(const Config& config) {
  const Exporting exporting(config);
  for (const char* batch : {"1", "4", "dynamic"}) {
    for (const std::string runtime : {"onnxruntime", "openvino"}) {
      const auto result = run(exporting.verifying({"--batch", batch, "--runtime", runtime}));
      CHECK(result.exit_code == 0);
      CHECK_THAT(result.out,
                 Contains(runtime + " ") && Contains(", 5 images: ") && Contains("% of 500 detections agree"));
    }
    exporting.check_valid();
  }
}

}  // namespace

TEST_CASE("export: ResNet-18 finds the same in ONNX Runtime and OpenVINO", "[export]") {
  SKIP_WITHOUT_RUNTIMES();
  check_in_both(narrow(BackboneKind::ResNet, 18));
}

TEST_CASE("export: ResNet-50 finds the same in ONNX Runtime and OpenVINO", "[export]") {
  SKIP_WITHOUT_RUNTIMES();
  Config config = narrow(BackboneKind::ResNet, 50);
  config.model.backbone.layers = {};  // all sixteen blocks
  check_in_both(config);
}

TEST_CASE("export: heads with group norm find the same in ONNX Runtime and OpenVINO", "[export]") {
  SKIP_WITHOUT_RUNTIMES();
  Config config = narrow(BackboneKind::ResNet, 18);
  config.model.head.convolutions = 2;
  config.model.head.norm = Norm::Group;
  config.model.head.norm_groups = 4;
  check_in_both(config);
}

TEST_CASE("export: a backbone with group norm finds the same in ONNX Runtime and OpenVINO", "[export]") {
  SKIP_WITHOUT_RUNTIMES();
  Config config = narrow(BackboneKind::ResNet, 18);
  config.model.backbone.norm = Norm::Group;
  config.model.backbone.norm_groups = 4;
  check_in_both(config);
}

TEST_CASE("export: VGG finds the same in ONNX Runtime and OpenVINO", "[export]") {
  SKIP_WITHOUT_RUNTIMES();
  check_in_both(narrow(BackboneKind::Vgg, 11));
}

TEST_CASE("export: Inception finds the same in ONNX Runtime and OpenVINO", "[export]") {
  SKIP_WITHOUT_RUNTIMES();
  check_in_both(narrow(BackboneKind::Inception, 48));
}

TEST_CASE("export: ResNeXt finds the same in ONNX Runtime and OpenVINO", "[export]") {
  SKIP_WITHOUT_RUNTIMES();
  check_in_both(narrow(BackboneKind::ResNeXt, 50));
}

TEST_CASE("export: each form of input and tail finds the same, with padding and with batches", "[export]") {
  SKIP_WITHOUT_RUNTIMES();
  Config config = narrow(BackboneKind::ResNet, 18);
  config.model.loss.coder_weights = {10, 10, 5, 5};
  Exporting exporting(config);
  exporting.size = "128x160";  // larger than the images
  for (const Arguments& options : {Arguments{"--input", "unit", "--batch", "4"},
                                   {"--input", "normalized", "--batch", "dynamic"},
                                   {"--filled"},
                                   {"--tail", "heads", "--batch", "4"},
                                   {"--tail", "heads", "--input", "normalized"},
                                   {"--set", "model.detect.class_agnostic=true"}}) {
    const auto result = run(exporting.verifying(options));
    CHECK(result.exit_code == 0);
    exporting.check_valid();
  }
}

TEST_CASE("export: TensorRT's plugin is given the boxes and logits of all anchors, and would find the same",
          "[export]") {
  SKIP_WITHOUT_RUNTIMES();
  Config config = narrow(BackboneKind::ResNet, 18);
  config.model.loss.coder_weights = {10, 10, 5, 5};
  config.model.detect.score_threshold = 0.1;  // fewer candidates than the best thousand of each level
  const Exporting exporting(config);
  for (const char* agnostic : {"false", "true"}) {
    Arguments script{FOVEA_SOURCE_DIR "/tests/support/efficient_nms.py"};
    for (const std::string tail : {"heads", "nms", "efficient_nms"}) {
      REQUIRE(
          run(exporting.arguments({"--tail", tail, "--set", std::string("model.detect.class_agnostic=") + agnostic}))
              .exit_code == 0);
      exporting.check_valid();
      script.push_back((exporting.folder.path() / (tail + ".onnx")).string());
      fs::rename(exporting.out, script.back());
      fs::rename(fs::path(exporting.out).replace_extension(".json"),
                 fs::path(script.back()).replace_extension(".json"));
    }
    Exporting::check_python(script);
  }
}

TEST_CASE("export: a trained network has the same AP", "[export]") {
  SKIP_WITHOUT_RUNTIMES();
  const TrainingFolder trained;
  make_data(trained.data, 40, 10);
  check_runs(trained.arguments("run", {"--set", "train.steps=120", "train.batch=4", "train.eval_every=0"}));
  for (const char* runtime : {"onnxruntime", "openvino"}) {
    const auto result = run({"export", (trained.run("run") / "last.safetensors").string(),
                             (trained.folder.path() / "model.onnx").string(), "--verify", trained.data.string(),
                             "--split", "train", "--runtime", runtime, "--python", FOVEA_ONNX_PYTHON});
    CHECK(result.exit_code == 0);
    const size_t at = result.out.find("; AP 0.");
    REQUIRE(at != std::string::npos);
    CHECK(std::stod(result.out.substr(at + 5)) > 0.02);
  }
}

TEST_CASE("export: what is exported in 16 bits is valid, and as good where it runs", "[export]") {
  SKIP_WITHOUT_RUNTIMES();
  const Exporting exporting(narrow(BackboneKind::ResNet, 18));
  for (const char* runtime : {"onnxruntime", "openvino"})
    CHECK(run(exporting.verifying({"--precision", "fp16", "--runtime", runtime})).exit_code == 0);
  exporting.check_valid();
  CHECK(run(exporting.verifying({"--precision", "bf16", "--runtime", "openvino"})).exit_code == 0);
  exporting.check_valid();
  const auto refused = run(exporting.verifying({"--precision", "bf16"}));
  CHECK(refused.exit_code == 1);
  CHECK_THAT(refused.err, Contains("fovea: onnxruntime refuses the model: "));
}

TEST_CASE("export: a model that finds something else is told by --verify", "[export]") {
  SKIP_WITHOUT_RUNTIMES();
  const Exporting exporting(narrow(BackboneKind::ResNet, 18));
  // A Python whose ONNX Runtime gives scores that are a little too high.
  const fs::path site = exporting.folder.path() / "site";
  write_text(site / "sitecustomize.py", R"py(
import onnxruntime
session = onnxruntime.InferenceSession
class Wrong(session):
    def run(self, *arguments):
        boxes, scores, labels, count = session.run(self, *arguments)
        return [boxes, scores + scores.dtype.type(0.002), labels, count]
onnxruntime.InferenceSession = Wrong
)py");
  const Variable path("PYTHONPATH", site.string());
  const auto result = run(exporting.verifying({}));
  CHECK(result.exit_code == 1);
  CHECK_THAT(result.err, Contains("the exported model finds something else than Fovea"));
  CHECK(fs::exists(exporting.out));
}

TEST_CASE("export: OpenVINO reports to nobody that --verify runs it", "[export]") {
  SKIP_WITHOUT_RUNTIMES();
  const Exporting exporting(narrow(BackboneKind::ResNet, 18));
  const fs::path site = exporting.folder.path() / "site", reported = exporting.folder.path() / "reported";
  write_text(site / "openvino_telemetry.py", fmt::format("open('{}', 'w')\n", reported.string()));
  const Variable path("PYTHONPATH", site.string());
  CHECK(run(exporting.verifying({"--runtime", "openvino"})).exit_code == 0);
  CHECK_FALSE(fs::exists(reported));
}

// Each image is opened twice when the dataset is read, and once when it is loaded.
TEST_CASE("export: Ctrl-C ends --verify between two images, and leaves whole files", "[export][stop]") {
  SKIP_WITHOUT_RUNTIMES();
  const Exporting exporting(narrow(BackboneKind::ResNet, 18));
  const auto stopped =
      run(exporting.verifying({}), fmt::format("SIGNAL_PATH=/data/val/ SIGNAL_COUNT=12 SIGNAL_NUMBER={} SIGNAL_TIMES=1 "
                                               "LD_PRELOAD='{}' exec \"$0\" \"$@\"",
                                               SIGINT, FOVEA_SIGNALLER));
  CHECK(stopped.exit_code == 130);
  CHECK_THAT(stopped.err, Contains("the model is written, and not verified"));
  exporting.check_valid();
  CHECK(contents(exporting.folder.path()).count("model.json") == 1);
}

// The commands on PyTorch's files.
#include "tests/support/catch.h"
#include "tests/support/checked_run.h"
#include "tests/support/pth_file.h"
#include "tests/support/training_folder.h"
#include "tests/support/weights_file.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

const fs::path kFiles = fs::path(FOVEA_TEST_DATA) / "pth";

std::string wrapped(const std::string& name) { return "module." + name; }

struct PthBench : TrainingFolder {
  std::string weights = write_weights(folder.path() / "weights.safetensors"), pth = (folder.path() / "w.pth").string();
  PthBench() {
    make_data(data, 2, 2);
    write_pth(pth, SafetensorsFile(weights).tensors(), wrapped, "model");
  }
  // What `file` finds on an image of the dataset; the configuration is not in it.
  std::string found(const std::string& file) const {
    const std::string out = (folder.path() / "found").string();
    fs::remove_all(out);
    check_runs({"detect", (data / "val").string(), "--weights", file, "--preset", "tiny", "--set", "model.classes=3",
                "--set", "model.detect.score_threshold=0.005", "--no-draw", "--score", "0", "--out", out});
    return read_text(out + "/detections.json");
  }
};

}  // namespace

TEST_CASE("detect finds with PyTorch's file what it finds with the same weights in safetensors", "[pth_commands]") {
  const PthBench bench;
  const std::string found = bench.found(bench.pth);
  CHECK_THAT(found, Contains("\"score\""));
  const SafetensorsFile checkpoint(bench.weights);
  const std::string bare = (bench.folder.path() / "bare.safetensors").string();
  write_safetensors(bare, checkpoint.tensors(), {});
  CHECK(found == bench.found(bare));
}

TEST_CASE("train starts from PyTorch's file, and eval, info and bench take it", "[pth_commands]") {
  const PthBench bench;
  const auto trained = run(bench.arguments("run", {"--init-from", bench.pth, "--set", "train.steps=1"}));
  CHECK(trained.exit_code == 0);
  CHECK_THAT(trained.out, Contains("w.pth; initialized anew (missing there, or of another shape): none"));
  check_runs({"eval", "--weights", bench.pth, "--preset", "tiny", "--data", bench.data.string()});
  const auto info = run({"info", "--weights", bench.pth, "--preset", "tiny"});
  CHECK_THAT(info.out, Contains("3 classes"));
  check_fails(3, bench.arguments("other", {"--init-from", bench.pth, "--state-dict", "ema"}),
              "has no tensors under 'ema'; it has some under 'model'");
  check_fails(2, bench.arguments("other", {"--state-dict", "ema"}), "--state-dict says where");
  CHECK_FALSE(fs::exists(bench.run("other")));
}

TEST_CASE("info lists the tensors of a file by the names that a network takes them by", "[pth_commands]") {
  const auto listed = run({"info", (kFiles / "ema.pth").string()});
  CHECK(listed.exit_code == 0);
  CHECK_THAT(listed.out, Contains("ema.pth: PyTorch (zip), its tensors under 'model', 3 tensors\n") &&
                             Contains("\nconv.weight               F32  [4, 3, 3, 3]\n"));
  const auto average = run({"info", (kFiles / "ema.pth").string(), "--state-dict", "ema"});
  CHECK_THAT(average.out, Contains("under 'ema'") && Contains(" module.conv.weight\n"));
  const auto odd = run({"info", (kFiles / "odd_names.pth").string()});
  CHECK_THAT(odd.out, Contains("a b\\x0a\\x1b[31m"));
}

TEST_CASE("fault: PyTorch's files without weights are refused in one line, with exit code 3", "[pth_commands]") {
  for (const char* name : {"executes_code.pth", "os_system_legacy.pth", "whole_module.pth", "torchscript.pt",
                           "truncated.pth", "bit_flipped.pth", "a_zip_of_text.pth", "two_keys.pth"}) {
    const std::string file = (kFiles / name).string();
    for (const Arguments& arguments : {Arguments{"info", file}, Arguments{"info", "--weights", file}}) {
      const auto refused = run(arguments);
      CHECK(refused.exit_code == 3);
      CHECK(refused.out.find(file) == std::string::npos);
      CHECK_THAT(refused.err, Catch::StartsWith("fovea: " + file + ": "));
      CHECK(std::count(refused.err.begin(), refused.err.end(), '\n') == 1);
    }
  }
}

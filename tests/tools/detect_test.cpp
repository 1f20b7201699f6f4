// Detection in batches: of one padded shape, whatever the order in which images come; the same boxes as one by one.
#include "tests/support/catch.h"
#include "tests/support/detection_scene.h"
#include "tests/support/training_folder.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

TEST_CASE("detect: detection in batches of any size finds what one image at a time finds, bit for bit",
          "[detect][determinism]") {
  const auto precision = GENERATE(Precision::F32, Precision::BF16);
  constexpr size_t kImages = 20;  // of shapes in uneven numbers, so that last batches are not full
  DetectionScene scene(DeviceKind::Cpu, precision);
  Detector one(scene.model, scene.config.input, 1);
  const auto expected = scene.detect(one, kImages);
  REQUIRE(expected[0].size() > 10);
  CHECK_FALSE(same_boxes({expected[0]}, {expected[1]}));
  for (const int batch : {2, 3, 8}) {
    CAPTURE(batch);
    Detector detector(scene.model, scene.config.input, batch);
    CHECK(same_boxes(scene.detect(detector, kImages), expected));
    CHECK(same_boxes(scene.detect(detector, kImages), expected));  // recorded
  }
}

TEST_CASE("detect: detection runs a batch that is not full rather than hold more images than it may",
          "[detect][memory]") {
  DetectionScene scene;
  const size_t image = scene.image(0).image->rgb.size();
  Detector one(scene.model, scene.config.input, 1), few(scene.model, scene.config.input, 8, 3 * image);
  const auto expected = scene.detect(one, 12);
  size_t done = 0;
  for (size_t n = 0; n < 12; ++n) {
    for (const Detector::Found& found : few.add(scene.image(n))) {
      CHECK(same_boxes({found.boxes}, {expected[found.number]}));
      ++done;
    }
    CHECK(n + 1 - done <= 3);
  }
  CHECK(done + few.finish().size() == 12);
}

TEST_CASE("detect: fovea eval and detect give the same files, lines and errors for every --batch", "[detect][eval]") {
  const TrainingFolder trainings;
  make_data(trainings.data, 2, 5);
  const fs::path pictures = trainings.folder.path() / "pictures";
  fs::create_directories(pictures);
  for (int i = 0; i < 2; ++i)
    for (const char* name : {"baseline_rgb.jpg", "alpha_rgba.png", "panorama_4000x40.jpg", "zero_byte.jpg"})
      fs::copy_file(FOVEA_TEST_DATA "/hard_cases/" + std::string(name), pictures / fmt::format("{}_{}", i, name));
  const auto trained =
      run_fovea(trainings.arguments("run", {"--set", "train.steps=2", "model.detect.score_threshold=0.005"}));
  CAPTURE(trained.err);
  REQUIRE(trained.exit_code == 0);
  const std::string weights = (trainings.run("run") / "last.safetensors").string();
  std::map<std::string, std::vector<uint8_t>> files;
  std::string lines, metrics;
  for (const std::string batch : {"1", "3", "8"}) {
    CAPTURE(batch);
    const fs::path out = trainings.folder.path() / "found", json = trainings.folder.path() / "found.json";
    fs::remove_all(out);
    const auto detected = run_fovea({"detect", pictures.string(), "--weights", weights, "--out", out.string(),
                                     "--batch", batch, "--conv", "direct"});
    CHECK(detected.exit_code == 3);
    CHECK_THAT(detected.err, Contains("0_zero_byte.jpg") && Contains("2 of 8 images could not be read"));
    const auto evaluated = run_fovea({"eval", "--data", trainings.data.string(), "--weights", weights,
                                      "--save-detections", json.string(), "--batch", batch, "--conv", "direct"});
    CHECK(evaluated.exit_code == 0);
    if (batch == "1") {
      files = contents(out), lines = detected.out, metrics = read_text(json);
      CHECK(files.size() == 8);  // six pictures, the sheet, the JSON
      CHECK(metrics.size() > 1000);
    }
    CHECK((contents(out) == files));
    CHECK(detected.out == lines);
    CHECK(read_text(json) == metrics);
  }
}

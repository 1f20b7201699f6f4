#include "model/weights.h"

#include <algorithm>

#include "tests/model/golden_network.h"
#include "tests/support/classifier_file.h"
#include "tests/support/temporary_folder.h"

using namespace fovea;
using namespace fovea::test;

TEST_CASE("a classifier of torchvision's gives a network its whole backbone and nothing else", "[weights][golden]") {
  const auto classifier = GENERATE(from_range(classifiers()));
  CAPTURE(classifier.network);
  const TemporaryFolder folder;
  const auto path = folder.path() / "classifier.safetensors";
  write_classifier(path, classifier);
  const SafetensorsFile weights = golden(std::string(classifier.network) + ".weights");
  Context context(test_device(), Precision::F32);
  RetinaNet model(context, golden_config(weights), /*seed=*/7);
  const WeightsReport report = load_weights(SafetensorsFile(path), model.parameters(), LoadMode::Matching);
  CHECK(report.unused == classifier.others);
  for (const Parameter& p : model.parameters().all()) {
    CAPTURE(p.name);
    const bool of_backbone = p.name.starts_with(names::kBackbone);
    const auto& anew = report.reinitialized;
    CHECK(of_backbone == (std::find(anew.begin(), anew.end(), p.name) == anew.end()));
    if (of_backbone) CHECK(to_torchvision(p, p.value.to_host<float>()) == weights.read<float>(p.name));
  }
}

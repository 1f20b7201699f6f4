#include "model/weights.h"

#include <algorithm>

#include "tests/model/golden_network.h"
#include "tests/support/classifier_file.h"
#include "tests/support/pth_file.h"
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

namespace {

// As torchvision called them before 0.14.
std::string name_of_2020(std::string name) {
  const auto replace = [&](const std::string& from, const std::string& to) {
    if (const size_t at = name.find(from); at != name.npos) name.replace(at, from.size(), to);
  };
  for (const char* number : {"0", "1", "2"})
    for (const char* blocks : {"inner_blocks.", "layer_blocks."})
      replace(std::string(blocks) + number + ".0.", std::string(blocks) + number + ".");
  replace("head.conv.0.0.", "head.conv.0.");
  replace("head.conv.1.0.", "head.conv.2.");
  replace("head.conv.2.0.", "head.conv.4.");
  replace("head.conv.3.0.", "head.conv.6.");
  return name;
}

}  // namespace

TEST_CASE("a network in PyTorch's file is the one in safetensors, in whichever wrapper and under old names",
          "[weights][golden]") {
  const SafetensorsFile weights = golden("narrow_basic.weights");
  const TemporaryFolder folder;
  const auto path = folder.path() / "weights.pth";
  struct Wrapper {
    std::string key;
    std::function<std::string(const std::string&)> rename;
  };
  const std::vector<Wrapper> wrappers{{"", [](const std::string& name) { return name; }},
                                      {"model", [](const std::string& name) { return "module." + name; }},
                                      {"state_dict", [](const std::string& name) { return "model." + name; }},
                                      {"network", [](const std::string& name) { return "module._orig_mod." + name; }},
                                      {"model_state_dict", name_of_2020},
                                      {"ema", [](const std::string& name) { return "module." + name_of_2020(name); }}};
  for (const Wrapper& wrapper : wrappers) {
    CAPTURE(wrapper.key);
    write_pth(path, weights.tensors(), wrapper.rename, wrapper.key);
    const TensorFile file = open_tensor_file(path);
    const ModelConfig config = golden_config(weights);
    CHECK(classes_of(file, config) == config.classes);
    Context context(test_device(), Precision::F32);
    RetinaNet model(context, config, /*seed=*/7);
    CHECK(load_weights(file, model.parameters(), LoadMode::Exact).unused.empty());
    for (const Parameter& p : model.parameters().all()) {
      CAPTURE(p.name);
      CHECK(to_torchvision(p, p.value.to_host<float>()) == weights.read<float>(p.name));
    }
  }
}

TEST_CASE("a classifier in PyTorch's file gives a network its backbone", "[weights][golden]") {
  const SafetensorsFile weights = golden("narrow_basic.weights");
  const TemporaryFolder folder;
  const auto path = folder.path() / "classifier.pth";
  std::map<std::string, StoredTensor> backbone;
  for (const auto& [name, tensor] : weights.tensors())
    if (name.starts_with(names::kBackbone)) backbone[name] = tensor;
  write_pth(path, backbone,
            [](const std::string& name) { return "module." + name.substr(std::string_view(names::kBackbone).size()); });
  Context context(test_device(), Precision::F32);
  RetinaNet model(context, golden_config(weights), /*seed=*/7);
  const WeightsReport report = load_weights(open_tensor_file(path), model.parameters(), LoadMode::Matching);
  CHECK(report.unused.empty());
  CHECK(report.reinitialized.size() == model.parameters().all().size() - backbone.size());
}

TEST_CASE("fault: logits that are no number of classes are refused", "[weights]") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "x.safetensors";
  const std::vector<float> values(10);
  for (const std::vector<int64_t>& shape : std::vector<std::vector<int64_t>>{{10}, {2, 5}, {0}}) {
    const auto bytes = std::as_bytes(std::span(values)).first(shape == std::vector<int64_t>{0} ? 0 : 40);
    write_safetensors(path, {{names::logits_bias(), {"F32", shape, bytes}}}, {});
    CHECK_THROWS_WITH(classes_of(SafetensorsFile(path), ModelConfig()), Catch::Contains("no number of classes"));
  }
}

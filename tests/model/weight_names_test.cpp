// The names of others' files, made the network's.
#include "model/weight_names.h"

#include "engine/safetensors.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"

using namespace fovea;

TEST_CASE("prefixes that wrappers of a model leave fall away from names", "[weight_names]") {
  CHECK(bare_name("module.conv1.weight") == "conv1.weight");
  CHECK(bare_name("model.backbone.body.conv1.weight") == "backbone.body.conv1.weight");
  CHECK(bare_name("_orig_mod.conv1.weight") == "conv1.weight");
  CHECK(bare_name("model.module._orig_mod.model.conv1.weight") == "conv1.weight");
  CHECK(bare_name("backbone._orig_mod.body.conv1._orig_mod.weight") == "backbone.body.conv1.weight");
  for (const char* name : {"conv1.weight", "module.", "modules.conv1", "backbone.module.conv1", "x_orig_mod.weight",
                           "my_model.conv1", "", ".", "model"}) {
    CAPTURE(name);
    CHECK(bare_name(name) == name);
  }
}

TEST_CASE("torchvision's names of before 0.14 become those of today, and others stay", "[weight_names]") {
  CHECK(present_name("backbone.fpn.inner_blocks.0.weight") == "backbone.fpn.inner_blocks.0.0.weight");
  CHECK(present_name("backbone.fpn.layer_blocks.2.bias") == "backbone.fpn.layer_blocks.2.0.bias");
  CHECK(present_name("head.classification_head.conv.0.weight") == "head.classification_head.conv.0.0.weight");
  CHECK(present_name("head.classification_head.conv.6.bias") == "head.classification_head.conv.3.0.bias");
  CHECK(present_name("head.regression_head.conv.4.weight") == "head.regression_head.conv.2.0.weight");
  for (const char* name : {"backbone.fpn.inner_blocks.0.0.weight", "head.classification_head.conv.1.weight",
                           "head.regression_head.conv.1.0.bias", "backbone.fpn.extra_blocks.p6.weight",
                           "head.classification_head.cls_logits.bias", "features.0.weight", "classifier.conv.0.weight",
                           "backbone.fpn.inner_blocks.-1.weight", "backbone.fpn.inner_blocks.99999999999.weight",
                           "inner_blocks.0.weight", "weight", ".", ""}) {
    CAPTURE(name);
    CHECK(present_name(name) == name);
  }
}

TEST_CASE("where two tensors would get one name, the one with the shorter name has it", "[weight_names]") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "x.safetensors";
  write_safetensors(path,
                    {{"a", {"F32", {0}, {}}},
                     {"model.a", {"F32", {0}, {}}},
                     {"module.b", {"F32", {0}, {}}},
                     {"model.backbone.fpn.inner_blocks.0.weight", {"F32", {0}, {}}}},
                    {});
  const std::map<std::string, std::string> expected{
      {"a", "a"},
      {"model.a", "model.a"},
      {"b", "module.b"},
      {"backbone.fpn.inner_blocks.0.0.weight", "model.backbone.fpn.inner_blocks.0.weight"}};
  CHECK(names_taken(SafetensorsFile(path)) == expected);
}

TEST_CASE("what a module that holds the only detector puts before its names falls away", "[weight_names]") {
  const auto file_of = [](const std::vector<std::string>& names) {
    std::map<std::string, StoredTensor> tensors;
    for (const std::string& name : names) tensors[name] = {"F32", {0}, {}, {}};
    return TensorFile("x", "PyTorch", nullptr, tensors, {});
  };
  const std::string logits = "head.classification_head.cls_logits.bias";
  const std::map<std::string, std::string> one{{logits, "model.net." + logits},
                                               {"backbone.body.conv1.weight", "model.net.backbone.body.conv1.weight"},
                                               {"loss.scale", "loss.scale"}};
  CHECK(names_taken(file_of({"model.net." + logits, "model.net.backbone.body.conv1.weight", "loss.scale"})) == one);
  CHECK(bare_names(file_of({"a.bbox_head.retina_cls.bias"})).contains("bbox_head.retina_cls.bias"));
  CHECK(bare_names(file_of({"over" + logits})).contains("over" + logits));
  const TensorFile two = file_of({"online." + logits, "ema." + logits});
  CHECK(detector_prefixes(two) == std::vector<std::string>{"ema.", "online."});
  CHECK(names_taken(two).contains("ema." + logits));
}

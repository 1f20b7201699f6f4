// What `fovea export` writes, read back by ONNX's own messages; and what it refuses. No other program runs here.
#include <simdjson.h>

#include <bit>
#include <regex>
#include <set>

#include "model/names.h"
#include "model/network_graph.h"
#include "tests/support/checked_run.h"
#include "tests/support/classifier_file.h"
#include "tests/support/exportable.h"
#include "tests/support/format_files.h"
#include "tests/support/refusal.h"
#include "tests/support/training_folder.h"
#include "tools/export/exporter.h"
#include "tools/export/onnx_writer.h"
#include "tools/export/verify.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

struct Exported {
  TemporaryFolder folder;
  std::string weights;
  onnx::ModelProto model;
  std::string description;

  explicit Exported(const Config& config, const ExportOptions& options = {.size = {96, 128}})
      : weights(write_exportable(folder.path() / "weights.safetensors", config)) {
    ModelFile file = open_model(weights, {.adjust = [](Config& c) { c.precision = Precision::F32; }});
    const ExportedModel exported = export_model(file, options);
    REQUIRE(model.ParseFromString(exported.onnx));
    description = exported.description;
  }
  const onnx::TensorProto& constant(const std::string& name) const {
    for (const auto& tensor : model.graph().initializer())
      if (tensor.name() == name) return tensor;
    FAIL("there is no constant " << name);
    return model.graph().initializer(0);
  }
  int count(const std::string& op) const {
    int count = 0;
    for (const auto& node : model.graph().node()) count += node.op_type() == op;
    return count;
  }
};

std::vector<float> floats(const onnx::TensorProto& tensor) {
  REQUIRE(tensor.data_type() == onnx::TensorProto::FLOAT);
  std::vector<float> values(tensor.raw_data().size() / sizeof(float));
  std::memcpy(values.data(), tensor.raw_data().data(), tensor.raw_data().size());
  return values;
}

// "boxes float32 batch,100,4".
std::string text(const onnx::ValueInfoProto& value) {
  std::vector<std::string> sizes;
  const auto& type = value.type().tensor_type();
  for (const auto& size : type.shape().dim())
    sizes.push_back(size.has_dim_value() ? std::to_string(size.dim_value()) : size.dim_param());
  const auto name = type.elem_type() == onnx::TensorProto::FLOAT   ? "float32"
                    : type.elem_type() == onnx::TensorProto::UINT8 ? "uint8"
                    : type.elem_type() == onnx::TensorProto::INT32 ? "int32"
                                                                   : "another type";
  return fmt::format("{} {} {}", value.name(), name, fmt::join(sizes, ","));
}
std::vector<std::string> texts(const google::protobuf::RepeatedPtrField<onnx::ValueInfoProto>& values) {
  std::vector<std::string> texts;
  for (const auto& value : values) texts.push_back(text(value));
  return texts;
}

// The same of the description's inputs or outputs.
std::vector<std::string> described(const std::string& description, const char* key) {
  simdjson::dom::parser parser;
  std::vector<std::string> texts;
  const simdjson::dom::element document = parser.parse(description);
  for (const simdjson::dom::element tensor : simdjson::dom::array(document[key])) {
    std::vector<std::string> sizes;
    for (const simdjson::dom::element size : simdjson::dom::array(tensor["shape"]))
      sizes.push_back(size.is_string() ? std::string(std::string_view(size)) : std::to_string(int64_t(size)));
    texts.push_back(fmt::format("{} {} {}", std::string_view(tensor["name"]), std::string_view(tensor["type"]),
                                fmt::join(sizes, ",")));
  }
  return texts;
}

// The anchors that a reader of the description makes of it.
std::vector<float> described_anchors(const std::string& description) {
  simdjson::dom::parser parser;
  std::vector<float> anchors;
  const simdjson::dom::element document = parser.parse(description);
  for (const simdjson::dom::element level : simdjson::dom::array(document["anchor_levels"])) {
    const auto number = [&](const char* key) { return static_cast<float>(double(level[key])); };
    for (float y = 0; y < number("height"); ++y)
      for (float x = 0; x < number("width"); ++x)
        for (const simdjson::dom::element cell : simdjson::dom::array(level["cells"])) {
          size_t edge = 0;
          for (const double value : simdjson::dom::array(cell))
            anchors.push_back(static_cast<float>(value) +
                              (edge++ % 2 == 0 ? x * number("stride_x") : y * number("stride_y")));
        }
  }
  return anchors;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("export: inputs and outputs are those of the options, in the graph as in the description", "[export]") {
  const Config config = narrow(BackboneKind::ResNet, 18);
  const Exported raw(config);
  CHECK(texts(raw.model.graph().input()) == Texts{"images uint8 1,96,128,3", "sizes float32 1,2"});
  CHECK(texts(raw.model.graph().output()) ==
        Texts{"boxes float32 1,100,4", "scores float32 1,100", "labels int32 1,100", "count int32 1"});
  CHECK(raw.model.opset_import(0).version() == 17);
  const Exported heads(config,
                       {.tail = ExportTail::Heads, .input = ExportInput::Normalized, .batch = 0, .size = {96, 128}});
  CHECK(texts(heads.model.graph().input()) == Texts{"images float32 batch,3,96,128"});
  // 9 anchors at 12·16 + 6·8 + 3·4 + 2·2 + 1 locations.
  CHECK(texts(heads.model.graph().output()) == Texts{"logits float32 batch,2313,3", "deltas float32 batch,2313,4"});
  const Exported plugin(
      config,
      {.tail = ExportTail::EfficientNms, .input = ExportInput::Unit, .batch = 4, .size = {96, 128}, .filled = true});
  CHECK(texts(plugin.model.graph().input()) == Texts{"images float32 4,3,96,128"});
  CHECK(texts(plugin.model.graph().output()) ==
        Texts{"boxes float32 4,100,4", "scores float32 4,100", "labels int32 4,100", "count int32 4,1"});
  CHECK(plugin.count("NonMaxSuppression") == 0);
  for (const Exported* one : {&raw, &heads, &plugin}) {
    CHECK(described(one->description, "inputs") == texts(one->model.graph().input()));
    CHECK(described(one->description, "outputs") == texts(one->model.graph().output()));
    REQUIRE(one->model.metadata_props_size() == 1);
    CHECK(one->model.metadata_props(0).key() == "fovea");
    CHECK(one->model.metadata_props(0).value() == one->description);
  }
  CHECK_THAT(raw.description, Contains(R"({"label": 2, "id": 3, "name": "WBC"})"));
}

// Odd sizes: the levels of one input have steps of 8 to 160 pixels. Corners are printed as they are.
TEST_CASE("export: the description's levels and cells give the anchors of the network", "[export]") {
  const Config config = narrow(BackboneKind::ResNet, 18);
  for (const Size2d size : {Size2d{96, 128}, Size2d{32, 160}, Size2d{64, 32}}) {
    const Exported exported(config, {.size = size});
    Context context;
    RetinaNet model(context, config.model, 1);
    CHECK(described_anchors(exported.description) == network_graph(model, 1, size).anchors);
  }
}

TEST_CASE("export: each value is made once, before it is used, and its type and shape are written", "[export]") {
  for (const BackboneKind kind : {BackboneKind::ResNet, BackboneKind::Inception, BackboneKind::Vgg}) {
    Config config = narrow(kind, usual_depth(kind));
    config.model.head.norm = Norm::Group;
    const Exported exported(config);
    const auto& graph = exported.model.graph();
    std::set<std::string> known, described;
    for (const auto& tensor : graph.initializer()) CHECK(known.insert(tensor.name()).second);
    for (const auto& input : graph.input()) CHECK(known.insert(input.name()).second);
    for (const auto& value : graph.value_info()) CHECK(described.insert(value.name()).second);
    for (const auto& value : graph.output()) CHECK(described.insert(value.name()).second);
    for (const auto& node : graph.node()) {
      CAPTURE(node.name());
      for (const auto& input : node.input()) CHECK((input.empty() || known.contains(input)));
      for (const auto& output : node.output()) {
        CHECK(known.insert(output).second);
        CHECK(described.contains(output));
      }
    }
  }
}

// w·s with s = γ / sqrt(σ² + ε): four roundings of the fp32 fold, each of at most 2⁻²⁴.
TEST_CASE("export: a frozen norm is folded into its convolution, whose weights are OIHW", "[export]") {
  const Exported exported(narrow(BackboneKind::ResNet, 18));
  const SafetensorsFile file(exported.weights);
  const std::string layer = "backbone.body.layer1.0.conv1", norm = "backbone.body.layer1.0.bn1";
  const auto weight = file.read<float>(layer + ".weight"), scale = file.read<float>(norm + ".weight"),
             shift = file.read<float>(norm + ".bias"), mean = file.read<float>(norm + ".running_mean"),
             variance = file.read<float>(norm + ".running_var");
  const auto& folded = exported.constant(layer + ".weight");
  CHECK(std::vector<int64_t>(folded.dims().begin(), folded.dims().end()) == file.at(layer + ".weight").shape);
  const auto values = floats(folded), bias = floats(exported.constant(layer + ".bias"));
  REQUIRE(values.size() == weight.size());
  const size_t per_channel = weight.size() / scale.size();
  for (size_t i = 0; i < weight.size(); ++i) {
    const size_t o = i / per_channel;
    const double exact = weight[i] * (scale[o] / std::sqrt(double{variance[o]} + 1e-5));
    CHECK(std::abs(values[i] - exact) <= 5 * 0x1p-24 * std::abs(exact));
  }
  for (size_t o = 0; o < scale.size(); ++o) {
    const double shifted = mean[o] * (scale[o] / std::sqrt(double{variance[o]} + 1e-5));
    CHECK(std::abs(bias[o] - (shift[o] - shifted)) <= 6 * 0x1p-24 * (std::abs(shift[o]) + std::abs(shifted)));
  }
  CHECK(exported.count("BatchNormalization") == 0);
}

TEST_CASE("export: the levels share a head's weights, and a group norm stays in fp32", "[export]") {
  Config config = narrow(BackboneKind::ResNet, 18);
  config.model.head = {.convolutions = 2, .norm = Norm::Group, .norm_groups = 4};
  const Exported exported(config, {.precision = ExportPrecision::Fp16, .size = {96, 128}});
  std::set<std::string> weights;
  int convolutions = 0;
  for (const auto& node : exported.model.graph().node())
    if (node.op_type() == "Conv" && node.input(1).starts_with("head.")) {
      ++convolutions;
      weights.insert(node.input(1));
      CHECK(exported.constant(node.input(1)).data_type() == onnx::TensorProto::FLOAT16);
    }
  CHECK(convolutions == 30);  // 2 heads of 3 layers, on 5 levels
  CHECK(weights.size() == 6);
  CHECK(exported.count("InstanceNormalization") == 20);
  for (const auto& value : exported.model.graph().value_info())
    if (value.name().find("normalized") != std::string::npos)
      CHECK(value.type().tensor_type().elem_type() == onnx::TensorProto::FLOAT);
}

TEST_CASE("export: between levels of which one is not twice the other each pixel is named", "[export]") {
  const Exported exported(narrow(BackboneKind::Inception, 48), {.size = {160, 192}});
  CHECK(exported.count("Resize") == 0);
  int indices = 0;
  for (const auto& tensor : exported.model.graph().initializer()) {
    if (tensor.name().find("network/pixels") == std::string::npos) continue;
    ++indices;
    std::vector<int64_t> pixels(static_cast<size_t>(tensor.dims(0)));
    std::memcpy(pixels.data(), tensor.raw_data().data(), tensor.raw_data().size());
    const int64_t out = tensor.dims(0), in = pixels.back() + 1;
    for (int64_t i = 0; i < out; ++i) CHECK(pixels[static_cast<size_t>(i)] == i * in / out);
  }
  CHECK(indices == 4);
}

TEST_CASE("export: weights that 16 bits cannot express are refused", "[export]") {
  onnx_file::Writer writer(17);
  const std::vector<float> large{1, 70000};
  CHECK_THAT(refusal_of([&] { writer.constant("w", onnx_file::Type::Half, {2}, large); }),
             Contains("'w' holds 70000, which fp16 cannot express"));
  CHECK(refusal_of([&] { writer.constant("w", onnx_file::Type::Bfloat, {2}, large); }) == "no error");
}

TEST_CASE("export: what cannot be exported is refused before anything is written", "[export]") {
  const TemporaryFolder folder;
  const std::string weights = write_weights(folder.path() / "weights.safetensors");
  const std::string out = (folder.path() / "model.onnx").string();
  const Arguments plain{"export", weights, out};
  check_fails(2, joined(plain, {"--size", "100x128"}),
              "must be multiples of 32, the stride of the network: use 128x128");
  check_fails(2, joined(plain, {"--size", "32000x32000"}), "more than 67108864 pixels");
  check_fails(2, joined(plain, {"--size", "large"}), "--size large: must be height and width, such as 800x1344");
  check_fails(2, joined(plain, {"--batch", "0"}), "--batch 0: must be a number from 1 to 4096, or dynamic");
  check_fails(2, joined(plain, {"--tail", "efficient_nms", "--verify", folder.path().string()}),
              "cannot be verified here");
  check_fails(2, joined(plain, {"--python", "python3"}), "--python requires --verify");
  check_fails(2, joined(plain, {"--tail", "mask"}), "--tail: mask not in {heads,nms,efficient_nms}");
  check_fails(2, {"export", weights, weights}, "must end in .onnx");
  check_fails(3, {"export", folder.path().string() + "/none.safetensors", out}, "none.safetensors");
  check_fails(1, {"export", weights, "/nowhere/model.onnx"}, "/nowhere/model.onnx");
  write_text(folder.path() / "text.safetensors", "no detector");
  check_fails(3, {"export", (folder.path() / "text.safetensors").string(), out}, "text.safetensors: ");
  const fs::path classifier = folder.path() / "classifier.safetensors";
  write_classifier(classifier, classifiers().front());
  check_fails(3, {"export", classifier.string(), out}, "classifier.safetensors: ");
  fs::create_directory(folder.path() / "empty");
  check_fails(3, joined(plain, {"--verify", (folder.path() / "empty").string()}), "/empty");
  make_data(folder.path() / "data", 1, 1);
  const fs::path truth = folder.path() / "data/annotations/instances_val.json";
  const std::regex id(R"re(("category_id":|\{"id":)(\d)(,"(bbox|name)))re"), name(R"re("name":")re");
  write_text(truth, std::regex_replace(std::regex_replace(read_text(truth), id, "$011$2$3"), name, "$&other "));
  check_fails(3, joined(plain, {"--verify", (folder.path() / "data").string()}), "the weights have a category");
  CHECK_FALSE(fs::exists(out));
  CHECK_FALSE(fs::exists(folder.path() / "model.json"));

  // Neither an input nor a file of the user's is replaced; what was exported before is.
  fs::create_symlink(weights, folder.path() / "link.onnx");
  check_fails(2, {"export", weights, (folder.path() / "link.onnx").string()}, "would overwrite the input");
  write_text(folder.path() / "model.json", "{\"mine\": 1}");
  check_fails(2, plain, "model.json: was not written by Fovea");
  fs::remove(folder.path() / "model.json");
  for (int time = 0; time < 2; ++time) REQUIRE(run(joined(plain, {"--size", "64x64"})).exit_code == 0);
  CHECK(read_onnx(out).producer_name() == "fovea");
}

TEST_CASE("export: too few that agree, or another AP, is a failed verification", "[export]") {
  const auto refused = [](const Verification& found, ExportPrecision precision) {
    return refusal_of([&] { require_same(found, precision); }, ErrorKind::Runtime);
  };
  const Verification same{.own = 1000, .other = 1000, .agreeing = 999, .own_ap = 0.4, .other_ap = 0.4009};
  CHECK(refused(same, ExportPrecision::Fp32) == "no error");
  Verification fewer = same;
  fewer.agreeing = 998;
  CHECK_THAT(refused(fewer, ExportPrecision::Fp32), Contains("finds something else than Fovea"));
  CHECK(refused(fewer, ExportPrecision::Fp16) == "no error");  // whose numbers are rounded
  CHECK_THAT(refused({}, ExportPrecision::Bf16), Contains("nothing was compared"));
  Verification more = same;
  more.other = 1010;
  CHECK_THAT(refused(more, ExportPrecision::Fp32), Contains("finds something else than Fovea"));
  Verification worse = same;
  worse.other_ap = 0.3985;
  for (const auto precision : {ExportPrecision::Fp32, ExportPrecision::Bf16})
    CHECK_THAT(refused(worse, precision), Contains("their APs are 0.0015 apart"));
}

TEST_CASE("export: --verify says what is missing to run the model", "[export]") {
  const TemporaryFolder folder;
  make_data(folder.path() / "data", 1, 1);
  const Arguments verifying{"export",
                            write_weights(folder.path() / "weights.safetensors"),
                            (folder.path() / "model.onnx").string(),
                            "--size",
                            "64x64",
                            "--verify",
                            (folder.path() / "data").string(),
                            "--python"};
  check_fails(2, joined(verifying, {"/nowhere/python3"}), "/nowhere/python3: cannot be started: No such file");
  write_files(folder.path(), {{"python", "#!/bin/sh\nexec /usr/bin/python3 -S \"$@\"\n"}});
  fs::permissions(folder.path() / "python", fs::perms::owner_all);
  check_fails(2, joined(verifying, {(folder.path() / "python").string()}),
              "python -m pip install numpy onnxruntime', or name another Python (--python)");
  check_fails(1, joined(verifying, {"/bin/false"}), "/bin/false, which runs onnxruntime, has ended");
  CHECK_FALSE(fs::exists(folder.path() / "model.onnx"));
}

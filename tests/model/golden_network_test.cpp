// Whole networks in fp32 against torchvision in float64: features, pyramid, outputs, anchors, losses, every
// gradient, detections, ten steps of SGD.
//
// The bounds are of tests/support/network_bounds.h.
#include "tests/model/golden_network.h"

#include <map>
#include <set>

#include "engine/optimizer.h"
#include "engine/random.h"
#include "model/trace.h"
#include "tests/support/catch.h"
#include "tests/support/network_bounds.h"

using namespace fovea;
using namespace fovea::test;
using kernels::ConvAlgorithm;
using kernels::ConvPass;

namespace {

// How much more a layer of this network errs in one of these passes by Winograd's method, where that computes some,
// than by the definition. A GPU's plans may be of either kind.
double amplification(const std::string& name, ConvAlgorithm algorithm, const std::vector<ConvPass>& passes) {
  if (algorithm == ConvAlgorithm::Direct) return 1;
  GoldenNetwork net(name, algorithm);
  Context& context = net.context;
  const bool on_gpu = context.queue.on_cuda();
  std::set<std::vector<int>> seen;
  double worst = kDirectError;
  for (const ConvTrace& layer : traced_layers(context, net.model, net.images.shape(), /*training=*/true))
    for (const ConvPass pass : passes) {
      const kernels::ConvShape& s = layer.shape;
      const bool winograd = on_gpu ? s.kernel_h == 3 && s.groups == 1
                                   : context.convolution.describe(s, DType::F32, pass).starts_with("winograd");
      const bool fresh = seen.insert({s.in_h, s.in_w, s.in_c, s.out_c, s.stride, static_cast<int>(pass)}).second;
      if (winograd && fresh) worst = std::max(worst, winograd_error(s, pass));
    }
  return worst / kDirectError;
}
const std::vector<ConvPass> kForwardPass{ConvPass::Forward},
    kAllPasses{ConvPass::Forward, ConvPass::BackwardData, ConvPass::BackwardWeight};

// Empty where |out − ref| <= bound·max|ref| for every element.
std::string disagreement_with(const std::vector<float>& out, const std::vector<double>& ref, double bound) {
  if (out.size() != ref.size()) return "sizes differ";
  double largest = 0;
  for (const double value : ref) largest = std::max(largest, std::abs(value));
  for (size_t i = 0; i < out.size(); ++i)
    if (!(std::abs(out[i] - ref[i]) <= bound * largest))
      return fmt::format("element {}: {}, expected {}, largest {}", i, out[i], ref[i], largest);
  return "";
}

// [N, anchors, columns]
std::vector<float> of_all_levels(const std::vector<Tensor>& levels, int anchors_per_location, int columns) {
  const int images = levels[0].batch();
  std::vector<float> out;
  for (int n = 0; n < images; ++n)
    for (const Tensor& level : levels) {
      const auto values = level.to_host<float>();
      const size_t per_image = size_t(level.height()) * level.width() * anchors_per_location * columns;
      REQUIRE(values.size() == images * per_image);
      out.insert(out.end(), values.begin() + n * per_image, values.begin() + (n + 1) * per_image);
    }
  return out;
}

// As disagreement_with, of a map of features as we have it, NHWC.
std::string map_disagreement(const Tensor& map, const std::vector<double>& ref, double bound) {
  return disagreement_with(
      permuted(map.to_host<float>(), map.batch(), map.channels(), map.height(), map.width(), /*to_nchw=*/true), ref,
      bound);
}

using NamedGradients = std::map<std::string, std::vector<float>>;

// Of `model` on the images of `net`.
NamedGradients gradients_of(const GoldenNetwork& net, RetinaNet& model, Losses* losses = nullptr) {
  Tape tape(model.context(), /*training=*/true);
  model.parameters().bind_gradients(tape, false);
  const Losses found = model.loss(tape, model.forward(tape, net.images), net.size, net.truth);
  tape.backward();
  if (losses != nullptr) *losses = found;
  NamedGradients gradients;
  for (const Parameter& p : model.parameters().all())
    if (p.trainable) gradients[p.name] = to_torchvision(p, p.gradient.to_host<float>());
  return gradients;
}

// ReLU and pooling choose by a comparison. Where its two sides are nearer than rounding, fp32 and float64 may choose
// otherwise, and a gradient jumps by more than any rounding. How far each one jumps, its largest element, is seen where
// the images move by the rounding of a forward pass; each move takes the other side of such a comparison half the time.
std::map<std::string, double> jumps_of(GoldenNetwork& net, RetinaNet& model, const NamedGradients& gradients,
                                       double forward) {
  constexpr int kMoves = 6;
  std::map<std::string, double> jumps;
  const auto images = net.images.to_host<float>();
  for (int move = 0; move < kMoves; ++move) {
    Random random(static_cast<uint64_t>(move), stream::kBenchmark);
    std::vector<float> moved = images;
    for (float& value : moved) value *= static_cast<float>(1 + forward * random.normal());
    net.images.upload(moved);
    for (const auto& [name, values] : gradients_of(net, model))
      for (size_t i = 0; i < values.size(); ++i)
        jumps[name] = std::max(jumps[name], std::abs(double{values[i]} - gradients.at(name)[i]));
  }
  net.images.upload(images);
  return jumps;
}

// Every gradient within the bound, and where one is not, within its jumps besides.
void check_gradients(GoldenNetwork& net, RetinaNet& model, const NamedGradients& gradients, double forward,
                     double backward) {
  std::map<std::string, double> jumps;
  for (const auto& [name, values] : gradients) {
    CAPTURE(name);
    if (!net.expected.contains("grad." + name)) continue;
    const auto expected = net.expected.read<double>("grad." + name);
    if (disagreement_with(values, expected, backward).empty()) continue;
    if (jumps.empty()) jumps = jumps_of(net, model, gradients, forward);
    const double largest = std::abs(*std::max_element(expected.begin(), expected.end(),
                                                      [](double a, double b) { return std::abs(a) < std::abs(b); }));
    CHECK(disagreement_with(values, expected, backward + jumps[name] / largest) == "");
  }
}

double l2_distance(const std::vector<float>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(sum);
}

}  // namespace

TEST_CASE("golden: features, pyramid, head outputs and anchors of whole networks", "[golden_network][golden]") {
  const auto name = GENERATE(from_range(golden_networks()));
  const auto algorithm = GENERATE(ConvAlgorithm::Winograd, ConvAlgorithm::Direct);
  CAPTURE(name, static_cast<int>(algorithm));
  GoldenNetwork net(name, algorithm);
  const double bound = kForward * amplification(name, algorithm, kForwardPass);
  Tape tape(net.context, /*training=*/false);
  const Features features = net.model.features(tape, net.images);
  const bool has_features = net.expected.contains("C3");
  CHECK((has_features || net.model.config().backbone.kind == BackboneKind::ResNet));  // whose files may have P3 … alone
  if (has_features) {
    CHECK(map_disagreement(features.c3, net.expected.read<double>("C3"), bound) == "");
    CHECK(map_disagreement(features.c4, net.expected.read<double>("C4"), bound) == "");
    CHECK(map_disagreement(features.c5, net.expected.read<double>("C5"), bound) == "");
  }
  const auto pyramid = net.model.pyramid(tape, features);
  for (size_t l = 0; l < pyramid.size(); ++l) {
    CAPTURE(l);
    CHECK(map_disagreement(pyramid[l], net.expected.read<double>("P" + std::to_string(l + 3)), bound) == "");
  }
  const Outputs outputs = net.model.heads(tape, pyramid);
  const int anchors = net.model.config().anchors.per_location();
  CHECK(disagreement_with(of_all_levels(outputs.logits, anchors, net.model.config().classes),
                          net.expected.read<double>("cls_logits"), bound) == "");
  CHECK(disagreement_with(of_all_levels(outputs.deltas, anchors, 4), net.expected.read<double>("bbox_regression"),
                          bound) == "");
  if (net.expected.contains("anchors"))
    CHECK(net.model.anchors_for(outputs, net.size).to_host<float>() == net.expected.read<float>("anchors"));
}

TEST_CASE("golden: losses and every gradient of whole networks", "[golden_network][golden]") {
  const auto name = GENERATE(from_range(golden_networks()));
  const auto algorithm = GENERATE(ConvAlgorithm::Winograd, ConvAlgorithm::Direct);
  CAPTURE(name, static_cast<int>(algorithm));
  GoldenNetwork net(name, algorithm);
  Losses losses;
  const NamedGradients gradients = gradients_of(net, net.model, &losses);
  const double forward = kForward * amplification(name, algorithm, kForwardPass),
               backward = kBackward * amplification(name, algorithm, kAllPasses);
  CHECK(losses.classification.to_host<float>()[0] ==
        Approx(net.expected.read<double>("loss.classification")[0]).epsilon(forward));
  CHECK(losses.box.to_host<float>()[0] ==
        Approx(net.expected.read<double>("loss.bbox_regression")[0]).epsilon(forward));
  for (const Parameter& p : net.model.parameters().all()) {
    CAPTURE(p.name);
    CHECK(p.trainable == net.expected.contains("grad." + p.name));
  }
  CHECK(gradients.size() > 30);
  check_gradients(net, net.model, gradients, forward, backward);
}

TEST_CASE("golden: what is trained has torchvision's gradients whatever is frozen", "[golden_network][golden]") {
  const auto name = GENERATE(from_range(golden_networks()));
  const int frozen = GENERATE(1, 3, 5);
  CAPTURE(name, frozen);
  GoldenNetwork net(name);
  ModelConfig config = net.model.config();
  config.backbone.frozen_stages = frozen;
  RetinaNet model(net.context, config, 0);
  load_weights(net.weights, model.parameters(), LoadMode::Exact);
  const double forward = kForward * amplification(name, ConvAlgorithm::Auto, kForwardPass),
               backward = kBackward * amplification(name, ConvAlgorithm::Auto, kAllPasses);
  check_gradients(net, model, gradients_of(net, model), forward, backward);
}

TEST_CASE("golden: detections of whole networks", "[golden_network][golden]") {
  const auto name = GENERATE(from_range(golden_networks()));
  CAPTURE(name);
  GoldenNetwork net(name);
  Tape tape(net.context, /*training=*/false);
  const Outputs outputs = net.model.forward(tape, net.images);
  const std::vector<float> sizes{float(net.size.height), float(net.size.width), float(net.size.height),
                                 float(net.size.width)};
  const auto found = to_host(net.model.detect(outputs, net.size, Tensor::from(net.context.memory, {2, 2}, sizes), {}));
  const double bound = kForward * amplification(name, ConvAlgorithm::Auto, kForwardPass);
  for (int n = 0; n < 2; ++n) {
    CAPTURE(n);
    const auto boxes = net.expected.read<double>(GoldenNetwork::name(n, "det_boxes")),
               scores = net.expected.read<double>(GoldenNetwork::name(n, "det_scores"));
    const auto labels = net.expected.read<int32_t>(GoldenNetwork::name(n, "det_labels"));
    REQUIRE(found[n].size() == labels.size());
    // Scores nearer than the bound may come in either order, so each expected detection is looked for, and found once.
    std::vector<bool> taken(labels.size(), false);
    for (size_t i = 0; i < labels.size(); ++i) {
      bool seen = false;
      for (size_t j = 0; j < labels.size() && !seen; ++j) {
        const Detected& d = found[n][j];
        const std::vector<float> box{d.x1, d.y1, d.x2, d.y2};
        const std::vector<double> wanted(boxes.begin() + 4 * i, boxes.begin() + 4 * i + 4);
        // A box is within its deltas' error times its anchor's size, at most the input's.
        seen = !taken[j] && d.label == labels[i] && std::abs(d.score - scores[i]) <= bound &&
               l2_distance(box, wanted) <= 2 * bound * net.size.width;
        if (seen) taken[j] = true;
      }
      CAPTURE(i, scores[i], labels[i]);
      CHECK(seen);
    }
  }
}

TEST_CASE("golden: ten steps of SGD follow torchvision's losses", "[golden_network][golden]") {
  const auto name = GENERATE(from_range(golden_networks()));
  CAPTURE(name);
  GoldenNetwork net(name);
  Optimizer optimizer(net.context, net.model.parameters(), {.momentum = 0.9, .weight_decay = 1e-4});
  const auto expected = net.expected.read<double>("sgd_losses");
  // Of all seven, though the notes of four say 0.001.
  constexpr double learning_rate = 0.003;
  const double a_step = kBackward * amplification(name, ConvAlgorithm::Auto, kAllPasses);
  for (size_t step = 0; step < 10; ++step) {
    CAPTURE(step);
    Tape tape(net.context, /*training=*/true);
    net.model.parameters().bind_gradients(tape, false);
    const Losses losses = net.model.loss(tape, net.model.forward(tape, net.images), net.size, net.truth);
    tape.backward();
    optimizer.set_learning_rate(learning_rate);
    optimizer.step();
    // Every step adds the error of its gradients to the weights, and momentum keeps it: errors add up over the steps.
    const double bound = a_step * static_cast<double>(step + 1);
    CHECK(losses.classification.to_host<float>()[0] == Approx(expected[2 * step]).epsilon(bound));
    CHECK(losses.box.to_host<float>()[0] == Approx(expected[2 * step + 1]).epsilon(bound));
  }
}

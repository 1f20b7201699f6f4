// Whole networks in fp32 against torchvision in float64: pyramid, outputs, losses, every gradient, detections, ten
// steps of SGD.
//
// The bounds are of tests/support/network_bounds.h; Winograd's transforms amplify a layer's error by at most kWinograd
// (kernels/conv/cpu/winograd_transforms.h).
#include "tests/model/golden_network.h"
#include "engine/optimizer.h"
#include "tests/support/catch.h"
#include "tests/support/network_bounds.h"

using namespace fovea;
using namespace fovea::test;
using kernels::ConvAlgorithm;

namespace {

double amplification(ConvAlgorithm algorithm) { return algorithm == ConvAlgorithm::Direct ? 1 : 10; }

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

std::vector<float> joined(const std::vector<Tensor>& levels, int columns) {  // [N, anchors, columns]
  const int images = levels[0].batch();
  std::vector<float> out;
  for (int n = 0; n < images; ++n)
    for (const Tensor& level : levels) {
      const auto values = level.to_host<float>();
      const size_t per_image = values.size() / images;
      out.insert(out.end(), values.begin() + n * per_image, values.begin() + (n + 1) * per_image);
    }
  CHECK(out.size() % columns == 0);
  return out;
}

double l2_distance(const std::vector<float>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(sum);
}

}  // namespace

TEST_CASE("golden: pyramid and head outputs of whole networks", "[golden]") {
  const auto name = GENERATE(from_range(golden_networks()));
  const auto algorithm = GENERATE(ConvAlgorithm::Winograd, ConvAlgorithm::Direct);
  CAPTURE(name, static_cast<int>(algorithm));
  GoldenNetwork net(name, algorithm);
  const double bound = kForward * amplification(algorithm);
  Tape tape(net.context, /*training=*/false);
  const auto pyramid = net.model.pyramid(tape, net.images);
  for (size_t l = 0; l < pyramid.size(); ++l) {
    CAPTURE(l);
    const Tensor& p = pyramid[l];
    CHECK(disagreement_with(permuted(p.to_host<float>(), p.batch(), p.channels(), p.height(), p.width(), true),
                            net.expected.read<double>("P" + std::to_string(l + 3)), bound) == "");
  }
  const Outputs outputs = net.model.heads(tape, pyramid);
  CHECK(disagreement_with(joined(outputs.logits, net.model.config().classes), net.expected.read<double>("cls_logits"),
                          bound) == "");
  CHECK(disagreement_with(joined(outputs.deltas, 4), net.expected.read<double>("bbox_regression"), bound) == "");
}

TEST_CASE("golden: losses and every gradient of whole networks", "[golden]") {
  const auto name = GENERATE(from_range(golden_networks()));
  const auto algorithm = GENERATE(ConvAlgorithm::Winograd, ConvAlgorithm::Direct);
  CAPTURE(name, static_cast<int>(algorithm));
  GoldenNetwork net(name, algorithm);
  Tape tape(net.context, /*training=*/true);
  net.model.parameters().bind_gradients(tape, false);
  const Losses losses = net.model.loss(tape, net.model.forward(tape, net.images), net.size, net.truth);
  tape.backward();
  const double amplified = amplification(algorithm);
  CHECK(losses.classification.to_host<float>()[0] ==
        Approx(net.expected.read<double>("loss.classification")[0]).epsilon(kForward * amplified));
  CHECK(losses.box.to_host<float>()[0] ==
        Approx(net.expected.read<double>("loss.bbox_regression")[0]).epsilon(kForward * amplified));
  int compared = 0;
  for (const Parameter& p : net.model.parameters().all()) {
    CAPTURE(p.name);
    CHECK(p.trainable == net.expected.contains("grad." + p.name));
    if (!p.trainable) continue;
    CHECK(disagreement_with(to_torchvision(p, p.gradient.to_host<float>()), net.expected.read<double>("grad." + p.name),
                            kBackward * amplified) == "");
    ++compared;
  }
  CHECK(compared > 30);
}

TEST_CASE("golden: detections of whole networks", "[golden]") {
  const auto name = GENERATE(from_range(golden_networks()));
  CAPTURE(name);
  GoldenNetwork net(name);
  Tape tape(net.context, /*training=*/false);
  const Outputs outputs = net.model.forward(tape, net.images);
  const std::vector<float> sizes{float(net.size.height), float(net.size.width), float(net.size.height),
                                 float(net.size.width)};
  const auto found = to_host(net.model.detect(outputs, net.size, Tensor::from(net.context.memory, {2, 2}, sizes), {}));
  for (int n = 0; n < 2; ++n) {
    CAPTURE(n);
    const auto boxes = net.expected.read<double>(GoldenNetwork::name(n, "det_boxes")),
               scores = net.expected.read<double>(GoldenNetwork::name(n, "det_scores"));
    const auto labels = net.expected.read<int32_t>(GoldenNetwork::name(n, "det_labels"));
    REQUIRE(found[n].size() == labels.size());
    // Scores nearer than the bound may come in either order, so each expected detection is looked for, and found once.
    const double bound = kForward * amplification(ConvAlgorithm::Auto);
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

TEST_CASE("golden: ten steps of SGD follow torchvision's losses", "[golden]") {
  const auto name = GENERATE(from_range(golden_networks()));
  CAPTURE(name);
  GoldenNetwork net(name);
  Optimizer optimizer(net.context, net.model.parameters(), {.momentum = 0.9, .weight_decay = 1e-4});
  const auto expected = net.expected.read<double>("sgd_losses");
  for (size_t step = 0; step < 10; ++step) {
    CAPTURE(step);
    Tape tape(net.context, /*training=*/true);
    net.model.parameters().bind_gradients(tape, false);
    const Losses losses = net.model.loss(tape, net.model.forward(tape, net.images), net.size, net.truth);
    tape.backward();
    optimizer.set_learning_rate(0.003);
    optimizer.step();
    // Every step adds the error of its gradients to the weights, and momentum keeps it: errors add up over the steps.
    const double bound = kBackward * amplification(ConvAlgorithm::Auto) * static_cast<double>(step + 1);
    CHECK(losses.classification.to_host<float>()[0] == Approx(expected[2 * step]).epsilon(bound));
    CHECK(losses.box.to_host<float>()[0] == Approx(expected[2 * step + 1]).epsilon(bound));
  }
}

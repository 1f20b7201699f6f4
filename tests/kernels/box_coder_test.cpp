// Encoding and decoding of boxes against the definition in float64 and torchvision's golden values.
#include "kernels/box_coder.h"

#include "tests/support/boxes_oracle.h"
#include "tests/support/golden.h"
#include "tests/support/seeded.h"
#include "tests/support/tracked.h"

using namespace fovea;
using namespace fovea::test;
using kernels::BoxCoder;

namespace {

kernels::BoxOf<Tracked> tracked_box(const oracle::Four& b) { return {b[0], b[1], b[2], b[3]}; }

oracle::Four four(const std::vector<double>& values, size_t i) {
  return {values[i * 4], values[i * 4 + 1], values[i * 4 + 2], values[i * 4 + 3]};
}

// Errors of the kernel's own steps around `expected`, inputs rounded to float.
Reference encoding(const BoxCoder& coder, const std::vector<double>& anchors, const std::vector<double>& boxes,
                   const std::vector<double>& expected) {
  Reference reference;
  reference.ref = expected;
  for (size_t i = 0; i < anchors.size() / 4; ++i) {
    const auto d = coder.encode(tracked_box(four(anchors, i)), tracked_box(four(boxes, i)));
    for (const Tracked& t : {d.dx, d.dy, d.dw, d.dh}) reference.mag.push_back(t.error);
  }
  return reference;
}
Reference decoding(const BoxCoder& coder, const std::vector<double>& anchors, const std::vector<double>& deltas,
                   const std::vector<double>& expected) {
  Reference reference;
  reference.ref = expected;
  for (size_t i = 0; i < anchors.size() / 4; ++i) {
    const oracle::Four d = four(deltas, i);
    const auto box = coder.decode(tracked_box(four(anchors, i)), kernels::DeltasOf<Tracked>{d[0], d[1], d[2], d[3]});
    for (const Tracked& t : {box.x1, box.y1, box.x2, box.y2}) reference.mag.push_back(t.error);
  }
  return reference;
}

void check(const BoxCoder& coder, const std::vector<double>& anchors, const std::vector<double>& boxes,
           const Reference& encoded, const std::vector<double>& deltas, const Reference& decoded) {
  const std::vector<float> a(anchors.begin(), anchors.end()), b(boxes.begin(), boxes.end()),
      d(deltas.begin(), deltas.end());
  for_each_way_to_run([&](Queue& queue) {
    Guarded<float> out(encoded.size());
    kernels::encode_boxes(queue, coder, a.size() / 4, a.data(), b.data(), out.data());
    CHECK_CLOSE(out.values(), encoded, kTrackedRoundings);
    kernels::decode_boxes(queue, coder, a.size() / 4, a.data(), d.data(), out.data());
    CHECK_CLOSE(out.values(), decoded, kTrackedRoundings);
  });
}

std::vector<double> random_boxes(size_t n, uint64_t seed) {
  const auto uniform = seeded_uniform<float>(n * 4, seed, 0.f, 1.f);
  std::vector<double> boxes;
  for (size_t i = 0; i < n; ++i) {
    const float x = uniform[i * 4] * 800, y = uniform[i * 4 + 1] * 600;
    boxes.insert(boxes.end(), {x, y, x + 1 + uniform[i * 4 + 2] * 300, y + 1 + uniform[i * 4 + 3] * 300});
  }
  return boxes;
}

}  // namespace

TEST_CASE("boxes are encoded and decoded as defined", "[box_coder]") {
  const size_t n = GENERATE(0, 1, 777);
  const auto coder = GENERATE(BoxCoder{}, BoxCoder{10, 10, 5, 5});
  const auto anchors = random_boxes(n, 1), boxes = random_boxes(n, 2);
  const auto uniform = seeded_uniform<float>(n * 4, 3, -9.f, 9.f);  // the clamp among them
  const std::vector<double> deltas(uniform.begin(), uniform.end());
  std::vector<double> encoded, decoded;
  for (size_t i = 0; i < n; ++i) {
    const auto e = oracle::encode(coder, four(anchors, i), four(boxes, i));
    const auto d = oracle::decode(coder, four(anchors, i), four(deltas, i));
    encoded.insert(encoded.end(), e.begin(), e.end());
    decoded.insert(decoded.end(), d.begin(), d.end());
  }
  check(coder, anchors, boxes, encoding(coder, anchors, boxes, encoded), deltas,
        decoding(coder, anchors, deltas, decoded));
}

TEST_CASE("box coder golden values", "[box_coder]") {
  const auto file = golden("box_coder");
  const auto anchors = file.read<double>("anchors"), boxes = file.read<double>("boxes");
  const std::pair<std::string, BoxCoder> settings[] = {{"w1", {}}, {"w10", {10, 10, 5, 5}}};
  for (const auto& [name, coder] : settings) {
    CAPTURE(name);
    const auto deltas = file.read<double>(name + ".deltas");
    check(coder, anchors, boxes, encoding(coder, anchors, boxes, file.read<double>(name + ".encoded")), deltas,
          decoding(coder, anchors, deltas, file.read<double>(name + ".decoded")));
  }
}

// What a Convolution keeps between calls, recording, and the same bits every time.
#include "kernels/conv/conv.h"

#include "tests/support/catch.h"
#include "tests/support/seeded.h"

using namespace fovea;
using namespace fovea::test;
using kernels::ConvAlgorithm;
using kernels::Convolution;
using kernels::ConvShape;

namespace {

const ConvShape kShape{2, 14, 13, 32, 48, 3, 3, 1, 1, 1};

// All three passes of one shape into y, dx, dweight and dbias.
template <class T>
struct Passes {
  ConvShape shape;
  std::vector<T> x = seeded_uniform<T>(shape.input_count(), 1), w = seeded_uniform<T>(shape.weight_count(), 2);
  std::vector<T> dy = seeded_uniform<T>(shape.output_count(), 3), y = std::vector<T>(shape.output_count());
  std::vector<T> dx = std::vector<T>(shape.input_count());
  std::vector<float> bias = seeded_uniform<float>(shape.out_c, 4), dweight = std::vector<float>(shape.weight_count());
  std::vector<float> dbias = std::vector<float>(shape.out_c);
  uint64_t version = 1;

  void run(Convolution& convolution, Queue& queue) {
    const kernels::ConvWeights weights{w.data(), &version};
    convolution.forward(queue, shape, dtype_of<T>(), {x.data(), weights, bias.data(), nullptr, true, y.data()});
    convolution.backward_data(queue, shape, dtype_of<T>(), {dy.data(), weights, x.data(), false, dx.data()});
    convolution.backward_weight(queue, shape, dtype_of<T>(),
                                {x.data(), dy.data(), false, dweight.data(), dbias.data()});
  }
  // The bits of all results.
  std::vector<float> results() const {
    std::vector<float> all(y.begin(), y.end());
    all.insert(all.end(), dx.begin(), dx.end());
    all.insert(all.end(), dweight.begin(), dweight.end());
    all.insert(all.end(), dbias.begin(), dbias.end());
    return all;
  }
};

}  // namespace

TEMPLATE_TEST_CASE("convolution determinism: the same bits run after run", "[conv]", float, bfloat16) {
  Passes<TestType> passes{kShape};
  Queue queue;
  Convolution first, second;
  passes.run(first, queue);
  const auto expected = passes.results();
  for (Convolution* convolution : {&first, &second}) {
    passes.run(*convolution, queue);
    CHECK(passes.results() == expected);
  }
}

TEMPLATE_TEST_CASE("a recorded convolution replays to the same bits, with the weights of the day", "[conv]", float,
                   bfloat16) {
  Passes<TestType> passes{kShape};
  Queue queue;
  Convolution convolution;
  const Recording recording = queue.record([&] { passes.run(convolution, queue); });
  CHECK(recording.size() == 4);                                   // the bias gradient is a call of its own
  CHECK(passes.results() == Passes<TestType>{kShape}.results());  // nothing has run
  recording.replay();
  Passes<TestType> eager{kShape};
  Convolution other;
  eager.run(other, queue);
  CHECK(passes.results() == eager.results());

  for (Passes<TestType>* p : {&passes, &eager}) {
    for (auto& value : p->w) value = value * 0.5f;
    ++p->version;
  }
  const auto before = passes.results();
  recording.replay();
  eager.run(other, queue);
  CHECK(passes.results() == eager.results());
  CHECK(passes.results() != before);
}

TEST_CASE("packed weights are kept while their version stays, and made anew when it changes", "[conv]") {
  Passes<float> passes{kShape};
  Queue queue;
  Convolution convolution;
  passes.run(convolution, queue);
  const auto old_weights = passes.results();
  const size_t held = convolution.cached_bytes();
  CHECK(held >= passes.w.size() * sizeof(float));

  for (float& value : passes.w) value += 1;
  passes.run(convolution, queue);
  CHECK(passes.results() == old_weights);  // the version says that nothing has changed
  ++passes.version;
  passes.run(convolution, queue);
  CHECK(passes.results() != old_weights);
  CHECK(convolution.cached_bytes() == held);

  convolution.forget_weights();
  CHECK(convolution.cached_bytes() == 0);
}

TEST_CASE("packed weights without a version are never kept", "[conv]") {
  Passes<float> passes{kShape};
  Queue queue;
  Convolution convolution;
  convolution.forward(queue, kShape, DType::F32,
                      {passes.x.data(), {passes.w.data()}, nullptr, nullptr, false, passes.y.data()});
  CHECK(convolution.cached_bytes() == 0);
}

TEST_CASE("packed weights beyond the budget are freed, the least recently used first", "[conv]") {
  std::vector<Passes<float>> layers(4, Passes<float>{kShape});
  Queue queue;
  Convolution convolution;
  layers[0].run(convolution, queue);
  const size_t one = convolution.cached_bytes();
  const auto expected = layers[0].results();
  convolution.set_weight_budget(2 * one);
  for (int round = 0; round < 2; ++round)
    for (auto& layer : layers) {
      layer.run(convolution, queue);
      CHECK(convolution.cached_bytes() <= 2 * one);
      CHECK(layer.results() == expected);
    }
  convolution.set_weight_budget(0);
  CHECK(convolution.cached_bytes() == 0);
}

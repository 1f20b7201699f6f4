// oneDNN's form for NHWC of strided 1×1 weight gradients left out pixels where there were fewer than 16 channels.
#include <numeric>

#include "kernels/conv/conv.h"
#include "tests/support/catch.h"

using namespace fovea;
using namespace fovea::kernels;

TEMPLATE_TEST_CASE("convolution: strided 1x1 weight gradients of few channels count every pixel", "[conv]", float,
                   bfloat16) {
  const int channels = GENERATE(4, 8, 16), batch = GENERATE(1, 2);
  const ConvShape shape{.batch = batch,
                        .in_h = 24,
                        .in_w = 32,
                        .in_c = channels,
                        .out_c = 16,
                        .kernel_h = 1,
                        .kernel_w = 1,
                        .stride = 2,
                        .pad = 0};
  const int64_t pixels = int64_t{batch} * shape.out_h() * shape.out_w();
  const std::vector<TestType> x(static_cast<size_t>(shape.input_count()), static_cast<TestType>(1.f)),
      dy(static_cast<size_t>(pixels * shape.out_c), static_cast<TestType>(1.f));
  for (int repeat = 0; repeat < 4; ++repeat) {  // what it read from scratch was not always the same
    CAPTURE(channels, batch, repeat);
    Queue queue;
    Convolution convolution(ConvAlgorithm::Direct);
    std::vector<float> dweight(static_cast<size_t>(shape.in_c * shape.out_c), 7.f);
    convolution.backward_weight(queue, shape, dtype_of<TestType>(),
                                {.x = x.data(), .dy = dy.data(), .dweight = dweight.data()});
    CHECK(dweight == std::vector<float>(dweight.size(), static_cast<float>(pixels)));
  }
}

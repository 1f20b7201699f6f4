// What kernels declare to move, against counts by hand.
#include "kernels/traffic.h"
#include "kernels/launch/bfloat16.h"

#include "tests/support/head_tensor.h"

using namespace fovea;
using namespace fovea::test;

TEST_CASE("declared traffic: focal loss reads and writes each logit once, and each target", "[traffic]") {
  HeadTensor<bfloat16> logits({{{10, 10}, {5, 5}}, 2, 9, 80, 0});
  kernels::FocalLossArgs<bfloat16> args;
  args.logits = logits.view<const bfloat16>();
  const double count = 2. * 125 * 9 * 80, targets = 2. * 125 * 9;
  CHECK(kernels::traffic::focal_loss(args).bytes() == 4 * count + 4 * targets);
  CHECK(kernels::traffic::focal_loss(args).special == 3 * count);
  args.gamma = 1.5f;
  CHECK(kernels::traffic::focal_loss(args).special == 4 * count);
}

TEST_CASE("declared traffic: optimizers, masks, norms, pooling and upsampling", "[traffic]") {
  namespace traffic = kernels::traffic;
  CHECK(traffic::sgd_step(100, true, 0).bytes() == 20 * 100);
  CHECK(traffic::sgd_step(100, false, 0).bytes() == 12 * 100);
  CHECK(traffic::sgd_step(100, true, sizeof(bfloat16)).bytes() == 22 * 100);
  CHECK(traffic::adamw_step(100, 0).bytes() == 28 * 100);
  CHECK(traffic::adamw_step(100, sizeof(bfloat16)).bytes() == 30 * 100);
  CHECK(traffic::relu_bias_backward<bfloat16>(10, 8).bytes() == 6 * 80);
  CHECK(traffic::column_sum<bfloat16>(10, 8).bytes() == 2 * 80);
  CHECK(traffic::norm_forward<float>(100).bytes() == 12 * 100);                // read twice, written once
  CHECK(traffic::norm_backward<float>(100, true, false).bytes() == 28 * 100);  // x, y, dy twice, dx once
  const kernels::PoolShape pool{2, 8, 6, 16, 3};
  CHECK(traffic::max_pool_forward<bfloat16>(pool, true).bytes() == 2 * 16 * (48 * 2 + 12 * 3));
  CHECK(traffic::max_pool_backward<bfloat16>(pool, false).bytes() == 2 * 16 * (48 * 2 + 12 * 3));
  const kernels::PoolShape halving{2, 8, 6, 16, 2, 0}, unpadded{1, 9, 7, 8, 3, 0};  // windows: 4x3 and 4x3
  CHECK(traffic::max_pool_forward<float>(halving, false).bytes() == 2 * 16 * 4 * (48 + 12));
  CHECK(traffic::max_pool_backward<bfloat16>(halving, true).bytes() == 2 * 16 * (48 * 2 * 2 + 12 * 3));
  CHECK(traffic::max_pool_forward<bfloat16>(unpadded, true).bytes() == 8 * (63 * 2 + 12 * 3));
  const kernels::AveragePoolShape average{2, 5, 4, 8};
  CHECK(traffic::average_pool<bfloat16>(average, false).bytes() == 2 * 20 * 8 * 2 * 2);
  CHECK(traffic::average_pool<float>(average, true).bytes() == 2 * 20 * 8 * 4 * 3);  // the sum so far is read as well
  CHECK(traffic::copy_channels<bfloat16>(40, 24, false).bytes() == 40 * 24 * 2 * 2);
  CHECK(traffic::copy_channels<float>(40, 24, true).bytes() == 40 * 24 * 4 * 3);
  const kernels::UpsampleShape up{1, 3, 3, 6, 6, 8};
  CHECK(traffic::upsample_add<float>(up, true).bytes() == 4 * 8 * (9 + 36 + 36));
}

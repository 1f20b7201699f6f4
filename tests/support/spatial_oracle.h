// float64 references of pooling, upsampling and resizing, NHWC, written from their definitions.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/image.h"
#include "kernels/pool.h"
#include "kernels/upsample.h"
#include "tests/support/tolerance.h"

namespace fovea::test {

struct PoolOracle {
  std::vector<double> y;
  std::vector<size_t> from;  // the element of x that each y is
};
PoolOracle oracle_max_pool(const kernels::PoolShape& shape, const std::vector<double>& x);

// The element of the coarse tensor that each element of the upsampled one copies.
std::vector<size_t> oracle_upsample_source(const kernels::UpsampleShape& shape);

// The slots [batch, slot_h, slot_w, slot_channels]; written from F.interpolate (align_corners=False), or with antialias
// from PIL's ImagingResample.
Reference oracle_preprocess(const kernels::PreprocessArgs<float>& args);

}  // namespace fovea::test

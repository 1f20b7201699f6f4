// The convolutions that tests of every backend compute, and inputs that they share.
#pragma once
#include <vector>

#include "kernels/conv/conv.h"
#include "tests/support/seeded.h"

namespace fovea::test {

struct ConvCase {
  const char* name;
  kernels::ConvShape shape;  // batch, in_h, in_w, in_c, out_c, kernel_h, kernel_w, stride, pad, groups
  bool by_plan = false;      // whether a GPU's plans are tested with it too: finding them takes a second
};

inline const ConvCase kConvCases[] = {
    {"one pixel", {1, 1, 1, 4, 4, 1, 1, 1, 0, 1}},
    {"1x1", {2, 9, 7, 24, 40, 1, 1, 1, 0, 1}, true},
    {"1x1 by cuDNN", {2, 8, 7, 24, 40, 1, 1, 1, 0, 1}, true},
    {"1x1 stride 2", {1, 9, 8, 16, 32, 1, 1, 2, 0, 1}, true},
    {"1x1 on 36 pixels", {2, 6, 6, 64, 64, 1, 1, 1, 0, 1}},
    {"1x1 on one channel", {1, 5, 5, 1, 1, 1, 1, 1, 0, 1}},
    {"3x3 pad 1", {2, 10, 13, 16, 24, 3, 3, 1, 1, 1}, true},
    {"3x3 no pad", {1, 12, 11, 8, 16, 3, 3, 1, 0, 1}},
    {"3x3 on one pixel", {1, 1, 1, 32, 16, 3, 3, 1, 1, 1}},
    {"3x3 on 2x5", {3, 2, 5, 16, 16, 3, 3, 1, 1, 1}},
    {"3x3 odd channels", {1, 9, 9, 7, 5, 3, 3, 1, 1, 1}, true},
    {"3x3 to 9·4 deltas", {1, 13, 13, 64, 36, 3, 3, 1, 1, 1}, true},
    {"3x3 to 9·91 logits", {1, 7, 6, 32, 819, 3, 3, 1, 1, 1}, true},
    {"3x3 stride 2 pad 1", {1, 13, 12, 32, 16, 3, 3, 2, 1, 1}, true},
    {"3x3 stride 2 on one pixel", {2, 1, 1, 16, 16, 3, 3, 2, 1, 1}},
    {"3x3 stride 2 on 2x2", {1, 2, 2, 32, 16, 3, 3, 2, 1, 1}},
    {"3x3, wide", {1, 12, 300, 8, 16, 3, 3, 1, 1, 1}},
    {"3x3, very wide", {1, 6, 400, 8, 8, 3, 3, 1, 1, 1}},
    {"3x3 groups of 8", {1, 8, 9, 32, 64, 3, 3, 1, 1, 4}, true},
    {"3x3 groups of 4", {1, 8, 8, 128, 128, 3, 3, 1, 1, 32}, true},
    {"3x3 odd groups, stride 2", {2, 7, 7, 6, 9, 3, 3, 2, 1, 3}},
    {"depthwise", {1, 8, 8, 16, 16, 3, 3, 1, 1, 16}},
    {"the stem", {1, 24, 32, 3, 32, 7, 7, 2, 3, 1}, true},
    {"the stem, odd height", {1, 25, 31, 3, 32, 7, 7, 2, 3, 1}},
    {"the stem, odd height, two images", {2, 25, 31, 3, 16, 7, 7, 2, 3, 1}, true},
    {"7x7 stride 2, 8 channels", {1, 24, 22, 8, 16, 7, 7, 2, 3, 1}},
    {"1x3 kernel", {1, 6, 9, 8, 8, 1, 3, 1, 0, 1}},
    {"1x7, padded along the width", {2, 9, 11, 16, 24, 1, 7, 1, {0, 3}, 1}, true},
    {"7x1, padded along the height", {1, 11, 6, 24, 16, 7, 1, 1, {3, 0}, 1}, true},
    {"1x3, padded along the width", {1, 7, 6, 48, 48, 1, 3, 1, {0, 1}, 1}},
    {"3x1, padded along the height", {1, 5, 8, 48, 48, 3, 1, 1, {1, 0}, 1}},
    {"7x1 on fewer rows", {1, 3, 5, 16, 16, 7, 1, 1, {3, 0}, 1}},
    {"1x7 on fewer columns", {1, 2, 2, 128, 192, 1, 7, 1, {0, 3}, 1}},
    {"5x5", {1, 9, 10, 12, 16, 5, 5, 1, 2, 1}, true},
    {"3x3 stride 2 no pad", {2, 13, 14, 24, 32, 3, 3, 2, 0, 1}, true},
    {"wide pad", {1, 4, 4, 8, 8, 3, 3, 1, 2, 1}},
};

// A bias that bf16 holds exactly: that it is rounded to bf16 is part of the contract, not an error to be allowed for.
inline std::vector<float> exact_bias(int n) {
  const auto rounded = seeded_uniform<bfloat16>(n, 6);
  return {rounded.begin(), rounded.end()};
}

}  // namespace fovea::test

// A split into train and val that depends on the images' content and classes alone.
#pragma once
#include "tools/data/formats/writable_set.h"

namespace fovea {

// All images but those of the split test, divided anew: of the images of each class, the rarest class first, the share
// `val` goes to val, in the order of their content's hashes; of images without objects likewise. Of a class with at
// least two images one goes to val, one to train. Images of the same content stay together.
// `progress(done)` is called after each image that was read.
WritableSet split_anew(WritableSet set, double val, const std::function<void(int64_t)>& progress = {});

}  // namespace fovea

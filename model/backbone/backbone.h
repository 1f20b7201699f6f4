// A backbone turns images into three feature maps, C3, C4 and C5, of strides 8, 16 and 32.
#pragma once
#include <array>
#include <memory>

#include "engine/autograd.h"
#include "engine/parameters.h"
#include "model/backbone/kinds.h"  // IWYU pragma: export
#include "model/config.h"

namespace fovea {

struct Features {
  Tensor c3, c4, c5;
};

class Backbone {
 public:
  virtual ~Backbone() = default;
  // images: [N, H, W, 3], normalized.
  virtual Features forward(Tape& tape, const Tensor& images) = 0;
  virtual std::array<int, 3> channels() const = 0;  // of C3, C4, C5
};

// Throws Error(Data) for images with a side below `smallest`, of which no pixel would be left in C5.
void require_image_size(const Tensor& images, int smallest, const char* name);

// Throws Error(Usage) for a depth that there is not.
std::unique_ptr<Backbone> make_backbone(ParameterStore& store, const BackboneConfig& config);

}  // namespace fovea

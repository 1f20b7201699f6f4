// A batch on its way into the network: pixels resized, flipped, normalized and padded to one size; its boxes moved
// alike.
#pragma once
#include <memory>
#include <vector>

#include "engine/context.h"
#include "kernels/device/host_memory.h"
#include "kernels/device/scratch.h"
#include "kernels/image.h"
#include "model/loss.h"
#include "tools/data/loading/loader.h"

namespace fovea {

struct DeviceBatch {
  Tensor images;       // [N, H, W, 3] in the activation dtype
  Truth truth;         // in pixels of the network's input
  Tensor image_sizes;  // fp32 [N, 2] height, width of the content
  Tensor image_scale;  // fp32 [N, 2] factors of y and x back to the image's file
  Size2d size;         // H, W
};

// All that the addresses and sizes of a step's tensors hang on.
struct BatchShape {
  int images = 0, height = 0, width = 0;
  int max_boxes = 0;  // places for the boxes of an image; 0: they are left out
  auto operator<=>(const BatchShape&) const = default;
};
// The batch's slot, or what its images fit into, padded to input.pad_to; places for boxes to a power of two: few
// shapes.
BatchShape shape_of(const std::vector<LoadedImage>& loaded, const InputConfig& input, bool with_boxes = true);

// What a step reads, at addresses that stay: a recorded step finds each batch of its shape here.
class BatchInput {
 public:
  BatchInput(Context& context, const BatchShape& shape, const InputConfig& input);

  // Copies sizes, boxes and where the pixels are: `pixels[n]` of image n, in the queue's device memory, where they stay
  // until the step has run. Places of the shape beyond these images are empty: all padding, without objects. Waits for
  // nothing but the copy before the last.
  void load(const std::vector<LoadedImage>& loaded, const std::vector<PixelView>& pixels);
  // Enqueues the passes that make the network's input of what was loaded last.
  DeviceBatch prepare();

  const BatchShape& shape() const { return shape_; }

 private:
  template <class T>
  using Part = kernels::Scratch::Part<T>;
  struct Parts {
    kernels::Scratch host, device;  // the same places in both
    Part<kernels::SourceImage> images;
    Part<float> boxes, sizes, scale;
    Part<int32_t> labels, counts;
    Part<uint8_t> crowd;
  };
  Tensor tensor(size_t offset, Shape shape, DType dtype) const;
  void write_truth(const std::vector<LoadedImage>& loaded) const;

  Context& context_;
  BatchShape shape_;
  InputConfig input_;
  Parts parts_;
  std::unique_ptr<UploadBuffers> staging_;
  Tensor device_;
};

// One batch, at once.
DeviceBatch stage(Context& context, const std::vector<LoadedImage>& loaded, const InputConfig& input);

}  // namespace fovea

// What a model takes, as nodes of ONNX: from the images of its input to what the network takes.
#pragma once
#include <array>

#include "tools/config/config.h"
#include "tools/export/export_options.h"
#include "tools/export/onnx_writer.h"

namespace fovea::onnx_file {

struct InputValues {
  Value images;  // [N, 3, H, W], normalized, 0 where there is no image, in the type of the precision
  Value sizes;   // of the images in the input, or without a name
};

// What normalizes pixels of 0 … `most`: pixel · scale + offset, by channel, as kernels/image.cu has it.
struct PixelTerms {
  std::array<float, 3> scale, offset;
};
PixelTerms pixel_terms(const InputConfig& input, float most);

// The inputs `images` and, where the options say so, `sizes`.
InputValues add_inputs(Writer& writer, const ExportOptions& options, const InputConfig& input);

}  // namespace fovea::onnx_file

// From a network to an ONNX model.
#pragma once
#include <string>

#include "tools/checkpoint/model_file.h"
#include "tools/export/export_options.h"

namespace fovea {

// The size of the input where nobody says one: what the configuration resizes images to that are wider than high.
Size2d usual_export_size(const InputConfig& input);
// Throws Error(Usage) where no model can have these options: sizes that are no multiples of 32.
void require_exportable(const ExportOptions& options);

struct ExportedModel {
  std::string onnx, description;  // the bytes of the files
};
// The network is one on the CPU in fp32.
ExportedModel export_model(ModelFile& file, const ExportOptions& options);

}  // namespace fovea

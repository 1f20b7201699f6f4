#include "tools/export/exporter.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/launch/math.h"
#include "tools/export/description.h"
#include "tools/export/input_nodes.h"
#include "tools/export/tail_nodes.h"

namespace fovea {

namespace {

constexpr int kStride = 32;               // of C5, to which torchvision pads
constexpr int64_t kMostPixels = 1 << 26;  // their anchors are 200 MB of the file

// bf16 in convolutions came with 22. 17 is what all readers of the last years take.
int opset_of(ExportPrecision precision) { return precision == ExportPrecision::Bf16 ? 22 : 17; }

void add_tail(onnx_file::Writer& writer, ExportTail tail, const onnx_file::TailInput& input) {
  switch (tail) {
    case ExportTail::Heads:
      return add_heads_tail(writer, input);
    case ExportTail::Nms:
      return add_nms_tail(writer, input);
    case ExportTail::EfficientNms:
      return add_efficient_nms_tail(writer, input);
  }
}

}  // namespace

Size2d usual_export_size(const InputConfig& input) {
  return {round_up(input.short_side.back(), kStride), round_up(input.long_side, kStride)};
}

void require_exportable(const ExportOptions& options) {
  const auto [height, width] = options.size;
  const auto rounded = [](int side) { return round_up(std::max(side, 1), kStride); };
  if (height <= 0 || width <= 0 || height % kStride != 0 || width % kStride != 0)
    throw Error(ErrorKind::Usage,
                fmt::format("the input's size {}x{}: height and width must be multiples of {}, the stride of the "
                            "network: use {}x{}, and pad images below and on the right",
                            height, width, kStride, rounded(height), rounded(width)));
  if (int64_t{height} * width > kMostPixels)
    throw Error(ErrorKind::Usage, fmt::format("the input's size {}x{}: more than {} pixels: cut images into parts",
                                              height, width, kMostPixels));
}

ExportedModel export_model(ModelFile& file, const ExportOptions& options) {
  require_exportable(options);
  RetinaNet& model = *file.model;
  require(model.context().activation_dtype == DType::F32 && !model.context().queue.on_cuda(),
          "a network is exported from the CPU in fp32");
  const NetworkGraph network = network_graph(model, 1, options.size);
  onnx_file::Writer writer(opset_of(options.precision),
                           options.tail == ExportTail::EfficientNms ? onnx_file::kPluginDomain : "");
  const onnx_file::InputValues input = add_inputs(writer, options, file.config.input);
  add_tail(writer, options.tail,
           {.network = network,
            .config = file.config.model,
            .heads = add_network(writer, network, input.images),
            .sizes = input.sizes,
            .input = options.size});
  ExportedModel exported{{}, export_description(options, file.config, file.categories, network)};
  writer.metadata("fovea", exported.description);
  exported.onnx = writer.bytes();
  return exported;
}

}  // namespace fovea

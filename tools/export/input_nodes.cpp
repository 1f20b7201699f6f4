#include "tools/export/input_nodes.h"

#include <numeric>
#include <span>

#include "tools/export/onnx_ops.h"

namespace fovea::onnx_file {

namespace {

Type type_of(ExportPrecision precision) {
  if (precision == ExportPrecision::Fp16) return Type::Half;
  return precision == ExportPrecision::Bf16 ? Type::Bfloat : Type::Float;
}

std::vector<float> counted(int count) {
  std::vector<float> numbers(static_cast<size_t>(count));
  std::iota(numbers.begin(), numbers.end(), 0.f);
  return numbers;
}

Value normalized(const Scope& scope, const Value& pixels, const InputConfig& input, float most) {
  const auto [scale, offset] = pixel_terms(input, most);
  const auto by_channel = [&](const char* name, std::span<const float> values) {
    return scope.writer.constant(scope.in(name).name, Type::Float, {1, 3, 1, 1}, values);
  };
  return scope.binary("Add", scope.binary("Mul", pixels, by_channel("scale", scale)), by_channel("offset", offset));
}

// 0 beyond the images: padding is 0 after the normalization.
Value without_padding(const Scope& scope, const Value& images, const Value& sizes, Size2d input) {
  const auto inside = [&](const char* name, int64_t column, int length, const Dims& dims) {
    const Value places = scope.writer.constant(scope.in(name).name, Type::Float, dims, counted(length));
    const Value limit = scope.reshape(scope.slice(sizes, 1, column, column + 1), {sizes.dims[0], 1, 1, 1});
    return scope.binary("Less", places, limit);
  };
  const Value rows = inside("rows", 0, input.height, {1, 1, input.height, 1}),
              columns = inside("columns", 1, input.width, {1, 1, 1, input.width});
  return scope.select(scope.binary("And", rows, columns), images, scope.scalar("padding", 0));
}

}  // namespace

PixelTerms pixel_terms(const InputConfig& input, float most) {
  PixelTerms terms{};
  for (size_t c = 0; c < 3; ++c) {
    const auto mean = static_cast<float>(input.mean[c]), inverse = static_cast<float>(1 / input.std[c]);
    terms.scale[c] = inverse / most;
    terms.offset[c] = -mean * inverse;
  }
  return terms;
}

InputValues add_inputs(Writer& writer, const ExportOptions& options, const InputConfig& input) {
  const Scope scope{writer, "input"};
  const int64_t batch = options.batch == 0 ? kBatch : options.batch;
  const auto [height, width] = options.size;
  const bool raw = options.input == ExportInput::Raw;
  InputValues values;
  values.images = raw ? writer.input("images", Type::Uint8, {batch, height, width, 3})
                      : writer.input("images", Type::Float, {batch, 3, height, width});
  if (options.takes_sizes()) values.sizes = writer.input("sizes", Type::Float, {batch, 2});
  if (raw) values.images = scope.transpose(scope.cast(values.images, Type::Float), {0, 3, 1, 2});
  if (options.input != ExportInput::Normalized) {
    values.images = normalized(scope, values.images, input, raw ? 255.f : 1.f);
    if (!options.filled) values.images = without_padding(scope, values.images, values.sizes, options.size);
  }
  values.images = scope.cast(values.images, type_of(options.precision));
  return values;
}

}  // namespace fovea::onnx_file

#include "tools/data/loading/batch.h"

#include <algorithm>
#include <bit>

#include "kernels/launch/math.h"
#include "tools/data/loading/pixels.h"

namespace fovea {

BatchShape shape_of(const std::vector<LoadedImage>& loaded, const InputConfig& input, bool with_boxes) {
  constexpr size_t kFewestBoxes = 8;
  BatchShape shape{.images = static_cast<int>(loaded.size())};
  size_t most = kFewestBoxes;
  for (const LoadedImage& item : loaded) {
    shape.height = std::max({shape.height, item.size.height, item.slot.height});
    shape.width = std::max({shape.width, item.size.width, item.slot.width});
    most = std::max(most, item.objects.size());
  }
  for (int* length : {&shape.height, &shape.width}) *length = round_up(*length, input.pad_to);
  if (with_boxes) shape.max_boxes = static_cast<int>(std::bit_ceil(most));
  return shape;
}

BatchInput::BatchInput(Context& context, const BatchShape& shape, const InputConfig& input)
    : context_(context), shape_(shape), input_(input) {
  const auto images = static_cast<size_t>(shape.images), boxes = images * static_cast<size_t>(shape.max_boxes);
  kernels::Scratch& places = parts_.host;
  parts_.images = places.add<kernels::SourceImage>(images);
  parts_.boxes = places.add<float>(4 * boxes);
  parts_.labels = places.add<int32_t>(boxes);
  parts_.crowd = places.add<uint8_t>(boxes);
  parts_.counts = places.add<int32_t>(images);
  parts_.sizes = places.add<float>(2 * images);
  parts_.scale = places.add<float>(2 * images);
  parts_.device = places;
  staging_ = std::make_unique<UploadBuffers>(context.queue.device(), places.bytes());
  device_ = Tensor::empty(context.memory, {static_cast<int64_t>(places.bytes())}, DType::U8, MemoryUse::Data);
  parts_.device.place(device_.raw());
}

void BatchInput::load(const std::vector<LoadedImage>& loaded, const std::vector<PixelView>& pixels) {
  const auto places = static_cast<size_t>(shape_.images);
  require(!loaded.empty() && loaded.size() <= places, "a batch does not fit its input's shape");
  parts_.host.place(staging_->next());
  for (size_t n = 0; n < loaded.size(); ++n) {
    const LoadedImage& item = loaded[n];
    const PixelView& image = pixels[n];
    const kernels::SourceImage source{.pixels = image.data,
                                      .height = image.height,
                                      .width = image.width,
                                      .out_h = item.size.height,
                                      .out_w = item.size.width,
                                      .flip = item.flip ? 1 : 0,
                                      .form = image.form,
                                      .row_stride = image.row_stride};
    kernels::require_fits(source, shape_.height, shape_.width);
    parts_.images(parts_.host)[n] = source;
    float* size = parts_.sizes(parts_.host) + 2 * n;
    float* scale = parts_.scale(parts_.host) + 2 * n;
    size[0] = static_cast<float>(item.size.height);
    size[1] = static_cast<float>(item.size.width);
    scale[0] = static_cast<float>(image.height * item.divisor) / size[0];
    scale[1] = static_cast<float>(image.width * item.divisor) / size[1];
  }
  for (size_t n = loaded.size(); n < places; ++n) {
    parts_.images(parts_.host)[n] = {};
    std::fill_n(parts_.sizes(parts_.host) + 2 * n, 2, 0.f);
    std::fill_n(parts_.scale(parts_.host) + 2 * n, 2, 1.f);
  }
  write_truth(loaded);
  staging_->send(context_.queue, device_.raw());
}

void BatchInput::write_truth(const std::vector<LoadedImage>& loaded) const {
  const auto most = static_cast<size_t>(shape_.max_boxes);
  static const std::vector<Object> kNone;
  for (size_t n = 0; n < static_cast<size_t>(shape_.images) && most > 0; ++n) {
    const auto& objects = n < loaded.size() ? loaded[n].objects : kNone;
    require(objects.size() <= most, "more boxes than the batch's shape has room for");
    parts_.counts(parts_.host)[n] = static_cast<int32_t>(objects.size());
    for (size_t g = 0; g < most; ++g) {
      const Object object = g < objects.size() ? objects[g] : Object{.label = -1};
      const float box[] = {object.x1, object.y1, object.x2, object.y2};
      std::copy(std::begin(box), std::end(box), parts_.boxes(parts_.host) + 4 * (n * most + g));
      parts_.labels(parts_.host)[n * most + g] = object.label;
      parts_.crowd(parts_.host)[n * most + g] = object.crowd ? 1 : 0;
    }
  }
}

Tensor BatchInput::tensor(size_t offset, Shape shape, DType dtype) const {
  return device_.reinterpreted(std::move(shape), dtype, offset);
}

DeviceBatch BatchInput::prepare() {
  const int64_t images = shape_.images, most = shape_.max_boxes;
  DeviceBatch batch;
  batch.size = {shape_.height, shape_.width};
  batch.image_sizes = tensor(parts_.sizes.offset, {images, 2}, DType::F32);
  batch.image_scale = tensor(parts_.scale.offset, {images, 2}, DType::F32);
  batch.images = context_.empty({images, shape_.height, shape_.width, 3}, context_.activation_dtype);
  dispatch(batch.images.dtype(), [&]<class T> {
    kernels::PreprocessArgs<T> args{.images = parts_.images(parts_.device),
                                    .batch = shape_.images,
                                    .antialias = input_.antialias,
                                    .slots = batch.images.data<T>(),
                                    .slot_h = shape_.height,
                                    .slot_w = shape_.width};
    for (size_t c = 0; c < 3; ++c) {
      args.mean[c] = static_cast<float>(input_.mean[c]);
      args.inv_std[c] = static_cast<float>(1 / input_.std[c]);
    }
    const Tensor workspace = context_.empty({static_cast<int64_t>(kernels::preprocess_workspace(args))}, DType::U8);
    args.workspace = workspace.raw();
    kernels::preprocess(context_.queue, args);
  });
  batch.truth = {
      context_.empty({images, most, 4}, DType::F32), tensor(parts_.labels.offset, {images, most}, DType::I32),
      tensor(parts_.crowd.offset, {images, most}, DType::U8), tensor(parts_.counts.offset, {images}, DType::I32)};
  kernels::transform_boxes(context_.queue, {.images = parts_.images(parts_.device),
                                            .counts = parts_.counts(parts_.device),
                                            .batch = shape_.images,
                                            .max_boxes = shape_.max_boxes,
                                            .boxes = parts_.boxes(parts_.device),
                                            .out = batch.truth.boxes.data<float>()});
  return batch;
}

DeviceBatch stage(Context& context, const std::vector<LoadedImage>& loaded, const InputConfig& input) {
  PixelStaging pixels(context);
  BatchInput batch(context, shape_of(loaded, input), input);
  batch.load(loaded, pixels.upload(loaded));
  const DeviceBatch staged = batch.prepare();
  context.queue.synchronize("staging a batch");
  return staged;
}

}  // namespace fovea

#include "tools/data/batch.h"

#include <algorithm>

#include "kernels/image.h"

namespace fovea {

namespace {

LevelSize padded_size(const std::vector<LoadedImage>& loaded, int pad_to) {
  LevelSize size{0, 0};
  for (const LoadedImage& item : loaded)
    size = {std::max(size.height, item.size.height), std::max(size.width, item.size.width)};
  const auto up = [&](int length) { return (length + pad_to - 1) / pad_to * pad_to; };
  return {up(size.height), up(size.width)};
}

void preprocess_image(Context& context, const LoadedImage& item, const InputConfig& input, const DeviceBatch& batch,
                      size_t n) {
  const Image& image = *item.image;
  Tensor copy;  // on the CPU the pixels are where they are needed
  if (context.queue.on_cuda()) copy = Tensor::from(context.memory, {image.height, image.width, 3}, image.rgb);
  dispatch(batch.images.dtype(), [&]<class T> {
    kernels::PreprocessArgs<T> args;
    args.image = copy ? copy.data<uint8_t>() : image.rgb.data();
    args.height = image.height;
    args.width = image.width;
    args.out_h = item.size.height;
    args.out_w = item.size.width;
    args.flip = item.flip;
    for (size_t c = 0; c < 3; ++c) {
      args.mean[c] = static_cast<float>(input.mean[c]);
      args.inv_std[c] = static_cast<float>(1 / input.deviation[c]);
    }
    args.antialias = input.antialias;
    args.slot = batch.images.data<T>() + static_cast<int64_t>(n) * batch.size.height * batch.size.width * 3;
    args.slot_h = batch.size.height;
    args.slot_w = batch.size.width;
    kernels::preprocess(context.queue, args);
  });
}

Truth stage_truth(Context& context, const std::vector<LoadedImage>& loaded) {
  const auto images = static_cast<int64_t>(loaded.size());
  int64_t most = 1;
  for (const LoadedImage& item : loaded) most = std::max(most, static_cast<int64_t>(item.sample->objects.size()));
  std::vector<float> boxes(static_cast<size_t>(images * most * 4), 0.f);
  std::vector<int32_t> labels(static_cast<size_t>(images * most), -1), counts;
  std::vector<uint8_t> crowd(static_cast<size_t>(images * most), 0);
  for (size_t n = 0; n < loaded.size(); ++n) {
    const auto& objects = loaded[n].sample->objects;
    counts.push_back(static_cast<int32_t>(objects.size()));
    for (size_t g = 0; g < objects.size(); ++g) {
      const size_t slot = n * static_cast<size_t>(most) + g;
      const float box[] = {objects[g].x1, objects[g].y1, objects[g].x2, objects[g].y2};
      std::copy(std::begin(box), std::end(box), boxes.begin() + static_cast<int64_t>(4 * slot));
      labels[slot] = objects[g].label;
      crowd[slot] = objects[g].crowd ? 1 : 0;
    }
  }
  const Truth truth{
      Tensor::from(context.memory, {images, most, 4}, boxes), Tensor::from(context.memory, {images, most}, labels),
      Tensor::from(context.memory, {images, most}, crowd), Tensor::from(context.memory, {images}, counts)};
  for (size_t n = 0; n < loaded.size(); ++n)
    kernels::transform_boxes(context.queue, {.boxes = truth.boxes.data<float>() + static_cast<int64_t>(n) * most * 4,
                                             .count = counts[n],
                                             .height = loaded[n].image->height,
                                             .width = loaded[n].image->width,
                                             .out_h = loaded[n].size.height,
                                             .out_w = loaded[n].size.width,
                                             .flip = loaded[n].flip});
  return truth;
}

}  // namespace

DeviceBatch stage(Context& context, const std::vector<LoadedImage>& loaded, const InputConfig& input) {
  DeviceBatch batch;
  batch.size = padded_size(loaded, input.pad_to);
  const auto images = static_cast<int64_t>(loaded.size());
  batch.images = Tensor::empty(context.memory, {images, batch.size.height, batch.size.width, 3},
                               context.activation_dtype, MemoryUse::Data);
  std::vector<float> sizes, scales;
  for (size_t n = 0; n < loaded.size(); ++n) {
    const LoadedImage& item = loaded[n];
    preprocess_image(context, item, input, batch, n);
    for (const int length : {item.size.height, item.size.width}) sizes.push_back(static_cast<float>(length));
    scales.push_back(static_cast<float>(item.image->height) / static_cast<float>(item.size.height));
    scales.push_back(static_cast<float>(item.image->width) / static_cast<float>(item.size.width));
    batch.samples.push_back(item.sample);
  }
  batch.truth = stage_truth(context, loaded);
  batch.image_sizes = Tensor::from(context.memory, {images, 2}, sizes);
  batch.image_scale = Tensor::from(context.memory, {images, 2}, scales);
  return batch;
}

}  // namespace fovea

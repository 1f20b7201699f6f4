#include "tools/export/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tools/data/loading/batch.h"
#include "tools/data/loading/pixels.h"
#include "tools/data/loading/shape_buckets.h"
#include "tools/eval/coco_metrics.h"
#include "tools/eval/coco_results.h"
#include "tools/eval/truth_set.h"
#include "tools/export/input_nodes.h"
#include "tools/text/stop.h"

namespace fovea {

namespace {

using FoundInBatch = std::vector<std::vector<Detected>>;
constexpr double kLeastAgreement = 0.999, kMostApart = 1e-3;
constexpr size_t kAnyBatch = 4;  // images at once, where the model takes any number

// From a runtime's outputs, which lie one behind the other.
class Reader {
 public:
  explicit Reader(const std::vector<std::byte>& bytes) : bytes_(bytes) {}
  template <class T>
  std::vector<T> take(size_t count) {
    std::vector<T> values(count);
    require(count * sizeof(T) <= bytes_.size() - at_, "a runtime gives less than the model says");
    std::memcpy(values.data(), bytes_.data() + at_, count * sizeof(T));
    at_ += count * sizeof(T);
    return values;
  }

 private:
  const std::vector<std::byte>& bytes_;
  size_t at_ = 0;
};

class SideBySide {
 public:
  SideBySide(ModelFile& file, const ExportOptions& exported, const RuntimeProcess& process)
      : file_(file), model_(*file.model), exported_(exported), process_(process) {}

  // What the network and the model find in these images, in pixels of the input.
  struct Both {
    FoundInBatch own, other;
    std::vector<float> scale;  // [images, 2] factors of y and x back to the image's file
  };
  Both detect(const std::vector<LoadedImage>& images) {
    Context& context = model_.context();
    const size_t count = images.size();
    PixelStaging staging(context);
    const BatchShape shape{static_cast<int>(count), exported_.size.height, exported_.size.width, 0};
    BatchInput input(context, shape, file_.config.input);
    input.load(images, staging.upload(images));
    const DeviceBatch batch = input.prepare();
    const auto sizes = batch.image_sizes.to_host<float>();
    const Bytes bytes = rounded(batch.images.to_host<float>(), sizes);
    batch.images.upload(bytes.normalized);
    Tape tape(context, /*training=*/false);
    const Outputs outputs = model_.forward(tape, batch.images);
    const size_t places = exported_.batch == 0 ? count : static_cast<size_t>(exported_.batch);
    Both both{to_host(model_.detect(outputs, exported_.size, batch.image_sizes, {})), {}, {}};
    both.other = found_by_runtime(ask(bytes, sizes, places), places, outputs, batch.image_sizes);
    both.other.resize(count);
    both.scale = batch.image_scale.to_host<float>();
    return both;
  }

 private:
  // Images as a program outside has them, and as the network takes these: [images, H, W, 3].
  struct Bytes {
    std::vector<uint8_t> pixels;
    std::vector<float> normalized;
  };

  Bytes rounded(const std::vector<float>& normalized, const std::vector<float>& sizes) const {
    const auto [height, width] = exported_.size;
    Bytes bytes{std::vector<uint8_t>(normalized.size()), std::vector<float>(normalized.size())};
    const auto [scale, offset] = onnx_file::pixel_terms(file_.config.input, 255);
    for (size_t i = 0; i < normalized.size(); ++i) {
      const size_t c = i % 3, pixel = i / 3, x = pixel % static_cast<size_t>(width),
                   y = pixel / static_cast<size_t>(width) % static_cast<size_t>(height),
                   image = pixel / static_cast<size_t>(width) / static_cast<size_t>(height);
      if (static_cast<float>(y) >= sizes[2 * image] || static_cast<float>(x) >= sizes[2 * image + 1]) continue;
      const float byte = std::clamp(std::round((normalized[i] - offset[c]) / scale[c]), 0.f, 255.f);
      bytes.pixels[i] = static_cast<uint8_t>(byte);
      bytes.normalized[i] = byte * scale[c] + offset[c];
    }
    return bytes;
  }

  // [images, H, W, 3] as [images, 3, H, W].
  template <class Value>
  std::vector<float> planes(size_t images, const Value& value) const {
    const size_t pixels = static_cast<size_t>(exported_.size.height) * static_cast<size_t>(exported_.size.width);
    std::vector<float> planes(images * pixels * 3);
    for (size_t n = 0; n < images; ++n)
      for (size_t c = 0; c < 3; ++c)
        for (size_t i = 0; i < pixels; ++i) planes[(n * 3 + c) * pixels + i] = value((n * pixels + i) * 3 + c);
    return planes;
  }

  // Places without an image hold nothing.
  std::vector<std::byte> ask(Bytes bytes, std::vector<float> sizes, size_t places) const {
    const size_t of_image = bytes.pixels.size() * 2 / sizes.size();
    bytes.pixels.resize(places * of_image);
    bytes.normalized.resize(places * of_image);
    sizes.resize(places * 2);
    std::vector<float> floats;
    if (exported_.input == ExportInput::Unit)
      floats = planes(places, [&](size_t i) { return static_cast<float>(bytes.pixels[i]) / 255.f; });
    if (exported_.input == ExportInput::Normalized)
      floats = planes(places, [&](size_t i) { return bytes.normalized[i]; });
    std::vector<std::span<const std::byte>> inputs{exported_.input == ExportInput::Raw
                                                       ? std::as_bytes(std::span(bytes.pixels))
                                                       : std::as_bytes(std::span(floats))};
    if (exported_.takes_sizes()) inputs.push_back(std::as_bytes(std::span(sizes)));
    return process_.run(static_cast<int>(places), inputs);
  }

  FoundInBatch found_by_runtime(const std::vector<std::byte>& bytes, size_t places, const Outputs& like,
                                const Tensor& sizes) const {
    Reader reader(bytes);
    if (exported_.tail == ExportTail::Heads) return found_in_heads(reader, places, like, sizes);
    // Of four floats, one, and one integer a detection, and one integer an image.
    const size_t limit = (bytes.size() / places - sizeof(int32_t)) / (6 * sizeof(float));
    const auto boxes = reader.take<float>(places * limit * 4), scores = reader.take<float>(places * limit);
    const auto labels = reader.take<int32_t>(places * limit), counts = reader.take<int32_t>(places);
    FoundInBatch found(places);
    for (size_t n = 0; n < places; ++n)
      for (size_t i = n * limit; i < n * limit + static_cast<size_t>(counts[n]); ++i)
        found[n].push_back({boxes[4 * i], boxes[4 * i + 1], boxes[4 * i + 2], boxes[4 * i + 3], scores[i], labels[i]});
    return found;
  }

  // Logits and deltas, of which the engine makes detections as of its own.
  FoundInBatch found_in_heads(Reader& reader, size_t places, const Outputs& like, const Tensor& sizes) const {
    const auto levels_of = [&](const std::vector<Tensor>& own) {
      const auto images = static_cast<size_t>(own[0].batch());
      size_t of_image = 0, first = 0;
      for (const Tensor& level : own) of_image += static_cast<size_t>(level.count()) / images;
      const auto values = reader.take<float>(places * of_image);
      std::vector<Tensor> levels;
      for (const Tensor& level : own) {
        const size_t count = static_cast<size_t>(level.count()) / images;
        std::vector<float> of_level;
        for (size_t n = 0; n < images; ++n) {
          const auto begin = values.begin() + static_cast<int64_t>(n * of_image + first);
          of_level.insert(of_level.end(), begin, begin + static_cast<int64_t>(count));
        }
        first += count;
        levels.push_back(Tensor::from(model_.context().memory, level.shape(), of_level));
      }
      return levels;
    };
    Outputs outputs;
    outputs.logits = levels_of(like.logits);
    outputs.deltas = levels_of(like.deltas);
    return to_host(model_.detect(outputs, exported_.size, sizes, {}));
  }

  ModelFile& file_;
  RetinaNet& model_;
  const ExportOptions& exported_;
  const RuntimeProcess& process_;
};

struct Difference {
  float pixels, score;
};
Difference difference(const Detected& a, const Detected& b) {
  return {std::max({std::abs(a.x1 - b.x1), std::abs(a.y1 - b.y1), std::abs(a.x2 - b.x2), std::abs(a.y2 - b.y2)}),
          std::abs(a.score - b.score)};
}

// Pairs each detection with the nearest one that is like it and has no pair yet.
void compare(const std::vector<Detected>& own, std::vector<Detected> other, Verification& verification) {
  verification.own += own.size();
  verification.other += other.size();
  for (const Detected& one : own) {
    auto nearest = other.end();
    Difference least{};
    for (auto like = other.begin(); like != other.end(); ++like) {
      const Difference apart = difference(one, *like);
      if (like->label != one.label || apart.pixels > kSamePixels || apart.score > kSameScore) continue;
      if (nearest != other.end() && apart.pixels >= least.pixels) continue;
      nearest = like;
      least = apart;
    }
    if (nearest == other.end()) continue;
    ++verification.agreeing;
    verification.pixels = std::max<double>(verification.pixels, least.pixels);
    verification.score = std::max<double>(verification.score, least.score);
    other.erase(nearest);
  }
}

}  // namespace

void check_verified_tail(const ExportOptions& exported) {
  if (exported.tail == ExportTail::EfficientNms)
    throw Error(ErrorKind::Usage,
                "a model that ends in TensorRT's plugin runs in TensorRT alone, and cannot be "
                "verified here: verify one with another tail");
}

Verification verify(ModelFile& file, const ExportOptions& exported, const RuntimeProcess& runtime,
                    const Dataset& dataset, const std::vector<Category>& categories, BadFiles& bad_files,
                    const std::function<void(size_t)>& progress) {
  const Unbroken until_images_are_compared;
  Verification verification{.runtime = runtime.name()};
  SideBySide side_by_side(file, exported, runtime);
  Loader loader(dataset, file.config.input, {.batch = 1, .training = false}, bad_files);
  std::vector<Detection> own, other;
  std::vector<LoadedImage> images;
  const auto run = [&] {
    const SideBySide::Both both = side_by_side.detect(images);
    for (size_t n = 0; n < images.size(); ++n) {
      compare(both.own[n], both.other[n], verification);
      const float y = both.scale[2 * n], x = both.scale[2 * n + 1];
      const auto keep = [&](const std::vector<Detected>& found, std::vector<Detection>& all) {
        for (const auto& [x1, y1, x2, y2, score, label] : found)
          all.push_back(coco_detection(images[n].sample->id, categories.at(static_cast<size_t>(label)).id,
                                       {x1 * x, y1 * y, x2 * x, y2 * y, score, label}));
      };
      keep(both.own[n], own);
      keep(both.other[n], other);
    }
    verification.images += images.size();
    images.clear();
    if (progress) progress(verification.images);
  };
  const size_t batch = exported.batch == 0 ? kAnyBatch : static_cast<size_t>(exported.batch);
  for (auto loaded = loader.next(); !loaded.empty(); loaded = loader.next()) {
    if (stop_requested)
      throw Error(
          ErrorKind::Interrupted,
          fmt::format("interrupted after {} images: the model is written, and not verified", verification.images));
    LoadedImage& image = images.emplace_back(std::move(loaded[0]));
    image.size = exported.filled ? exported.size : fitted(image.size, exported.size);
    if (images.size() == batch) run();
  }
  if (!images.empty()) run();
  const auto truth = ground_truth(dataset);
  verification.own_ap = coco_metrics(dataset.categories, truth, own).values[Ap];
  verification.other_ap = coco_metrics(dataset.categories, truth, other).values[Ap];
  return verification;
}

std::string Verification::text() const {
  std::string text = fmt::format(
      "{}, {} images: {:.2f} % of {} detections agree (same class, within {} px and {}); the largest differences of "
      "these are {:.2g} px and {:.2g}",
      runtime, images, 100 * agreement(), (own + other) / 2, kSamePixels, kSameScore, pixels, score);
  if (own_ap != no_ground_truth) text += fmt::format("; AP {:.4f}, and Fovea's is {:.4f}", other_ap, own_ap);
  return text;
}

void require_same(const Verification& verification, ExportPrecision precision) {
  if (verification.own == 0 && verification.other == 0)
    throw Error(ErrorKind::Runtime,
                "neither the exported model nor Fovea finds anything in these images, so nothing was compared: choose "
                "others, or a lower model.detect.score_threshold");
  const double apart = std::abs(verification.own_ap - verification.other_ap);
  if (precision == ExportPrecision::Fp32 && verification.agreement() < kLeastAgreement)
    throw Error(ErrorKind::Runtime,
                fmt::format("the exported model finds something else than Fovea: less than {} % of the detections "
                            "agree",
                            100 * kLeastAgreement));
  if (apart > kMostApart)
    throw Error(ErrorKind::Runtime,
                fmt::format("the exported model is not as good as Fovea, or better: their APs are {:.4f} apart, more "
                            "than {}",
                            apart, kMostApart));
}

}  // namespace fovea

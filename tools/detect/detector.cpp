#include "tools/detect/detector.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <iterator>
#include <utility>

#include "kernels/notice.h"
#include "tools/data/loading/image_source.h"

namespace fovea {

namespace {
constexpr size_t kRecordedShapes = 40;  // whose recordings are kept: COCO's images have some thirty
}

LoadedImage as_loaded(const DecodedImage& decoded, std::shared_ptr<const Image> pixels, const InputConfig& input) {
  LoadedImage loaded;
  loaded.image = std::move(pixels);
  loaded.full = {decoded.full_height, decoded.full_width};
  loaded.divisor = decoded.divisor;
  loaded.size = resized(loaded.full, input.short_side.back(), input.long_side);
  return loaded;
}

LoadedImage as_loaded(const PixelView& pixels, const InputConfig& input) {
  LoadedImage loaded;
  loaded.borrowed = pixels;
  loaded.full = {pixels.height, pixels.width};
  loaded.size = resized(loaded.full, input.short_side.back(), input.long_side);
  return loaded;
}

LoadedImage load_image(const std::filesystem::path& path, const InputConfig& input) {
  DecodedImage decoded = read_image_file(path, image_options(input));
  auto pixels = std::make_shared<const Image>(std::move(decoded.image));
  return as_loaded(decoded, std::move(pixels), input);
}

int suitable_batch(DeviceKind device) { return device == DeviceKind::Cuda ? 8 : 1; }

struct Detector::Report {
  Report(DeviceKind device, size_t bytes) : memory(device, bytes), written(device) {}
  HostBuffer<std::byte> memory;
  Event written;
};

Detector::Detector(RetinaNet& model, const InputConfig& input, int batch, size_t most_waiting)
    : model_(model),
      input_(input),
      batch_(static_cast<size_t>(batch > 0 ? batch : suitable_batch(model.context().queue.device()))),
      most_waiting_(most_waiting),
      pixels_(model.context()),
      shapes_(kRecordedShapes) {}

Detector::~Detector() = default;

std::vector<Detector::Found> Detector::add(LoadedImage image) {
  const BatchShape shape = shape_of({image}, input_, /*with_boxes=*/false);
  bytes_waiting_ += image.pixels().host_bytes();
  auto& group = waiting_[shape];
  group.push_back({added_++, std::move(image), {}});
  if (group.size() >= batch_)
    run(shape, taken(shape));
  else if (bytes_waiting_ > most_waiting_)
    run_largest();
  return std::exchange(done_, {});
}

std::vector<Detector::Found> Detector::finish() {
  while (!waiting_.empty()) run_largest();
  collect(0);
  return std::exchange(done_, {});
}

std::vector<Detector::Found> Detector::taken(const BatchShape& shape) {
  std::vector<Found> images = std::move(waiting_.extract(shape).mapped());
  for (const Found& one : images) bytes_waiting_ -= one.image.pixels().host_bytes();
  return images;
}

void Detector::run_largest() {
  const auto largest = std::max_element(waiting_.begin(), waiting_.end(),
                                        [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
  const BatchShape shape = largest->first;
  run(shape, taken(shape));
}

void Detector::run(const BatchShape& of_one, std::vector<Found> images) {
  std::vector<LoadedImage> loaded;
  for (const Found& one : images) loaded.push_back(one.image);
  BatchShape shape = of_one;
  shape.images = places_for(images.size(), of_one);
  Report* report = nullptr;
  try {
    report = enqueue(shape, loaded);
  } catch (const DeviceError&) {
    throw;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::OutOfMemory || images.size() == 1) throw;
  }
  if (report == nullptr) return run_in_halves(of_one, std::move(images));
  under_way_.push_back({std::move(images), static_cast<size_t>(shape.images), report});
  collect(model_.context().queue.on_cuda() ? 1 : 0);
}

// They did not fit into the memory.
void Detector::run_in_halves(const BatchShape& of_one, std::vector<Found> images) {
  const size_t half = (images.size() + 1) / 2;
  notice(fmt::format("a batch of {} images of {} x {} does not fit into memory: using batches of {} from now on",
                     images.size(), of_one.height, of_one.width, half));
  batch_ = std::min(batch_, half);
  pixels_.used();
  collect(0);
  const auto middle = images.begin() + static_cast<int64_t>(half);
  std::vector<Found> second(std::make_move_iterator(middle), std::make_move_iterator(images.end()));
  images.erase(middle, images.end());
  run(of_one, std::move(images));
  run(of_one, std::move(second));
}

// Places of a batch. On a GPU each number of them has its own plans and recording, which take longer to make than
// padding takes to compute: a batch that is not full gets as many as one that was, or a power of two.
int Detector::places_for(size_t images, BatchShape shape) const {
  if (!model_.context().queue.on_cuda()) return static_cast<int>(images);
  shape.images = static_cast<int>(batch_);
  return shapes_.holds(shape) ? shape.images : static_cast<int>(std::min(batch_, std::bit_ceil(images)));
}

Detector::Report* Detector::enqueue(const BatchShape& shape, const std::vector<LoadedImage>& images) {
  Context& context = model_.context();
  OfShape& step = shapes_.at(shape, [&] { return OfShape{.input = BatchInput(context, shape, input_)}; });
  step.input.load(images, pixels_.upload(images));
  const auto body = [&] {
    Tape tape(context, /*training=*/false);
    const DeviceBatch batch = step.input.prepare();
    step.found = model_.detect(model_.forward(tape, batch.images), batch.size, batch.image_sizes, batch.image_scale);
  };
  // Forms derived from the weights are made where these have changed, and a recording takes them as made.
  if (revision_ != model_.parameters().revision())
    context.queue.warm_up(body);
  else
    step.work.run(context, body);
  pixels_.used();
  revision_ = model_.parameters().revision();
  return read_back(step.found);
}

Detector::Report* Detector::read_back(const DeviceDetections& found) {
  Queue& queue = model_.context().queue;
  require(under_way_.size() < std::size(reports_), "two batches were enqueued before the first was read");
  auto& report = reports_[enqueued_++ % std::size(reports_)];
  if (!report || report->memory.bytes() < found.all.bytes())
    report = std::make_unique<Report>(queue.device(), found.all.bytes());
  queue.copy(report->memory.data(), found.all.raw(), found.all.bytes());
  report->written.record(queue);
  return report.get();
}

// Reads batches, the oldest first, until no more than `running` are under way. Waits for each alone.
void Detector::collect(size_t running) {
  const auto limit = static_cast<size_t>(model_.config().detect.per_image);
  for (; under_way_.size() > running; under_way_.pop_front()) {
    UnderWay& batch = under_way_.front();
    batch.report->written.synchronize("reading what was found in a batch");
    auto boxes = detections_in(batch.report->memory.data(), batch.places, limit);
    for (size_t n = 0; n < batch.images.size(); ++n) {
      batch.images[n].boxes = std::move(boxes[n]);
      done_.push_back(std::move(batch.images[n]));
    }
  }
}

}  // namespace fovea

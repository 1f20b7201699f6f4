#include "tools/detect/picture_queue.h"

#include <chrono>

#include "kernels/error.h"
#include "tools/text/file.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

constexpr int kJpegQuality = 90;

PictureQueue::Drawn draw(const PictureQueue::Job& job, int64_t max_pixels) {
  PictureQueue::Drawn drawn{.number = job.number, .fault = "", .small = {}};
  try {
    std::shared_ptr<Image> pixels = job.pixels;
    if (!pixels) pixels = std::make_shared<Image>(read_image(job.file, {.pixels = max_pixels}));
    draw_boxes(*pixels, job.boxes);
    make_folder(job.picture.parent_path());
    if (job.picture.extension() == ".png")
      write_png(job.picture, *pixels, kPictureMark);
    else
      write_jpeg(job.picture, *pixels, kJpegQuality, kPictureMark);
    if (job.small.width > 0) drawn.small = fitted(*pixels, job.small);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::Data) throw;
    drawn.fault = error.what();
  }
  return drawn;
}

}  // namespace

std::vector<PictureQueue::Drawn> PictureQueue::add(Job job) {
  const size_t bytes = job.pixels ? job.pixels->rgb.size() : 0, most = 4 * static_cast<size_t>(pool_.threads());
  std::vector<Drawn> drawn;
  while (!tasks_.empty() && (bytes_ + bytes > most_bytes_ || tasks_.size() >= most)) take(tasks_.begin(), drawn);
  bytes_ += bytes;
  tasks_.push_back({bytes, pool_.submit([job = std::move(job), pixels = max_pixels_] { return draw(job, pixels); })});
  for (auto task = tasks_.begin(); task != tasks_.end();) {
    const bool ready = task->result.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
    if (!ready) {
      ++task;
      continue;
    }
    const auto place = task - tasks_.begin();
    take(task, drawn);
    task = tasks_.begin() + place;
  }
  return drawn;
}

std::vector<PictureQueue::Drawn> PictureQueue::finish() {
  std::vector<Drawn> drawn;
  while (!tasks_.empty()) take(tasks_.begin(), drawn);
  return drawn;
}

void PictureQueue::take(const std::deque<Task>::iterator& task, std::vector<Drawn>& drawn) {
  drawn.push_back(task->result.get());
  bytes_ -= task->bytes;
  tasks_.erase(task);
}

void write_sheet(const fs::path& file, const Image& sheet) { write_png(file, sheet, kPictureMark); }

}  // namespace fovea

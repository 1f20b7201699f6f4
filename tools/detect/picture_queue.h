// Pictures of what was found, drawn and written by several threads, in bounded memory.
#pragma once
#include <deque>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "tools/detect/worker_pool.h"
#include "tools/image/image_file.h"
#include "tools/report/pictures.h"

namespace fovea {

class PictureQueue {
 public:
  struct Job {
    size_t number;                        // the caller's, of the image
    std::filesystem::path file, picture;  // to write a .jpg or .png
    std::shared_ptr<Image> pixels;        // of the file, at its full size, to be drawn on; none: they are read
    std::vector<LabeledBox> boxes;
    Size2d small{};  // a copy that fits into so many pixels is wanted
  };
  struct Drawn {
    size_t number;
    std::string fault;  // why there is no picture, where that is a fault of the file
    Image small;
  };

  // The pool outlives this. `most_bytes`: of pixels that wait to be drawn on; one waits whatever it takes.
  static constexpr size_t kMostBytes = size_t{256} << 20;
  explicit PictureQueue(WorkerPool& pool, int64_t max_pixels, size_t most_bytes = kMostBytes)
      : pool_(pool), max_pixels_(max_pixels), most_bytes_(most_bytes) {}

  // Waits where too much waits already. Returns what was drawn by now, in whatever order. Throws where a picture cannot
  // be written.
  std::vector<Drawn> add(Job job);
  // The rest.
  std::vector<Drawn> finish();

 private:
  struct Task {
    size_t bytes;
    std::future<Drawn> result;
  };
  void take(const std::deque<Task>::iterator& task, std::vector<Drawn>& drawn);

  WorkerPool& pool_;
  int64_t max_pixels_;
  size_t most_bytes_, bytes_ = 0;
  std::deque<Task> tasks_;
};

// In the head of each picture that PictureQueue or write_sheet() has written.
inline constexpr const char* kPictureMark = "Detections drawn by Fovea";
// A contact sheet, marked as the pictures are.
void write_sheet(const std::filesystem::path& file, const Image& sheet);

}  // namespace fovea

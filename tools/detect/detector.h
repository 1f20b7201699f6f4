// From loaded images to boxes: preprocessing, network and suppression of several images of one padded shape at once, as
// one recorded step for each shape. What was found is read a batch late, so that the device works while the host loads
// images and uses what is there.
#pragma once
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <vector>

#include "engine/repeated_work.h"
#include "model/retinanet.h"
#include "tools/data/loading/batch.h"
#include "tools/data/loading/pixels.h"

namespace fovea {

// Images at once, where nobody says how many: as many as keep the device busy.
int suitable_batch(DeviceKind device);

// A decoded image, of which `pixels` are the pixels, as the detector takes it; one of somebody else's pixels, which
// stay until the detector has given it back; and one of a file. Throws Error(Data) where it cannot be read.
LoadedImage as_loaded(const DecodedImage& decoded, std::shared_ptr<const Image> pixels, const InputConfig& input);
LoadedImage as_loaded(const PixelView& pixels, const InputConfig& input);
LoadedImage load_image(const std::filesystem::path& path, const InputConfig& input);

class Detector {
 public:
  // `batch`: images at once, 0: what suits the device. Images wait until so many of their shape are there, or until all
  // that wait have `most_waiting` bytes.
  static constexpr size_t kMostWaiting = size_t{256} << 20;
  Detector(RetinaNet& model, const InputConfig& input, int batch = 0, size_t most_waiting = kMostWaiting);
  ~Detector();

  struct Found {
    size_t number;  // of the image: that many were added before it
    LoadedImage image;
    std::vector<Detected> boxes;  // in pixels of the original
  };
  // Takes an image; returns what was found by now, of whichever images.
  std::vector<Found> add(LoadedImage image);
  // Runs what waits, and returns the rest.
  std::vector<Found> finish();

 private:
  struct OfShape {
    BatchInput input;
    RepeatedWork work{};
    DeviceDetections found;
  };
  struct Report;  // a batch's detections, on their way to the host
  struct UnderWay {
    std::vector<Found> images;
    size_t places;
    Report* report;
  };

  std::vector<Found> taken(const BatchShape& shape);
  void run_largest();
  void run(const BatchShape& of_one, std::vector<Found> images);
  void run_in_halves(const BatchShape& of_one, std::vector<Found> images);
  int places_for(size_t images, BatchShape shape) const;
  Report* enqueue(const BatchShape& shape, const std::vector<LoadedImage>& images);
  Report* read_back(const DeviceDetections& found);
  void collect(size_t running);

  RetinaNet& model_;
  InputConfig input_;
  size_t batch_, most_waiting_;
  PixelStaging pixels_;
  RecentlyUsed<BatchShape, OfShape> shapes_;
  uint64_t revision_ = 0;  // of the weights, when the network last ran as it is
  size_t added_ = 0, bytes_waiting_ = 0;
  std::map<BatchShape, std::vector<Found>> waiting_;  // by the shape of one image
  std::deque<UnderWay> under_way_;
  std::unique_ptr<Report> reports_[2];
  size_t enqueued_ = 0;
  std::vector<Found> done_;
};

}  // namespace fovea

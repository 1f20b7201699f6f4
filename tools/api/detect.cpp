// The C API's detection, and its results.
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernels/error.h"
#include "tools/api/images.h"
#include "tools/api/model_handle.h"
#include "tools/api/requests.h"
#include "tools/api/structs.h"

namespace fovea::api {

struct Result {
  static constexpr uint64_t kMark = 0xf0fea00000000002;
  struct OfImage {
    std::vector<fovea_detection> detections;
    Size2d size{};
    Failure failure;
  };
  std::vector<OfImage> images;
};

}  // namespace fovea::api

struct fovea_result : fovea::api::Handle<fovea::api::Result> {
  using Handle::Handle;
};

using namespace fovea;
using namespace fovea::api;

namespace {

constexpr size_t kMostImages = size_t{1} << 28;  // of a call: more than any memory holds
constexpr size_t kFirstImageResult = 48;         // the size in version 0.1
static_assert(sizeof(void*) != 8 || sizeof(fovea_image_result) == kFirstImageResult);
static_assert(sizeof(fovea_detection) == 24);

// One call: its images are loaded in the calling thread, and go to the model in portions while the next are loaded.
class Call {
 public:
  Call(Executor& executor, const fovea_detect_options* options, size_t count)
      : executor_(executor), request_(detect_request(executor.facts(), options)), result_(std::make_unique<Result>()) {
    // On a GPU enough for several batches, each of one shape; one by one where that is how they are computed.
    const auto batch = static_cast<size_t>(executor.facts().batch);
    portion_ = batch == 1 ? 1 : kBatchesOfPortion * batch;
    result_->images.resize(count);
  }

  // The next image. `load` gives it, or throws what is wrong with it.
  template <class Load>
  void add(size_t image, const Load& load) {
    tell();
    try {
      loaded_.push_back(load());
    } catch (const Error& error) {
      if (!request_.skip_bad_images || error.kind() != ErrorKind::Data) throw;
      result_->images[image].failure = current_failure();
      ++done_;
      return;
    }
    result_->images[image].size = loaded_.back().full;
    places_.push_back(image);
    if (places_.size() == portion_) start();
  }

  // The images may be the caller's, who gets them back with whatever error comes.
  ~Call() {
    for (const Portion& portion : under_way_) executor_.wait_for_end(portion.job);
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  std::unique_ptr<Result> finish() {
    if (!places_.empty()) start();
    while (!under_way_.empty()) collect();
    return std::move(result_);
  }

 private:
  static constexpr size_t kBatchesOfPortion = 8, kMostUnderWay = 2;
  struct Portion {
    std::shared_ptr<Executor::Job> job;
    std::vector<size_t> places;
  };

  void tell() const {
    const size_t count = result_->images.size();
    if (request_.callback != nullptr && request_.callback(done_, count, request_.user) != 0)
      throw Refused(FOVEA_ERROR_INTERRUPTED,
                    fmt::format("the callback ended the call, with {} of {} images done", done_, count));
  }

  void start() {
    if (under_way_.size() == kMostUnderWay) collect();
    under_way_.push_back({executor_.start(std::exchange(loaded_, {})), std::exchange(places_, {})});
  }

  void collect() {
    const Portion& portion = under_way_.front();
    const auto found = executor_.wait(portion.job);
    for (size_t i = 0; i < found.size(); ++i) result_->images[portion.places[i]].detections = request_.taken(found[i]);
    done_ += found.size();
    under_way_.pop_front();
    tell();
  }

  Executor& executor_;
  DetectRequest request_;
  std::unique_ptr<Result> result_;
  size_t portion_ = 1, done_ = 0;
  std::vector<LoadedImage> loaded_;
  std::vector<size_t> places_;  // of these among the call's images
  std::deque<Portion> under_way_;
};

// `load(image, name, model)` gives each.
template <class Load>
fovea_status detect_images(fovea_model* model, const void* images, const char* name, size_t count,
                           const fovea_detect_options* options, fovea_result** result, const Load& load) {
  return guarded([&] {
    Executor& executor = *contents_of(model, "model").executor;
    if (images == nullptr && count > 0) bad_argument(std::string(name) + " is NULL");
    if (result == nullptr) bad_argument("result is NULL");
    if (count > kMostImages) bad_argument(fmt::format("count is {}: expected at most {}", count, kMostImages));
    Call call(executor, options, count);
    for (size_t image = 0; image < count; ++image)
      call.add(image, [&] { return load(image, fmt::format("{}[{}]", name, image), executor.facts()); });
    auto contents = call.finish();
    *result = new fovea_result(std::move(contents));
  });
}

const Result::OfImage& image_of(const fovea_result* result, size_t image) {
  const auto& images = contents_of(result, "result").images;
  if (image >= images.size()) bad_argument(fmt::format("image is {}: the result has {} images", image, images.size()));
  return images[image];
}

}  // namespace

fovea_status fovea_detect_pixels(fovea_model* model, const fovea_pixels* images, size_t count,
                                 const fovea_detect_options* options, fovea_result** result) {
  return detect_images(model, images, "images", count, options, result,
                       [&](size_t image, const std::string& name, const ModelFacts& facts) {
                         return load_pixels(pixels_at(images, image), name, facts);
                       });
}

fovea_status fovea_detect_encoded(fovea_model* model, const fovea_encoded* images, size_t count,
                                  const fovea_detect_options* options, fovea_result** result) {
  return detect_images(model, images, "images", count, options, result,
                       [&](size_t image, const std::string& name, const ModelFacts& facts) {
                         return load_encoded(images[image], name, facts.config.input);
                       });
}

fovea_status fovea_detect_files(fovea_model* model, const char* const* paths, size_t count,
                                const fovea_detect_options* options, fovea_result** result) {
  return detect_images(model, paths, "paths", count, options, result,
                       [&](size_t image, const std::string& name, const ModelFacts& facts) {
                         return load_file(paths[image], name, facts.config.input);
                       });
}

size_t fovea_result_image_count(const fovea_result* result) {
  size_t count = 0;
  guarded([&] {
    if (result != nullptr) count = contents_of(result, "result").images.size();
  });
  return count;
}

fovea_status fovea_result_get_image(const fovea_result* result, size_t image, fovea_image_result* found) {
  return guarded([&] {
    const Result::OfImage& of = image_of(result, image);
    if (found == nullptr) bad_argument("found is NULL");
    write_struct(*found,
                 {.size = sizeof(fovea_image_result),
                  .detections = of.detections.data(),
                  .count = of.detections.size(),
                  .width = of.size.width,
                  .height = of.size.height,
                  .status = of.failure.status,
                  .reserved = 0,
                  .message = of.failure.message.c_str()},
                 kFirstImageResult, "found", "fovea_image_result");
  });
}

fovea_status fovea_result_copy(const fovea_result* result, size_t image, fovea_detection* detections, size_t capacity,
                               size_t* count) {
  return guarded([&] {
    const auto& found = image_of(result, image).detections;
    if (detections == nullptr && capacity > 0) bad_argument("detections is NULL, and capacity is not 0");
    std::copy_n(found.begin(), std::min(capacity, found.size()), detections);
    if (count != nullptr) *count = found.size();
  });
}

fovea_status fovea_result_free(fovea_result* result) {
  return guarded([&] { free_handle(result, "result"); });
}

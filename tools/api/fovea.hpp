// Fovea in C++20: load a detector, and find objects in images.
//
//     fovea::Detector detector("best.safetensors");
//     for (const auto& d : detector.file("photo.jpg"))
//       std::cout << d.name << ' ' << d.score << '\n';
//
// All of it is inline, over the C API (fovea.h): nothing of a C++ compiler, its library or its flags crosses into
// libfovea.so, which so serves programs made by any compiler, and newer versions of it those that were made before.
// Threads, versions and what options mean: fovea.h. Every function throws fovea::Error; std::bad_alloc besides.
#ifndef FOVEA_FOVEA_HPP
#define FOVEA_FOVEA_HPP

#if __cplusplus < 202002L && !(defined(_MSVC_LANG) && _MSVC_LANG >= 202002L)
#error "fovea.hpp needs C++20; fovea.h is plain C"
#endif

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fovea.h"

// The names of two versions, in one program, are different ones for the linker; and so are these and Fovea's own.
namespace fovea {
inline namespace api_0 {

enum class Status : std::int32_t {
  Ok = FOVEA_OK,
  Runtime = FOVEA_ERROR_RUNTIME,
  Usage = FOVEA_ERROR_USAGE,
  Data = FOVEA_ERROR_DATA,
  Diverged = FOVEA_ERROR_DIVERGED,
  Memory = FOVEA_ERROR_MEMORY,
  Unsupported = FOVEA_ERROR_UNSUPPORTED,
  Interrupted = FOVEA_ERROR_INTERRUPTED
};

// what(): one line that says what is wrong, where, and what to do.
class Error : public std::runtime_error {
 public:
  Error(Status status, const std::string& message) : std::runtime_error(message), status_(status) {}
  Status status() const noexcept { return status_; }

 private:
  Status status_;
};

namespace detail {

inline void check(fovea_status status) {
  if (status != FOVEA_OK) throw Error(static_cast<Status>(status), fovea_error_message());
}

// Valid as long as the strings.
inline std::vector<const char*> pointers(const std::vector<std::string>& strings) {
  std::vector<const char*> pointers;
  for (const std::string& string : strings) pointers.push_back(string.c_str());
  return pointers;
}

// A path, or another text that has no zero byte in it, where the C API would see its end.
inline const std::string& whole(const std::string& text, const char* name) {
  if (text.find('\0') != std::string::npos)
    throw Error(Status::Usage, std::string(name) + " has a zero byte in it: " + text.c_str());
  return text;
}

// Stands behind a callback of the C API: asks go_on, and keeps what that throws until the call is over.
template <class... Arguments>
class Listener {
 public:
  explicit Listener(const std::function<bool(Arguments...)>& go_on) : go_on_(go_on) {}

  std::int32_t hear(Arguments... arguments) noexcept {
    if (fault_) return 1;
    try {
      return go_on_(arguments...) ? 0 : 1;
    } catch (...) {
      fault_ = std::current_exception();
      return 1;
    }
  }

  void check(fovea_status status) const {
    if (fault_) std::rethrow_exception(fault_);
    detail::check(status);
  }

 private:
  const std::function<bool(Arguments...)>& go_on_;
  std::exception_ptr fault_{};
};

}  // namespace detail

// Of the library that runs; FOVEA_VERSION is the headers'.
inline std::string_view version() noexcept { return fovea_version(); }

enum class Device : std::int32_t { Auto = FOVEA_DEVICE_AUTO, Cpu = FOVEA_DEVICE_CPU, Cuda = FOVEA_DEVICE_CUDA };
enum class Precision : std::int32_t {
  Auto = FOVEA_PRECISION_AUTO,
  F32 = FOVEA_PRECISION_F32,
  TF32 = FOVEA_PRECISION_TF32,
  BF16 = FOVEA_PRECISION_BF16
};
enum class Format : std::int32_t {
  RGB = FOVEA_PIXELS_RGB,
  BGR = FOVEA_PIXELS_BGR,
  RGBA = FOVEA_PIXELS_RGBA,
  BGRA = FOVEA_PIXELS_BGRA,
  Gray = FOVEA_PIXELS_GRAY
};

enum class LogLevel : std::int32_t { Info = FOVEA_LOG_INFO, Warning = FOVEA_LOG_WARNING };
// As fovea_log_function; the program ends where it throws.
using Log = std::function<void(LogLevel level, std::string_view message)>;

// How to load a model; 0 and empty: as the file says (fovea_model_options).
struct ModelOptions {
  Device device = Device::Auto;
  Precision precision = Precision::Auto;
  int gpu = 0, threads = 0, batch = 0, max_detections = 0;
  double score_threshold = 0, nms_threshold = 0;
  std::string state_dict{};             // {}: no compiler then warns of members that are left out
  std::vector<std::string> settings{};  // "input.short_side=[640]"
  Log log{};                            // what the model has to say and is no error; {}: on stderr
};

// What one call wants; 0 and empty: all that the model finds (fovea_detect_options).
struct DetectOptions {
  double score_threshold = 0;
  int max_detections = 0;
  bool skip_bad_images = false;
  std::vector<float> class_thresholds{};  // one a label, 0: score_threshold
  // Told in the thread that calls how many of its images are done; false ends the call with Error(Interrupted).
  std::function<bool(std::size_t done, std::size_t count)> go_on{};
};

enum class Memory : std::int32_t { Host = FOVEA_MEMORY_HOST, Cuda = FOVEA_MEMORY_CUDA };

// An upright image of 8-bit values in memory: a view.
struct Pixels {
  std::span<const std::uint8_t> data{};  // [height][width][bytes of a pixel]
  int width = 0, height = 0;             // in pixels
  Format format = Format::RGB;
  std::ptrdiff_t row_stride = 0;  // bytes from one row to the next; 0: rows lie without gaps
  Memory memory = Memory::Host;   // Cuda: of the GPU that the detector is on
  void* stream = nullptr;         // then: the cudaStream_t whose work so far writes the pixels
};

struct Detection {
  float x1, y1, x2, y2;   // left, upper, right and lower edge, in pixels of the upright image
  float score;            // 0 to 1
  int label;              // of the class, from 0
  std::string_view name;  // of the class; valid as long as the detector
};

// What was found in an image: a range of detections, by falling score.
struct Found {
  std::vector<Detection> detections;
  int width = 0, height = 0;  // of the upright image; 0 where it could not be read
  Status status = Status::Ok;
  std::string message;  // with DetectOptions::skip_bad_images: why there is nothing

  auto begin() const noexcept { return detections.begin(); }
  auto end() const noexcept { return detections.end(); }
  std::size_t size() const noexcept { return detections.size(); }
  bool empty() const noexcept { return detections.empty(); }
  const Detection& operator[](std::size_t i) const { return detections[i]; }
};

struct ClassName {
  std::int64_t id;  // the dataset's
  std::string_view name;
};

// A model. Moved, not copied; any number of threads may detect with one.
class Detector {
 public:
  explicit Detector(const std::filesystem::path& path, const ModelOptions& options = {}) {
    fovea_model_options c;
    fovea_model_options_init(&c);
    c.device = static_cast<std::int32_t>(options.device);
    c.precision = static_cast<std::int32_t>(options.precision);
    c.gpu = options.gpu;
    c.threads = options.threads;
    c.batch = options.batch;
    c.max_detections = options.max_detections;
    c.score_threshold = options.score_threshold;
    c.nms_threshold = options.nms_threshold;
    c.state_dict = options.state_dict.empty() ? nullptr : options.state_dict.c_str();
    const auto settings = detail::pointers(options.settings);
    c.settings = settings.data();
    c.setting_count = settings.size();
    std::unique_ptr<Log> of_model;
    if (options.log) {
      of_model = std::make_unique<Log>(options.log);
      c.log = [](std::int32_t level, const char* message, void* log) noexcept {
        (*static_cast<Log*>(log))(static_cast<LogLevel>(level), message);
      };
      c.log_user = of_model.get();
    }
    fovea_model* model = nullptr;
    detail::check(fovea_model_load(detail::whole(path.native(), "path").c_str(), &c, &model));
    model_ = {model, FreeModel{std::move(of_model)}};
    fovea_model_info_init(&info_);
    detail::check(fovea_model_get_info(model, &info_));
    for (std::int32_t label = 0; label < info_.classes; ++label) {
      ClassName of_label{};
      const char* name = nullptr;
      detail::check(fovea_model_get_class(model, label, &of_label.id, &name));
      of_label.name = name;
      classes_.push_back(of_label);
    }
  }

  const fovea_model_info& info() const noexcept { return info_; }
  // One a label; names are valid as long as the detector, as those of what is found: so a temporary one cannot be
  // asked.
  std::span<const ClassName> classes() const& noexcept { return classes_; }
  std::span<const ClassName> classes() const&& = delete;

  // What is found in an image in memory, or in each of several, of any sizes.
  Found operator()(const Pixels& image, const DetectOptions& options = {}) const& {
    return std::move((*this)(std::span(&image, 1), options).front());
  }
  std::vector<Found> operator()(std::span<const Pixels> images, const DetectOptions& options = {}) const& {
    std::vector<fovea_pixels> c;
    for (const Pixels& image : images) c.push_back(in_c(image, c.size()));
    return detect(fovea_detect_pixels, c, options);
  }
  Found operator()(const Pixels& image, const DetectOptions& options = {}) const&& = delete;
  std::vector<Found> operator()(std::span<const Pixels> images, const DetectOptions& options = {}) const&& = delete;

  // In an image file.
  Found file(const std::filesystem::path& path, const DetectOptions& options = {}) const& {
    return std::move(files(std::span(&path, 1), options).front());
  }
  std::vector<Found> files(std::span<const std::filesystem::path> paths, const DetectOptions& options = {}) const& {
    std::vector<std::string> names;
    for (const std::filesystem::path& path : paths) names.push_back(path.string());
    std::vector<const char*> c;
    for (const std::string& name : names)
      c.push_back(detail::whole(name, ("paths[" + std::to_string(c.size()) + "]").c_str()).c_str());
    return detect(fovea_detect_files, c, options);
  }
  Found file(const std::filesystem::path& path, const DetectOptions& options = {}) const&& = delete;
  std::vector<Found> files(std::span<const std::filesystem::path> paths,
                           const DetectOptions& options = {}) const&& = delete;

  // In an image file that is in memory.
  Found encoded(std::span<const std::uint8_t> bytes, const DetectOptions& options = {}) const& {
    const std::vector<fovea_encoded> c{{bytes.data(), bytes.size()}};
    return std::move(detect(fovea_detect_encoded, c, options).front());
  }
  Found encoded(std::span<const std::uint8_t> bytes, const DetectOptions& options = {}) const&& = delete;

  // For the C API; the detector's.
  fovea_model* handle() const noexcept { return model_.get(); }

 private:
  struct FreeModel {
    std::unique_ptr<Log> log;  // which the model calls as long as there is one
    void operator()(fovea_model* model) const noexcept { fovea_model_free(model); }
  };
  struct FreeResult {
    void operator()(fovea_result* result) const noexcept { fovea_result_free(result); }
  };

  // Refuses a view that does not hold the image, which the C API cannot see.
  static fovea_pixels in_c(const Pixels& image, std::size_t number) {
    fovea_pixels c;
    fovea_pixels_init(&c);
    c.data = image.data.data();
    c.width = image.width;
    c.height = image.height;
    c.row_stride = image.row_stride;
    c.format = static_cast<std::int32_t>(image.format);
    c.memory = static_cast<std::int32_t>(image.memory);
    c.stream = image.stream;
    if (c.width < 1 || c.height < 1 || c.row_stride < 0) return c;  // the C API says so
    const bool gray = image.format == Format::Gray, three = image.format == Format::RGB || image.format == Format::BGR;
    const auto row = static_cast<std::size_t>(c.width) * (gray ? 1 : three ? 3 : 4);
    const auto stride = c.row_stride == 0 ? row : static_cast<std::size_t>(c.row_stride);
    const auto rows = static_cast<std::size_t>(c.height);
    const bool fits = image.data.size() >= row && (image.data.size() - row) / stride >= rows - 1;
    if (!fits)
      throw Error(Status::Usage, "images[" + std::to_string(number) + "].data has " +
                                     std::to_string(image.data.size()) + " bytes, fewer than its rows");
    return c;
  }

  template <class Function, class Image>
  std::vector<Found> detect(Function* function, const std::vector<Image>& images, const DetectOptions& options) const {
    fovea_detect_options c;
    fovea_detect_options_init(&c);
    c.score_threshold = options.score_threshold;
    c.max_detections = options.max_detections;
    c.skip_bad_images = options.skip_bad_images ? 1 : 0;
    c.class_thresholds = options.class_thresholds.empty() ? nullptr : options.class_thresholds.data();
    c.class_threshold_count = options.class_thresholds.size();
    detail::Listener<std::size_t, std::size_t> listener(options.go_on);
    c.user = &listener;
    if (options.go_on) {
      c.callback = [](std::size_t done, std::size_t count, void* user) noexcept {
        return static_cast<decltype(listener)*>(user)->hear(done, count);
      };
    }
    fovea_result* made = nullptr;
    listener.check(function(model_.get(), images.data(), images.size(), &c, &made));
    const std::unique_ptr<fovea_result, FreeResult> result(made);
    std::vector<Found> found(images.size());
    for (std::size_t i = 0; i < found.size(); ++i) take(*result, i, found[i]);
    return found;
  }

  void take(const fovea_result& result, std::size_t number, Found& found) const {
    fovea_image_result image;
    fovea_image_result_init(&image);
    detail::check(fovea_result_get_image(&result, number, &image));
    found.width = image.width;
    found.height = image.height;
    found.status = static_cast<Status>(image.status);
    found.message = image.message;
    found.detections.reserve(image.count);
    for (const fovea_detection& d : std::span(image.detections, image.count))
      found.detections.push_back(
          {d.x1, d.y1, d.x2, d.y2, d.score, d.label, classes_[static_cast<std::size_t>(d.label)].name});
  }

  std::unique_ptr<fovea_model, FreeModel> model_;
  fovea_model_info info_{};
  std::vector<ClassName> classes_;
};

// ---- Training ----

// How to train; empty and 0: as by default, or as the configuration says (fovea_train_options).
struct TrainOptions {
  std::filesystem::path data{}, out{};    // the dataset, and the folder of the run
  std::filesystem::path val{}, images{};  // where they are not beside the annotations
  std::string preset{};                   // "paper", "demo", …
  std::filesystem::path config{};         // TOML, over the preset
  std::vector<std::string> settings{};    // over both: "train.steps=1000"
  std::filesystem::path init_from{};
  std::string state_dict{};
  bool resume = false, allow_config_change = false, allow_data_change = false;
  Device device = Device::Auto;
  int gpu = 0, threads = 0;
};

// How far a training is (fovea_train_event): its kinds are FOVEA_TRAIN_STEP, FOVEA_TRAIN_VALIDATED, …
using TrainEvent = fovea_train_event;

// Trains, as the command `fovea train` does. `go_on` is called in this thread with each event; where it returns false
// the training stops, and Error(Interrupted) says what was saved. Where it throws, that comes out when the run is
// saved.
inline void train(const TrainOptions& options, const std::function<bool(const TrainEvent&)>& go_on = {}) {
  fovea_train_options c;
  fovea_train_options_init(&c);
  const auto text = [](const std::string& given, const char* name) {
    return given.empty() ? nullptr : detail::whole(given, name).c_str();
  };
  const auto path = [&](const std::filesystem::path& given, const char* name) { return text(given.native(), name); };
  c.data = path(options.data, "data");
  c.out = path(options.out, "out");
  c.val = path(options.val, "val");
  c.images = path(options.images, "images");
  c.preset = text(options.preset, "preset");
  c.config = path(options.config, "config");
  const auto settings = detail::pointers(options.settings);
  c.settings = settings.data();
  c.setting_count = settings.size();
  c.init_from = path(options.init_from, "init_from");
  c.state_dict = text(options.state_dict, "state_dict");
  c.resume = options.resume ? 1 : 0;
  c.allow_config_change = options.allow_config_change ? 1 : 0;
  c.allow_data_change = options.allow_data_change ? 1 : 0;
  c.device = static_cast<std::int32_t>(options.device);
  c.gpu = options.gpu;
  c.threads = options.threads;
  detail::Listener<const TrainEvent&> listener(go_on);
  c.user = &listener;
  if (go_on) {
    c.callback = [](const fovea_train_event* event, void* user) noexcept {
      return static_cast<decltype(listener)*>(user)->hear(*event);
    };
  }
  listener.check(fovea_train(&c));
}

// ---- Evaluation ----

// Objects or detections as columns: a view. What is empty is as in fovea_box_table.
struct Boxes {
  std::span<const std::int64_t> image_ids{}, category_ids{};
  std::span<const double> boxes{};         // [·][4]: left, upper, width, height
  std::span<const double> scores{};        // of detections
  std::span<const double> areas{};         // empty: width × height
  std::span<const std::uint8_t> crowds{};  // of objects; empty: none
  std::span<const std::int64_t> ids{};     // empty: 1, 2 …
};

// What to evaluate; empty and 0: COCO's settings, all images and categories (fovea_evaluate_options).
struct EvaluateOptions {
  std::vector<std::int64_t> image_ids{}, category_ids{};
  std::vector<double> ious{}, recalls{};
  std::vector<std::array<double, 2>> areas{};
  std::vector<std::int64_t> max_detections{};
  bool one_category = false;
  int threads = 0;
};

// Precision and recall as pycocotools has them. Moved, not copied.
class Evaluation {
 public:
  explicit Evaluation(fovea_evaluation* handle) : evaluation_(handle) {}

  // AP, AP50, AP75, AP of small, medium, large; AR at 1, 10, 100 detections, AR of small, medium, large.
  std::array<double, 12> summary() const {
    std::array<double, 12> values{};
    detail::check(fovea_evaluation_get_summary(evaluation_.get(), values.data()));
    return values;
  }

  // The same of one class, by its place in category_ids().
  std::array<double, 12> summary(std::size_t category) const {
    std::array<double, 12> values{};
    detail::check(fovea_evaluation_get_class_summary(evaluation_.get(), category, values.data()));
    return values;
  }

  // An array of pycocotools, valid as long as this: [ious, recalls, categories, areas, max_detections], recall without
  // the second.
  struct Array {
    std::span<const double> values;
    std::array<std::size_t, 5> shape;
  };
  Array precision() const& { return array(FOVEA_EVALUATION_PRECISION); }
  Array recall() const& { return array(FOVEA_EVALUATION_RECALL); }
  Array scores() const& { return array(FOVEA_EVALUATION_SCORES); }
  Array precision() const&& = delete;
  Array recall() const&& = delete;
  Array scores() const&& = delete;

  std::span<const std::int64_t> image_ids() const& { return ids(fovea_evaluation_get_images); }
  std::span<const std::int64_t> category_ids() const& { return ids(fovea_evaluation_get_categories); }
  std::span<const std::int64_t> image_ids() const&& = delete;
  std::span<const std::int64_t> category_ids() const&& = delete;

  // For the C API; this one's.
  fovea_evaluation* handle() const noexcept { return evaluation_.get(); }

 private:
  struct Free {
    void operator()(fovea_evaluation* evaluation) const noexcept { fovea_evaluation_free(evaluation); }
  };

  Array array(std::int32_t which) const {
    Array found{};
    const double* values = nullptr;
    detail::check(fovea_evaluation_get_array(evaluation_.get(), which, &values, found.shape.data()));
    std::size_t count = 1;
    for (const std::size_t side : found.shape) count *= side;
    found.values = {values, count};
    return found;
  }

  template <class Function>
  std::span<const std::int64_t> ids(Function* function) const {
    const std::int64_t* first = nullptr;
    std::size_t count = 0;
    detail::check(function(evaluation_.get(), &first, &count));
    return {first, count};
  }

  std::unique_ptr<fovea_evaluation, Free> evaluation_;
};

namespace detail {

inline fovea_box_table in_c(const Boxes& boxes, const char* name) {
  const std::size_t count = boxes.image_ids.size();
  const auto require = [&](std::size_t length, std::size_t each, bool may_lack, const char* column) {
    if (length != count * each && !(may_lack && length == 0))
      throw Error(Status::Usage, std::string(name) + "." + column + " has " + std::to_string(length) + " numbers for " +
                                     std::to_string(count) + " boxes");
  };
  require(boxes.category_ids.size(), 1, false, "category_ids");
  require(boxes.boxes.size(), 4, false, "boxes");
  require(boxes.scores.size(), 1, true, "scores");
  require(boxes.areas.size(), 1, true, "areas");
  require(boxes.crowds.size(), 1, true, "crowds");
  require(boxes.ids.size(), 1, true, "ids");
  fovea_box_table c;
  fovea_box_table_init(&c);
  const auto data = [](const auto& column) { return column.empty() ? nullptr : column.data(); };
  c.count = count;
  c.image_ids = data(boxes.image_ids);
  c.category_ids = data(boxes.category_ids);
  c.boxes = data(boxes.boxes);
  c.scores = data(boxes.scores);
  c.areas = data(boxes.areas);
  c.crowds = data(boxes.crowds);
  c.ids = data(boxes.ids);
  return c;
}

inline fovea_evaluate_options in_c(const EvaluateOptions& options) {
  fovea_evaluate_options c;
  fovea_evaluate_options_init(&c);
  const auto set = [](const auto& list, auto& first, std::size_t& count) {
    count = list.size();
    if (count > 0) first = list.data();
  };
  set(options.image_ids, c.image_ids, c.image_count);
  set(options.category_ids, c.category_ids, c.category_count);
  set(options.ious, c.ious, c.iou_count);
  set(options.recalls, c.recalls, c.recall_count);
  set(options.max_detections, c.max_detections, c.max_detection_count);
  c.area_count = options.areas.size();
  if (c.area_count > 0) c.areas = options.areas.front().data();
  c.one_category = options.one_category ? 1 : 0;
  c.threads = options.threads;
  return c;
}

inline Evaluation made(fovea_status status, fovea_evaluation* const& evaluation) {
  detail::check(status);
  return Evaluation(evaluation);
}

}  // namespace detail

// Results against ground truth, both in memory.
inline Evaluation evaluate(const Boxes& truth, const Boxes& detections, const EvaluateOptions& options = {}) {
  const fovea_box_table wanted = detail::in_c(truth, "truth"), found = detail::in_c(detections, "detections");
  const fovea_evaluate_options c = detail::in_c(options);
  fovea_evaluation* made = nullptr;
  const fovea_status status = fovea_evaluate(&wanted, &found, &c, &made);
  return detail::made(status, made);
}

// Both in COCO's files.
inline Evaluation evaluate(const std::filesystem::path& truth, const std::filesystem::path& results,
                           const EvaluateOptions& options = {}) {
  const fovea_evaluate_options c = detail::in_c(options);
  fovea_evaluation* made = nullptr;
  const fovea_status status = fovea_evaluate_files(detail::whole(truth.native(), "truth").c_str(),
                                                   detail::whole(results.native(), "results").c_str(), &c, &made);
  return detail::made(status, made);
}

}  // namespace api_0
}  // namespace fovea

#endif

// Models, and what they find.
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "python/src/module.h"

namespace fovea::python {

namespace {

struct Free {
  void operator()(fovea_model* model) const noexcept { static_cast<void>(fovea_model_free(model)); }
  void operator()(fovea_result* result) const noexcept { static_cast<void>(fovea_result_free(result)); }
};

std::string device_name(int32_t device) { return device == FOVEA_DEVICE_CUDA ? "cuda" : "cpu"; }

// What was found in one image; keeps the results of the whole call alive.
struct ImageResult {
  std::shared_ptr<fovea_result> result;
  fovea_image_result image;

  // A column of the detections where they lie.
  template <class T, size_t Columns>
  auto column(const T fovea_detection::* first) const {
    constexpr int64_t step = sizeof(fovea_detection) / sizeof(T);
    const T* data = image.count == 0 ? nullptr : &(image.detections[0].*first);
    auto* owner = new std::shared_ptr<fovea_result>(result);
    const nb::capsule keep(owner, [](void* p) noexcept { delete static_cast<std::shared_ptr<fovea_result>*>(p); });
    if constexpr (Columns == 1)
      return nb::ndarray<nb::numpy, const T>(const_cast<T*>(data), {image.count}, keep, {step});
    else
      return nb::ndarray<nb::numpy, const T>(const_cast<T*>(data), {image.count, Columns}, keep, {step, 1});
  }
  auto boxes() const { return column<float, 4>(&fovea_detection::x1); }
  auto scores() const { return column<float, 1>(&fovea_detection::score); }
  auto labels() const { return column<int32_t, 1>(&fovea_detection::label); }

  nb::tuple row(size_t i) const {
    if (i >= image.count) throw nb::index_error();
    const fovea_detection& d = image.detections[i];
    return nb::make_tuple(d.x1, d.y1, d.x2, d.y2, d.score, d.label);
  }
};

using AnyPixels = nb::ndarray<const uint8_t, nb::ro>;

// Pixels as Python hands them over: those of a row lie together, rows are `row_stride` bytes apart.
struct PixelView {
  AnyPixels array;
  int32_t width, height;
  int64_t row_stride;
  int32_t format;

  fovea_pixels in_c() const {
    fovea_pixels pixels;
    fovea_pixels_init(&pixels);
    pixels.data = array.data();
    pixels.width = width;
    pixels.height = height;
    pixels.row_stride = row_stride;
    pixels.format = format;
    pixels.memory = array.device_type() == nb::device::cuda::value ? FOVEA_MEMORY_CUDA : FOVEA_MEMORY_HOST;
    return pixels;
  }
};

struct DetectOptions {
  double score_threshold = 0;
  int32_t max_detections = 0;
  bool skip_bad_images = false;
  std::vector<float> class_thresholds;

  fovea_detect_options in_c() const {
    fovea_detect_options options;
    fovea_detect_options_init(&options);
    options.score_threshold = score_threshold;
    options.max_detections = max_detections;
    options.skip_bad_images = skip_bad_images ? 1 : 0;
    options.class_thresholds = class_thresholds.empty() ? nullptr : class_thresholds.data();
    options.class_threshold_count = class_thresholds.size();
    return options;
  }
};

using Fault = std::optional<nb::python_error>;

// Ends a call of many images on Ctrl-C, and for the interpreter's end.
int32_t hear(size_t /*done*/, size_t /*count*/, void* fault) {
  const GilTaken taken;
  return should_end(*static_cast<Fault*>(fault)) ? 1 : 0;
}

struct ModelOptions {
  int32_t device, precision, gpu, threads, batch, max_detections;
  double score_threshold, nms_threshold;
  std::optional<std::string> state_dict;
  std::vector<std::string> settings;
};

class Model {
 public:
  Model(const std::string& path, const ModelOptions& given) {
    fovea_model_options options;
    fovea_model_options_init(&options);
    options.device = given.device;
    options.precision = given.precision;
    options.gpu = given.gpu;
    options.threads = given.threads;
    options.batch = given.batch;
    options.max_detections = given.max_detections;
    options.score_threshold = given.score_threshold;
    options.nms_threshold = given.nms_threshold;
    options.state_dict = given.state_dict ? given.state_dict->c_str() : nullptr;
    std::vector<const char*> settings;
    for (const std::string& setting : given.settings) settings.push_back(setting.c_str());
    options.settings = settings.data();
    options.setting_count = settings.size();
    fovea_model* model = nullptr;
    check(without_gil([&] { return fovea_model_load(path.c_str(), &options, &model); }));
    model_.reset(model, Free());
  }

  nb::dict info() const {
    fovea_model_info info;
    fovea_model_info_init(&info);
    check(fovea_model_get_info(model_.get(), &info));
    nb::dict dict;
    dict["device"] = device_name(info.device);
    dict["precision"] = info.precision == FOVEA_PRECISION_F32    ? "fp32"
                        : info.precision == FOVEA_PRECISION_TF32 ? "tf32"
                                                                 : "bf16";
    dict["threads"] = info.threads;
    dict["batch"] = info.batch;
    dict["max_detections"] = info.max_detections;
    dict["short_side"] = info.short_side;
    dict["long_side"] = info.long_side;
    dict["pad_to"] = info.pad_to;
    dict["max_pixels"] = info.max_pixels;
    dict["score_threshold"] = info.score_threshold;
    dict["nms_threshold"] = info.nms_threshold;
    return dict;
  }

  // (id, name) of each label.
  nb::list classes() const {
    fovea_model_info info;
    fovea_model_info_init(&info);
    check(fovea_model_get_info(model_.get(), &info));
    nb::list classes;
    for (int32_t label = 0; label < info.classes; ++label) {
      int64_t id = 0;
      const char* name = nullptr;
      check(fovea_model_get_class(model_.get(), label, &id, &name));
      classes.append(nb::make_tuple(id, text_of(name)));
    }
    return classes;
  }

  std::vector<ImageResult> detect_files(const std::vector<nb::bytes>& paths, const DetectOptions& options) const {
    std::vector<const char*> c;
    for (const nb::bytes& path : paths) c.push_back(path.c_str());
    return detect(fovea_detect_files, c, options);
  }

  std::vector<ImageResult> detect_encoded(const std::vector<nb::bytes>& files, const DetectOptions& options) const {
    std::vector<fovea_encoded> c;
    for (const nb::bytes& file : files) c.push_back({reinterpret_cast<const uint8_t*>(file.data()), file.size()});
    return detect(fovea_detect_encoded, c, options);
  }

  std::vector<ImageResult> detect_pixels(const std::vector<PixelView>& images, const DetectOptions& options) const {
    std::vector<fovea_pixels> c;
    for (const PixelView& image : images) c.push_back(image.in_c());
    return detect(fovea_detect_pixels, c, options);
  }

 private:
  template <class Function, class Image>
  std::vector<ImageResult> detect(Function* function, const std::vector<Image>& images,
                                  const DetectOptions& options) const {
    fovea_detect_options in_c = options.in_c();
    Fault fault;
    in_c.callback = hear;
    in_c.user = &fault;
    fovea_result* made = nullptr;
    const fovea_status status =
        without_gil([&] { return function(model_.get(), images.data(), images.size(), &in_c, &made); });
    if (fault) throw std::move(*fault);
    check(status);
    const std::shared_ptr<fovea_result> result(made, Free());
    std::vector<ImageResult> found(images.size());
    for (size_t i = 0; i < found.size(); ++i) {
      found[i].result = result;
      fovea_image_result_init(&found[i].image);
      check(fovea_result_get_image(result.get(), i, &found[i].image));
    }
    return found;
  }

  std::shared_ptr<fovea_model> model_;
};

}  // namespace

void add_detection(nb::module_& module) {
  nb::class_<ImageResult>(module, "ImageResult")
      .def_prop_ro("boxes", &ImageResult::boxes, nb::rv_policy::automatic)
      .def_prop_ro("scores", &ImageResult::scores, nb::rv_policy::automatic)
      .def_prop_ro("labels", &ImageResult::labels, nb::rv_policy::automatic)
      .def_prop_ro("width", [](const ImageResult& r) { return r.image.width; })
      .def_prop_ro("height", [](const ImageResult& r) { return r.image.height; })
      .def_prop_ro("status", [](const ImageResult& r) { return r.image.status; })
      .def_prop_ro("message", [](const ImageResult& r) { return std::string(r.image.message); })
      .def("row", &ImageResult::row)
      .def("__len__", [](const ImageResult& r) { return r.image.count; });
  nb::class_<PixelView>(module, "PixelView")
      .def(
          "__init__",
          [](PixelView* view, const AnyPixels& array, int32_t width, int32_t height, int64_t row_stride,
             int32_t format) { new (view) PixelView{array, width, height, row_stride, format}; },
          nb::arg("array"), nb::arg("width"), nb::arg("height"), nb::arg("row_stride"), nb::arg("format"));
  nb::class_<DetectOptions>(module, "DetectOptions")
      .def(nb::init<>())
      .def_rw("score_threshold", &DetectOptions::score_threshold)
      .def_rw("max_detections", &DetectOptions::max_detections)
      .def_rw("skip_bad_images", &DetectOptions::skip_bad_images)
      .def_rw("class_thresholds", &DetectOptions::class_thresholds);
  nb::class_<Model>(module, "Model")
      .def(
          "__init__",
          [](Model* model, const nb::bytes& path, int32_t device, int32_t precision, int32_t gpu, int32_t threads,
             int32_t batch, int32_t max_detections, double score_threshold, double nms_threshold,
             std::optional<std::string> state_dict, std::vector<std::string> settings) {
            new (model) Model(path.c_str(), {device, precision, gpu, threads, batch, max_detections, score_threshold,
                                             nms_threshold, std::move(state_dict), std::move(settings)});
          },
          nb::arg("path"), nb::kw_only(), nb::arg("device"), nb::arg("precision"), nb::arg("gpu"), nb::arg("threads"),
          nb::arg("batch"), nb::arg("max_detections"), nb::arg("score_threshold"), nb::arg("nms_threshold"),
          nb::arg("state_dict").none(), nb::arg("settings"))
      .def("info", &Model::info)
      .def("classes", &Model::classes)
      .def("detect_files", &Model::detect_files)
      .def("detect_encoded", &Model::detect_encoded)
      .def("detect_pixels", &Model::detect_pixels);
}

}  // namespace fovea::python

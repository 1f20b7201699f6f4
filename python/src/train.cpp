// Training.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <string>
#include <vector>

#include "python/src/module.h"

namespace fovea::python {

namespace {

// As Python may keep it.
struct Event : fovea_train_event {
  explicit Event(const fovea_train_event& event) : fovea_train_event(event), text(event.message) {}
  std::string text;
};

// Whom the training tells, and what came of it.
struct Listener {
  nb::callable callback;  // (event) -> whether to stop
  std::optional<nb::python_error> fault;

  bool hear(const fovea_train_event& event) {
    if (should_end(fault)) return true;
    if (event.kind == FOVEA_TRAIN_WAITING) return false;
    try {
      return nb::cast<bool>(callback(nb::cast(Event(event))));
    } catch (nb::python_error& error) {
      fault.emplace(std::move(error));
    }
    return true;
  }
};

int32_t hear(const fovea_train_event* event, void* listener) {
  const GilTaken taken;
  return static_cast<Listener*>(listener)->hear(*event) ? 1 : 0;
}

using Path = std::optional<nb::bytes>;
const char* text_of(const Path& path) { return path ? path->c_str() : nullptr; }
const char* text_of(const std::optional<std::string>& text) { return text ? text->c_str() : nullptr; }

void train(const nb::bytes& data, const nb::bytes& out, const Path& val, const Path& images,
           const std::optional<std::string>& preset, const Path& config, const std::vector<std::string>& settings,
           const Path& init_from, const std::optional<std::string>& state_dict, bool resume, bool allow_config_change,
           bool allow_data_change, int32_t device, int32_t gpu, int32_t threads, nb::callable callback) {
  Listener listener{std::move(callback), {}};
  fovea_train_options options;
  fovea_train_options_init(&options);
  options.data = data.c_str();
  options.out = out.c_str();
  options.val = text_of(val);
  options.images = text_of(images);
  options.preset = text_of(preset);
  options.config = text_of(config);
  std::vector<const char*> words;
  for (const std::string& setting : settings) words.push_back(setting.c_str());
  options.settings = words.data();
  options.setting_count = words.size();
  options.init_from = text_of(init_from);
  options.state_dict = text_of(state_dict);
  options.resume = resume ? 1 : 0;
  options.allow_config_change = allow_config_change ? 1 : 0;
  options.allow_data_change = allow_data_change ? 1 : 0;
  options.device = device;
  options.gpu = gpu;
  options.threads = threads;
  options.callback = hear;
  options.user = &listener;
  const fovea_status status = without_gil([&] { return fovea_train(&options); });
  if (listener.fault) throw std::move(*listener.fault);
  check(status);
}

}  // namespace

void add_training(nb::module_& module) {
  nb::class_<Event>(module, "TrainEvent")
      .def_prop_ro("kind", [](const Event& event) { return event.kind; })
      .def_prop_ro("skipped", [](const Event& event) { return event.skipped != 0; })
      .def_prop_ro("step", [](const Event& event) { return event.step; })
      .def_prop_ro("steps", [](const Event& event) { return event.steps; })
      .def_prop_ro("loss", [](const Event& event) { return event.loss; })
      .def_prop_ro("classification_loss", [](const Event& event) { return event.classification_loss; })
      .def_prop_ro("box_loss", [](const Event& event) { return event.box_loss; })
      .def_prop_ro("gradient_norm", [](const Event& event) { return event.gradient_norm; })
      .def_prop_ro("learning_rate", [](const Event& event) { return event.learning_rate; })
      .def_prop_ro("positives", [](const Event& event) { return event.positives; })
      .def_prop_ro("images_per_second", [](const Event& event) { return event.images_per_second; })
      .def_prop_ro("images", [](const Event& event) { return event.images; })
      .def_prop_ro("of_images", [](const Event& event) { return event.of_images; })
      .def_prop_ro("ap", [](const Event& event) { return event.ap; })
      .def_prop_ro("ap50", [](const Event& event) { return event.ap50; })
      .def_prop_ro("ap75", [](const Event& event) { return event.ap75; })
      .def_prop_ro("ap_small", [](const Event& event) { return event.ap_small; })
      .def_prop_ro("ap_medium", [](const Event& event) { return event.ap_medium; })
      .def_prop_ro("ap_large", [](const Event& event) { return event.ap_large; })
      .def_prop_ro("message", [](const Event& event) { return text_of(event.text.c_str()); });
  module.def("train", &train, nb::arg("data"), nb::arg("out"), nb::kw_only(), nb::arg("val").none(),
             nb::arg("images").none(), nb::arg("preset").none(), nb::arg("config").none(), nb::arg("settings"),
             nb::arg("init_from").none(), nb::arg("state_dict").none(), nb::arg("resume"),
             nb::arg("allow_config_change"), nb::arg("allow_data_change"), nb::arg("device"), nb::arg("gpu"),
             nb::arg("threads"), nb::arg("callback"));
}

}  // namespace fovea::python

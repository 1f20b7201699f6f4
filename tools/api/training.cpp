// The C API's training: it runs in a thread of the library's, and the caller's callback in the caller's.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "kernels/interrupt.h"
#include "kernels/notice.h"
#include "tools/api/requests.h"
#include "tools/api/structs.h"
#include "tools/api/thread.h"
#include "tools/config/config.h"
#include "tools/train/observer.h"
#include "tools/train/start.h"
#include "tools/train/trainer.h"

using namespace fovea;
using namespace fovea::api;

namespace {

constexpr size_t kFirstTrainOptions = 128;  // the size in version 0.1
static_assert(sizeof(void*) != 8 || sizeof(fovea_train_options) == kFirstTrainOptions);

// Hands events from the training's thread to the calling one, and waits until they are handled.
class Events {
 public:
  Events(fovea_train_callback callback, void* user) : callback_(callback), user_(user) {}

  // In the training's thread.
  void tell(const fovea_train_event& event) {
    if (callback_ == nullptr) return;
    std::unique_lock lock(mutex_);
    pending_ = &event;
    changed_.notify_all();
    changed_.wait(lock, [this] { return pending_ == nullptr; });
  }
  void end() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }
  StopFlag& stop() { return stop_; }

  // In the calling thread, until end().
  void handle() {
    std::unique_lock lock(mutex_);
    while (true) {
      const bool woken = changed_.wait_for(lock, kWait, [this] { return ended_ || pending_ != nullptr; });
      if (woken && pending_ == nullptr) return;
      const fovea_train_event waiting = empty_event(FOVEA_TRAIN_WAITING);
      const fovea_train_event* event = woken ? pending_ : &waiting;
      if (callback_ != nullptr) {
        lock.unlock();
        if (callback_(event, user_) != 0) stop_ = true;
        lock.lock();
      }
      if (!woken) continue;
      pending_ = nullptr;
      changed_.notify_all();
    }
  }

  static fovea_train_event empty_event(int32_t kind) {
    fovea_train_event event{};
    event.size = sizeof(event);
    event.kind = kind;
    event.ap = event.ap50 = event.ap75 = event.ap_small = event.ap_medium = event.ap_large = -1;
    event.message = "";
    return event;
  }

 private:
  static constexpr std::chrono::milliseconds kWait{100};
  const fovea_train_callback callback_;
  void* const user_;
  StopFlag stop_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  const fovea_train_event* pending_ = nullptr;  // guarded, as is:
  bool ended_ = false;
};

class CallbackObserver : public TrainObserver {
 public:
  explicit CallbackObserver(Events& events) : events_(events) {}

  void say(const std::string& lines) override {
    for (size_t begin = 0; begin < lines.size();) {
      const size_t end = std::min(lines.find('\n', begin), lines.size());
      message(lines.substr(begin, end - begin));
      begin = end + 1;
    }
  }

  void message(const std::string& line) {
    fovea_train_event told = event(FOVEA_TRAIN_MESSAGE);
    told.message = line.c_str();
    events_.tell(told);
  }

  void begin(int64_t done, int64_t total, int batch) override {
    done_ = done;
    total_ = total;
    batch_ = batch;
    events_.tell(event(FOVEA_TRAIN_BEGIN));
  }

  void took_step(const Step& step) override {
    done_ = step.number;
    fovea_train_event told = event(FOVEA_TRAIN_STEP);
    told.skipped = step.result.skipped ? 1 : 0;
    told.loss = step.result.loss();
    told.classification_loss = step.result.classification;
    told.box_loss = step.result.box;
    told.gradient_norm = step.result.gradient_norm;
    told.learning_rate = step.learning_rate;
    told.positives = static_cast<double>(step.result.positives) / batch_;
    told.images_per_second = step.seconds && *step.seconds > 0 ? batch_ / *step.seconds : 0;
    events_.tell(told);
  }

  void looked_at(int64_t images, int64_t total) override {
    fovea_train_event told = event(FOVEA_TRAIN_VALIDATING);
    told.images = images;
    told.of_images = total;
    events_.tell(told);
  }

  void validated(int64_t step, const CocoMetrics& metrics, const Dataset& /*val*/) override {
    fovea_train_event told = event(FOVEA_TRAIN_VALIDATED);
    told.step = step;
    told.ap = metrics.values[Ap];
    told.ap50 = metrics.values[Ap50];
    told.ap75 = metrics.values[Ap75];
    told.ap_small = metrics.values[ApSmall];
    told.ap_medium = metrics.values[ApMedium];
    told.ap_large = metrics.values[ApLarge];
    events_.tell(told);
  }

  void end() override {}

 private:
  fovea_train_event event(int32_t kind) const {
    fovea_train_event event = Events::empty_event(kind);
    event.step = done_;
    event.steps = total_;
    return event;
  }
  Events& events_;
  int64_t done_ = 0, total_ = 0;
  int batch_ = 1;
};

struct TrainRequest {
  Config config;
  TrainOptions options;
  DeviceRequest device;
  fovea_train_callback callback = nullptr;
  void* user = nullptr;
};

std::string text_of(const char* text) { return text == nullptr ? "" : text; }

bool flag(int32_t value, const char* name) {
  if (value != 0 && value != 1) bad_argument(fmt::format("options.{} is {}: expected 0 or 1", name, value));
  return value == 1;
}

TrainRequest train_request(const fovea_train_options* given) {
  if (given == nullptr) bad_argument("options is NULL");
  const auto own = own_struct(*given, kFirstTrainOptions, "options", "fovea_train_options");
  if (own.data == nullptr) bad_argument("options.data is NULL");
  if (own.out == nullptr) bad_argument("options.out is NULL");
  TrainRequest request{.config = preset(own.preset == nullptr ? "paper" : own.preset),
                       .device = device_request(own.device, own.gpu, own.threads),
                       .callback = own.callback,
                       .user = own.user};
  if (own.config != nullptr) apply_file(request.config, own.config);
  apply_settings(request.config, settings_list(own.settings, own.setting_count));
  validate(request.config);
  TrainOptions& options = request.options;
  options.data = own.data;
  options.out = own.out;
  options.val = text_of(own.val);
  options.images = text_of(own.images);
  options.init_from = text_of(own.init_from);
  options.state_dict = text_of(own.state_dict);
  options.resume = flag(own.resume, "resume");
  options.allow_config_change = flag(own.allow_config_change, "allow_config_change");
  options.allow_data_change = flag(own.allow_data_change, "allow_data_change");
  if (options.resume && !options.init_from.empty())
    bad_argument("options.resume goes on with a run, and options.init_from starts a new one: set only one of them");
  if (!options.state_dict.empty() && options.init_from.empty())
    bad_argument("options.state_dict is set, and options.init_from, in which it would be, is NULL");
  require_own_files(text_of(own.config), options);
  return request;
}

void run(TrainRequest& request, Events& events) {
  const StoppedBy by_the_callback(events.stop());
  CallbackObserver observer(events);
  std::optional<NoticeListener> notices;  // without a callback they go to stderr
  if (request.callback != nullptr)
    notices.emplace([&](NoticeLevel /*level*/, const std::string& line) { observer.message(line); });
  use_threads(request.device.threads);
  request.options.device = request.device.choose();
  train(std::move(request.config), request.options, observer);
}

}  // namespace

fovea_status fovea_train(const fovea_train_options* options) {
  return guarded([&] {
    TrainRequest request = train_request(options);
    Events events(request.callback, request.user);
    Failure failure;
    std::thread thread = quiet_thread("the training", [&] {
      try {
        run(request, events);
      } catch (...) {
        failure = current_failure();
      }
      events.end();
    });
    events.handle();
    thread.join();
    if (failure.status != FOVEA_OK) throw Refused(failure.status, failure.message);
  });
}

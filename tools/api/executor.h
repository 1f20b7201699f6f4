// A model and the one thread that uses it. Whoever detects hands images to that thread and waits: neither the network
// nor what it is made of need be safe for several threads, and nothing of the caller's thread (OpenMP's settings and
// its team of threads, rounding mode, current GPU) has a part in what is computed.
#pragma once
#include <sys/types.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "kernels/notice.h"
#include "tools/api/status.h"
#include "tools/checkpoint/model_file.h"
#include "tools/detect/detector.h"

namespace fovea::api {

// How to open a model; the device is chosen on the executor's thread.
struct ModelRequest {
  std::string path, state_dict;
  std::function<DeviceKind()> device;
  std::function<void(Config&)> adjust;
  NoticeListener::Hear hear;  // what the model has to say; empty: on stderr
  int threads = 0;            // of OpenMP; 0: as many as it takes by itself
  int batch = 0;              // 0: what suits the device
};

// What there is to know of an open model; stays as it is.
struct ModelFacts {
  Config config;
  std::vector<Category> categories;  // one a label
  DeviceKind device = DeviceKind::Cpu;
  int gpu = 0;  // its number, where it is one
  DType activations = DType::F32;
  bool tf32 = false;
  int threads = 1, batch = 1;
};

class Executor {
 public:
  // Returns when the model is open, or throws why it cannot be.
  explicit Executor(ModelRequest request);
  // All that was started is done first. Not where in_own_process() is false: the thread is not there.
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  const ModelFacts& facts() const { return facts_; }
  // False in a child that was made by fork().
  bool in_own_process() const;

  // Images on their way; in the order of start(), from any thread.
  struct Job;
  std::shared_ptr<Job> start(std::vector<LoadedImage> images);
  // What was found in each of them. Throws what went wrong.
  std::vector<std::vector<Detected>> wait(const std::shared_ptr<Job>& job);
  // Returns when nothing of it is used any more.
  void wait_for_end(const std::shared_ptr<Job>& job) noexcept;

 private:
  void work(const ModelRequest& request);
  void open(const ModelRequest& request);
  std::shared_ptr<Job> next();
  void run(Job& job);
  void run_detector(Job& job);
  void give_up_detector();

  const pid_t process_;
  ModelFacts facts_;
  // The thread's own.
  std::optional<ModelFile> file_;
  std::unique_ptr<Detector> detector_;
  size_t added_ = 0;               // to that detector
  std::optional<Failure> broken_;  // the device has failed

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Job>> jobs_;  // guarded, like all that follows
  std::optional<Failure> opened_;          // how it went, once it is decided
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace fovea::api

#include "tools/api/executor.h"

#include <fmt/format.h>
#include <omp.h>
#include <unistd.h>

#include <utility>

#include "kernels/device/cuda_device.h"
#include "tools/api/thread.h"

namespace fovea::api {

struct Executor::Job {
  std::vector<LoadedImage> images;
  std::vector<std::vector<Detected>> found;
  Failure failure;
  bool done = false;  // guarded by the executor's mutex; all else is whose turn it is
};

namespace {

[[noreturn]] void fail(const Failure& failure) { throw Refused(failure.status, failure.message); }

// One a label, also where the file names none, or not all.
std::vector<Category> categories_of(const ModelFile& file) {
  std::vector<Category> categories = file.categories;
  for (auto label = static_cast<int>(categories.size()); label < file.config.model.classes; ++label)
    categories.push_back({label, fmt::format("class {}", label)});
  return categories;
}

}  // namespace

Executor::Executor(ModelRequest request) : process_(getpid()) {
  thread_ = quiet_thread("the model", [this, request = std::move(request)] { work(request); });
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return opened_.has_value(); });
  if (opened_->status == FOVEA_OK) return;
  lock.unlock();
  thread_.join();
  fail(*opened_);
}

Executor::~Executor() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

bool Executor::in_own_process() const { return getpid() == process_; }

std::shared_ptr<Executor::Job> Executor::start(std::vector<LoadedImage> images) {
  if (!in_own_process()) bad_argument("model was loaded before fork(): load it in the process that uses it");
  auto job = std::make_shared<Job>();
  job->images = std::move(images);
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(job);
  }
  changed_.notify_all();
  return job;
}

void Executor::wait_for_end(const std::shared_ptr<Job>& job) noexcept {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return job->done; });
}

std::vector<std::vector<Detected>> Executor::wait(const std::shared_ptr<Job>& job) {
  wait_for_end(job);
  if (job->failure.status != FOVEA_OK) fail(job->failure);
  return std::move(job->found);
}

void Executor::work(const ModelRequest& request) {
  std::optional<NoticeListener> listener;
  if (request.hear) listener.emplace(request.hear);
  Failure failure;
  try {
    open(request);
  } catch (...) {
    failure = current_failure();
    detector_.reset();
    file_.reset();
  }
  const bool opened = failure.status == FOVEA_OK;
  {
    const std::lock_guard lock(mutex_);
    opened_ = std::move(failure);
  }
  changed_.notify_all();
  if (!opened) return;
  while (const auto job = next()) {
    run(*job);
    {
      const std::lock_guard lock(mutex_);
      job->done = true;
    }
    changed_.notify_all();
  }
  detector_.reset();
  file_.reset();
}

void Executor::open(const ModelRequest& request) {
  use_threads(request.threads);
  file_ = open_model(request.path,
                     {.device = request.device(), .adjust = request.adjust, .state_dict = request.state_dict});
  const Context& context = *file_->context;
  facts_ = {.config = file_->config,
            .categories = categories_of(*file_),
            .device = context.queue.device(),
            .gpu = context.queue.on_cuda() ? gpu_in_use() : 0,
            .activations = context.activation_dtype,
            .tf32 = context.tf32,
            .threads = omp_get_max_threads(),
            .batch = request.batch > 0 ? request.batch : suitable_batch(context.queue.device())};
}

std::shared_ptr<Executor::Job> Executor::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
  if (jobs_.empty()) return nullptr;
  auto job = std::move(jobs_.front());
  jobs_.pop_front();
  return job;
}

void Executor::run(Job& job) {
  try {
    if (broken_) fail(*broken_);
    run_detector(job);
  } catch (...) {
    job.failure = current_failure();
    if (job.failure.of_device) broken_ = job.failure;
    give_up_detector();
  }
  job.images.clear();
}

void Executor::run_detector(Job& job) {
  if (!detector_) {
    detector_ = std::make_unique<Detector>(*file_->model, file_->config.input, facts_.batch);
    added_ = 0;
  }
  job.found.resize(job.images.size());
  const size_t first = added_;
  const auto take = [&](std::vector<Detector::Found> found) {
    for (Detector::Found& one : found) job.found.at(one.number - first) = std::move(one.boxes);
  };
  for (LoadedImage& image : job.images) {
    ++added_;
    take(detector_->add(std::move(image)));
  }
  take(detector_->finish());
}

// It may hold images of the job that failed: the next job gets another one.
void Executor::give_up_detector() {
  try {
    if (!broken_) file_->context->queue.synchronize("giving up a detection that failed");
    detector_.reset();
  } catch (...) {
    broken_ = current_failure();
  }
}

}  // namespace fovea::api

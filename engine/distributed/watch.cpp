#include "engine/distributed/watch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "kernels/device/gpu.h"

namespace fovea {

namespace {

constexpr auto kEvery = std::chrono::milliseconds(100);
constexpr double kPatience = 20;  // seconds, for what should be over at once

}  // namespace

Watch::Watch(int rank, double timeout, Hooks hooks)
    : rank_(rank), timeout_(timeout), hooks_(std::move(hooks)), thread_([this] { run(); }) {}

Watch::~Watch() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
  begin_abort();
  // A GPU that does not answer any more must not keep the process from ending.
  if (aborted_.wait_for(std::chrono::duration<double>(std::min(kPatience, timeout_))) == std::future_status::ready)
    aborting_.join();
  else
    aborting_.detach();
  for (const Watched& watched : under_way_)
    if (watched.event != nullptr) spare_.push_back(watched.event);
  for (void* event : spare_) Gpu::instance().destroy_event(event);
}

void Watch::begin(std::string what) {
  const std::lock_guard lock(mutex_);
  under_way_.push_back({std::move(what), nullptr});
  moved_ = Clock::now();
}

void Watch::end(const Queue& queue) {
  const std::lock_guard lock(mutex_);
  if (spare_.empty()) spare_.push_back(Gpu::instance().create_event(/*timed=*/false));
  Gpu::instance().record(spare_.back(), queue.stream());
  under_way_.back().event = spare_.back();
  spare_.pop_back();
  moved_ = Clock::now();
}

void Watch::moved() {
  const std::lock_guard lock(mutex_);
  moved_ = Clock::now();
}

void Watch::give_up(const Trouble& trouble) {
  {
    const std::lock_guard lock(mutex_);
    if (trouble_) return;
    trouble_ = trouble;
  }
  wake_.notify_all();
}

void Watch::check() const {
  const std::lock_guard lock(mutex_);
  if (trouble_) throw Error(trouble_.kind, trouble_.text);
}

void Watch::run() {
  try {
    hooks_.start();
  } catch (const Error& error) {
    give_up({error.kind(), error.what()});
  }
  std::unique_lock lock(mutex_);
  const auto over = [this] { return stopping_ || static_cast<bool>(trouble_); };
  while (!wake_.wait_for(lock, kEvery, over)) {
    lock.unlock();
    const Trouble seen = hooks_.look();
    lock.lock();
    if (!trouble_) trouble_ = seen ? seen : overdue();
  }
  if (stopping_) return;
  begin_abort();
  const std::chrono::duration<double> patience(std::min(kPatience, timeout_));
  if (!wake_.wait_for(lock, patience, [this] { return stopping_; })) end_process(trouble_.text);
}

Trouble Watch::overdue() {
  while (!under_way_.empty() && under_way_.front().event != nullptr &&
         Gpu::instance().reached(under_way_.front().event)) {
    spare_.push_back(under_way_.front().event);
    under_way_.pop_front();
    moved_ = Clock::now();
  }
  if (under_way_.empty() || std::chrono::duration<double>(Clock::now() - moved_).count() < timeout_) return {};
  const Watched& oldest = under_way_.front();
  return {ErrorKind::Runtime,
          fmt::format("{} has made no progress on the GPU for {:g} s{}: a rank does not take part in an all-reduce "
                      "(it hangs, or is elsewhere in the program); see the messages of the other ranks",
                      oldest.what, timeout_, oldest.event != nullptr ? "" : " while it was being submitted")};
}

void Watch::begin_abort() {
  if (aborting_.joinable()) return;
  std::packaged_task<void()> abort(hooks_.abort);
  aborted_ = abort.get_future();
  aborting_ = std::thread(std::move(abort));
}

void Watch::end_process(const std::string& why) const {
  fmt::print(stderr, "fovea: rank {}: {}\n", rank_, why);
  std::fflush(stderr);
  std::_Exit(static_cast<int>(trouble_.kind));  // checkpoints are whole whenever that is
}

}  // namespace fovea

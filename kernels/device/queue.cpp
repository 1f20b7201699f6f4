#include "kernels/device/queue.h"

#include <chrono>
#include <cstring>
#include <exception>

#include "kernels/advice.h"
#include "kernels/device/gpu.h"
#include "kernels/device/memory.h"
#include "kernels/device/queue_parts.h"
#include "kernels/device/recordings.h"
#include "kernels/error.h"

namespace fovea {

void Recording::replay() const {
  for (const Step& step : steps_) {
    const Interruptible here(step.may_end);
    end_if_requested();
    step.work();
  }
  if (graph_) graph_->gpu.launch(graph_->executable, graph_->stream);
}

void Recording::add_times(QueueProfile& profile) const {
  if (!graph_) return;
  graph_->gpu.synchronize(graph_->stream, "reading how long a recording took");
  graph_->add_times(profile);
}

size_t Recording::size() const { return graph_ ? graph_->nodes : steps_.size(); }

Queue::Queue(DeviceKind device)
    : device_(device), recordings_(std::make_unique<Recordings>(*this)), memory_(std::make_unique<Allocator>(*this)) {
  if (on_cuda()) gpu_ = &Gpu::instance();
  lane(0);
  set_profile(nullptr);
}

Queue::~Queue() { memory_.reset(); }  // while there is a queue

Queue::Lane& Queue::lane(size_t index) {
  while (lanes_.size() <= index) lanes_.push_back(std::make_unique<Lane>(gpu_));
  return *lanes_[index];
}

void* Queue::stream() const { return lanes_[lane_]->stream; }

void Queue::copy(void* to, const void* from, size_t bytes) {
  if (bytes == 0) return;
  declare({.bytes = 2.0 * static_cast<double>(bytes)});
  if (on_cuda()) return submit("copy", [&] { gpu_->copy(to, from, bytes, stream()); });
  submit("copy", [to, from, bytes] { std::memcpy(to, from, bytes); });
}

void Queue::fill_zero(void* to, size_t bytes) {
  if (bytes == 0) return;
  declare({.bytes = static_cast<double>(bytes)});
  if (on_cuda()) return submit("fill_zero", [&] { gpu_->fill_zero(to, bytes, stream()); });
  submit("fill_zero", [to, bytes] { std::memset(to, 0, bytes); });
}

void Queue::synchronize(const char* why) const {
  if (recording()) throw Error(ErrorKind::Runtime, std::string("a recorded step must not make the host wait: ") + why);
  if (on_cuda()) gpu_->synchronize(stream(), why);
}

void Queue::wait(const Event& event) {
  if (on_cuda() && event.queue_ != nullptr) gpu_->wait(stream(), event.handle_);
}

Queue::Layer::Layer(Queue& queue, const std::string& name) : queue_(queue), outer_(std::exchange(queue.layer_, &name)) {
  if (queue_.on_cuda()) queue_.gpu_->begin_range(name.c_str());
}

Queue::Layer::~Layer() {
  if (queue_.on_cuda()) queue_.gpu_->end_range();
  queue_.layer_ = outer_;
}

Recording Queue::record(const std::function<void()>& body, const RecordOptions& options) {
  require(!recording(), "a recording is already in progress");
  require(!forked(), "a recording began inside fork()");
  if (on_cuda()) return record_graph(body, options);
  Recording recording;
  recording.alive_ = alive_;
  const ScopedValue now(recording_, &recording);
  body();
  return recording;
}

void Queue::warm_up(const std::function<void()>& body) {
  const ScopedValue now(warming_up_, true);
  body();
}

namespace {

// Does an attempt to record and lets all ranks learn how it went: where one lacks memory all throw, and may go on.
RecordOutcome attempt(const RecordOptions& options, const std::function<RecordOutcome()>& record) {
  RecordOutcome here = RecordOutcome::OutOfMemory;
  std::exception_ptr error;
  try {
    here = record();
  } catch (const Error& lacking) {
    if (lacking.kind() != ErrorKind::OutOfMemory) throw;
    error = std::current_exception();
  }
  const RecordOutcome worst = options.worst_of_ranks(here);
  if (error) std::rethrow_exception(error);
  if (worst == RecordOutcome::OutOfMemory)
    throw Error(ErrorKind::OutOfMemory, "out of memory: another rank has none left for a recording");
  return worst;
}

}  // namespace

// A graph of what `body` submits, of which all ranks have made theirs.
void* Queue::capture_on_all_ranks(const std::function<void()>& body, const RecordOptions& options) {
  constexpr int kTries = 8;  // a body that takes more memory each time would never end
  for (int tries = 0;; ++tries) {
    const auto until_it_stays = [&] {
      grown_ = false;
      gpu_->destroy_graph(capture(body, /*strict=*/false));
      return grown_ ? RecordOutcome::Grown : RecordOutcome::Done;
    };
    while (attempt(options, until_it_stays) != RecordOutcome::Done && ++tries < kTries) continue;
    const auto destroy = [this](void* graph) { gpu_->destroy_graph(graph); };
    std::unique_ptr<void, decltype(destroy)> graph(nullptr, destroy);
    const auto for_good = [&] {
      try {
        graph.reset(capture(body, /*strict=*/true));
      } catch (const Error&) {
        if (!grown_ || tries >= kTries) throw;
        return RecordOutcome::Grown;
      }
      return RecordOutcome::Done;
    };
    if (attempt(options, for_good) == RecordOutcome::Done) return graph.release();
  }
}

Recording Queue::record_graph(const std::function<void()>& body, const RecordOptions& options) {
  memory_->reclaim(/*all=*/false);
  Recording recording;
  recording.alive_ = alive_;
  const ScopedValue now(recording_, &recording);
  const ScopedValue with_times(times_capture_, options.times);
  void* graph = capture_on_all_ranks(body, options);
  std::shared_ptr<Recording::Graph> made;
  attempt(options, [&] {
    made = std::make_shared<Recording::Graph>(*gpu_, graph, lanes_[0]->stream);
    return RecordOutcome::Done;
  });
  for (const auto& lane : lanes_) made->workspaces.push_back(lane->workspace);
  if (options.times)
    made->add_times = [timed = std::make_shared<std::vector<std::unique_ptr<Timed>>>(std::exchange(timed_, {}))](
                          QueueProfile& profile) {
      for (const auto& call : *timed) call->add_to(profile);
    };
  recording.graph_ = made;
  return recording;
}

// A graph of what `body` submits.
void* Queue::capture(const std::function<void()>& body, bool strict) {
  void* stream = lanes_[0]->stream;
  const ScopedValue now(strict_, strict);
  ++captures_;
  if (times_capture_) timed_.clear();
  gpu_->begin_capture(stream, strict);
  try {
    body();
    void* graph = gpu_->end_capture(stream);
    outgrown_.clear();
    return graph;
  } catch (...) {
    gpu_->abandon_capture(stream);
    outgrown_.clear();
    throw;
  }
}

void Queue::note_growth() {
  grown_ = true;
  if (strict_)
    throw Error(ErrorKind::Runtime,
                "a recorded step must not allocate, but needs more memory each time it is recorded");
}

void Queue::fork(int branches, const std::function<void(int branch)>& body) {
  require(!forked(), "fork() within fork()");
  const ScopedValue now(branch_, 0);
  ++forks_;
  if (on_cuda()) return fork_streams(branches, body);
  for (branch_ = 0; branch_ < branches; ++branch_) body(branch_);
}

void Queue::fork_streams(int branches, const std::function<void(int)>& body) {
  for (int branch = 0; branch < branches; ++branch) lane(static_cast<size_t>(branch));
  const Lane& own = *lanes_[0];
  gpu_->record(own.reached, own.stream);
  const ScopedValue now(lane_, size_t{0});
  const auto join = [&] {
    for (int branch = 1; branch < branches; ++branch) {
      const Lane& other = *lanes_[static_cast<size_t>(branch)];
      gpu_->record(other.reached, other.stream);
      gpu_->wait(own.stream, other.reached);
    }
  };
  for (int branch = 1; branch < branches; ++branch)
    gpu_->wait(lanes_[static_cast<size_t>(branch)]->stream, own.reached);
  try {
    for (branch_ = 0; branch_ < branches; ++branch_) {
      lane_ = static_cast<size_t>(branch_);
      body(branch_);
    }
  } catch (...) {
    try {
      join();                 // what the branches were given may still run: nothing may take their memory before
    } catch (const Error&) {  // the first error is the one to tell
    }
    throw;
  }
  join();
}

void* Queue::workspace(size_t bytes) {
  auto& held = lanes_[lane_]->workspace;
  if (held ? bytes <= held->bytes : bytes == 0) return held ? held->data : nullptr;
  bytes = (bytes + 4095) / 4096 * 4096;
  note_growth();
  if (recording() && on_cuda())
    outgrown_.push_back(std::move(held));
  else
    synchronize_before_freeing();
  held.reset();
  auto grown = std::make_shared<Workspace>(device_, bytes);
  for (const bool all : {false, true}) {
    if (grown->data != nullptr) break;
    memory_->reclaim(all);
    grown = std::make_shared<Workspace>(device_, bytes);
  }
  if (grown->data == nullptr)
    throw Error(ErrorKind::OutOfMemory, "out of memory: a workspace of " + std::to_string(bytes) + " bytes; " +
                                            advise(advice::kUseLessMemory) + ". In use:\n" + memory_->breakdown());
  held = std::move(grown);
  return held->data;
}

void Queue::synchronize_before_freeing() const {
  if (on_cuda()) synchronize("growing the workspace");
}

size_t Queue::workspace_bytes() const {
  size_t bytes = 0;
  for (const auto& lane : lanes_)
    if (lane->workspace) bytes += lane->workspace->bytes;
  return bytes;
}

void Queue::set_profile(QueueProfile* profile) {
  if (profile_ != nullptr && on_cuda()) collect_times();
  static QueueProfile unseen;
  profile_ = profile == nullptr && runs_nothing() ? &unseen : profile;
}

bool Queue::runs_nothing() const { return gpu_ != nullptr && gpu_->is_described(); }

void Queue::run_profiled(const char* name, const std::function<void()>& work) {
  const QueueProfile::Key key{layer_ != nullptr ? *layer_ : "", name};
  const auto cost = std::exchange(declared_, std::nullopt);
  if (runs_nothing()) {
    if (strict_) profile_->works.push_back({key, cost, forked() ? forks_ : 0, forked() ? branch_ : 0});
    return;
  }
  if (on_cuda()) return time_on_gpu(key, work);
  if (timing_) return work();  // only the outermost of nested calls
  const ScopedValue now(timing_, true);
  const auto start = std::chrono::steady_clock::now();
  work();
  auto& entry = profile_->entries[key];
  ++entry.calls;
  entry.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void Queue::time_on_gpu(const QueueProfile::Key& key, const std::function<void()>& work) {
  // Only the outermost of nested calls; and of a recording with times what is recorded for good.
  if (timing_ || (recording() && !(times_capture_ && strict_))) return work();
  const ScopedValue now(timing_, true);
  timed_.push_back(std::make_unique<Timed>(*gpu_, key));
  const auto record = [&](void* event) {
    recording() ? gpu_->record_in_graph(event, stream()) : gpu_->record(event, stream());
  };
  record(timed_.back()->begin);
  work();
  record(timed_.back()->end);
}

void Queue::collect_times() {
  const auto timed = std::move(timed_);
  timed_.clear();
  synchronize("reading how long its work took");
  for (const auto& call : timed) call->add_to(*profile_);
}

Event::Event(DeviceKind device) {
  if (device != DeviceKind::Cuda) return;
  gpu_ = &Gpu::instance();
  handle_ = gpu_->create_event(/*timed=*/false);
}

Event::~Event() {
  if (handle_ != nullptr) gpu_->destroy_event(handle_);
}

void Event::record(const Queue& queue) {
  queue_ = &queue;
  if (gpu_ != nullptr) gpu_->record(handle_, queue.stream());
}

void Event::synchronize(const char* why) const {
  if (queue_ == nullptr) return;
  if (queue_->recording())
    throw Error(ErrorKind::Runtime, std::string("a recorded step must not make the host wait: ") + why);
  if (gpu_ != nullptr) gpu_->synchronize_event(handle_, why);
}

}  // namespace fovea

// What a queue is made of on a GPU: handles that are released with their owner.
#pragma once
#include <memory>
#include <utility>
#include <vector>

#include "kernels/device/gpu.h"
#include "kernels/device/queue.h"
#include "kernels/device/workspace.h"

namespace fovea {

// Gives a variable another value as long as this lives.
template <class T>
class ScopedValue {
 public:
  template <class V>
  ScopedValue(T& variable, V value) : variable_(variable), before_(std::exchange(variable, value)) {}
  ~ScopedValue() { variable_ = before_; }
  ScopedValue(const ScopedValue&) = delete;
  ScopedValue& operator=(const ScopedValue&) = delete;

 private:
  T& variable_;
  T before_;
};

struct Queue::Lane {
  explicit Lane(Gpu* of) : gpu(of) {
    if (gpu == nullptr) return;
    stream = gpu->create_stream();
    try {
      reached = gpu->create_event(/*timed=*/false);
    } catch (...) {
      gpu->destroy_stream(stream);
      throw;
    }
  }
  ~Lane() {
    if (gpu == nullptr) return;
    gpu->destroy_event(reached);
    gpu->destroy_stream(stream);
  }
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  Gpu* gpu;
  void *stream = nullptr, *reached = nullptr;  // the event: where the lane was at the last fork or join
  std::shared_ptr<Workspace> workspace;
};

struct Queue::Timed {
  Timed(Gpu& of, QueueProfile::Key what) : gpu(of), key(std::move(what)), begin(of.create_event(/*timed=*/true)) {
    try {
      end = gpu.create_event(/*timed=*/true);
    } catch (...) {
      gpu.destroy_event(begin);
      throw;
    }
  }
  ~Timed() {
    gpu.destroy_event(begin);
    gpu.destroy_event(end);
  }
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

  void add_to(QueueProfile& profile) const {  // once the work is done
    auto& entry = profile.entries[key];
    ++entry.calls;
    entry.seconds += gpu.seconds_between(begin, end);
  }

  Gpu& gpu;
  QueueProfile::Key key;
  void *begin, *end = nullptr;
};

struct Recording::Graph {
  Graph(Gpu& of, void* graph, void* in) : gpu(of), stream(in), executable(of.instantiate(graph, &nodes)) {}
  ~Graph() { gpu.destroy_executable(executable); }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  Gpu& gpu;
  size_t nodes = 0;
  void *stream, *executable;
  std::vector<std::shared_ptr<Workspace>> workspaces;  // whose addresses it has
  std::function<void(QueueProfile&)> add_times = [](QueueProfile&) {};
};

}  // namespace fovea

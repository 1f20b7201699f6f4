// The queue: every launch, copy and convolution goes through one, in order. On a GPU it is a CUDA stream; on the CPU it
// runs work at once. It can record what it is given and replay it: a CUDA graph, or a list of closures.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernels/interrupt.h"

namespace fovea {

enum class DeviceKind : uint8_t { Cpu, Cuda };

// How kernels run on the CPU. Vectorized: one thread a block, blocks over the cores. Fibers: the GPU's block
// size, threads between two barriers in the given order; shows missing barriers and races (for tests; slow).
enum class ExecutionMode : uint8_t { Vectorized, FibersInOrder, FibersReversed, FibersShuffled };

class Allocator;
class Event;
class Gpu;
class Recordings;
struct Workspace;

struct QueueProfile;

// Work recorded once, to be run again with the same addresses, on its queue (which outlives it). Copies share it.
// What it reads or writes and was there before must live as long as it does; what was allocated while it was recorded
// keeps its memory (kernels/device/memory.h).
class Recording {
 public:
  Recording() = default;  // of nothing
  void replay() const;
  size_t size() const;  // steps, or the graph's nodes
  // Of one recorded with times on a GPU: adds what the last replay took, which it waits for.
  void add_times(QueueProfile& profile) const;

 private:
  friend class Queue;
  struct Step {
    const char* name;
    std::function<void()> work;
    bool may_end = Interruptible::current();
  };
  struct Graph;
  std::vector<Step> steps_;
  std::shared_ptr<const Graph> graph_;
  std::shared_ptr<const int> alive_;  // counted by the queue
};

// What a call moves and computes: for predictions of what it takes.
struct WorkCost {
  double bytes = 0, flop = 0;
  int64_t tiles = 0;      // parts of its output that multiprocessors work on; 0: enough for all of them
  const char* kind = "";  // of kernel, where it computes products
};

// Where the time of a queue went, by layer (Queue::Layer; empty: of none) and by the names given to submit(). On a GPU
// that is only described (Gpu::describe) nothing runs: what a recording holds is listed.
struct QueueProfile {
  struct Key {
    std::string layer, name;
    auto operator<=>(const Key&) const = default;
  };
  struct Entry {
    int64_t calls = 0;
    double seconds = 0;
  };
  std::map<Key, Entry> entries;
  struct Work {
    Key key;
    std::optional<WorkCost> cost;  // as declared
    int fork = 0, branch = 0;      // fork: from 1, 0: outside of all
  };
  std::vector<Work> works;
};

// How an attempt to record went; the worst last.
enum class RecordOutcome : uint8_t { Done, Grown, OutOfMemory };  // Grown: it took memory, and has to be made again

struct RecordOptions {
  // On a GPU: also record when each call begins and ends (Recording::add_times), which takes time itself.
  bool times = false;
  // Where what is recorded has collectives, which all ranks must record as often or not at all: the worst outcome of
  // any rank. Asked after each attempt.
  std::function<RecordOutcome(RecordOutcome here)> worst_of_ranks = [](RecordOutcome here) { return here; };
};

class Queue {
 public:
  explicit Queue(DeviceKind device = DeviceKind::Cpu);
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  DeviceKind device() const { return device_; }
  bool on_cuda() const { return device_ == DeviceKind::Cuda; }
  void* stream() const;  // cudaStream_t; within fork() the branch's own

  // Work under a name that profiles show. On a GPU, `work` puts something into stream() and returns. On the CPU it does
  // it; while recording it is kept and not run, so that what it captures must stay valid (raw pointers and values, not
  // references). On the CPU, now and when it is replayed, a requested stop ends it before (kernels/interrupt.h).
  template <class Work>
  void submit(const char* name, Work&& work) {
    if (recording_ != nullptr && !on_cuda())
      recording_->steps_.push_back({name, std::forward<Work>(work)});
    else if (profile_ != nullptr || times_capture_)
      run_profiled(name, work);
    else
      run(name, work);
  }

  // What the next submit() costs; kept only where somebody looks.
  void declare(const WorkCost& cost) {
    if (profile_ != nullptr) declared_ = cost;
  }

  void copy(void* to, const void* from, size_t bytes);  // host or device memory on either side
  void fill_zero(void* to, size_t bytes);
  // Waits until everything submitted is done. Throws while recording: a recorded step never waits on the host.
  void synchronize(const char* why) const;
  // What is submitted from now on runs after what the event has recorded, of whichever queue.
  void wait(const Event& event);

  // What is submitted as long as this lives belongs to the layer of that name, which outlives it: in profiles, and on a
  // GPU as a range in NVIDIA's tools.
  class Layer {
   public:
    Layer(Queue& queue, const std::string& name);
    ~Layer();
    Layer(const Layer&) = delete;
    Layer& operator=(const Layer&) = delete;

   private:
    Queue& queue_;
    const std::string* outer_;
  };

  // Runs `body`, keeping what it submits instead of doing it. On a GPU what is to be recorded has run once before, so
  // that nothing is set up inside, and `body` is called several times: first to see how much memory it takes, until it
  // takes no more from the system, then for good. Throws Error(OutOfMemory) where this rank or another lacks memory.
  Recording record(const std::function<void()>& body, const RecordOptions& options = {});
  bool recording() const { return recording_ != nullptr; }
  // On a GPU: which call of `body` by record() this is, another number each time; 0: none.
  uint64_t capture_number() const { return recording_ != nullptr ? captures_ : 0; }
  // Runs `body` now, with activations in the memory of recordings: the warm-up of what will be recorded then costs no
  // memory beyond the recording's own.
  void warm_up(const std::function<void()>& body);
  // Whether memory allocated now is for a recording, and no other work may ever use it again while there are any.
  bool in_recorded_memory() const { return recording_ != nullptr || warming_up_; }
  int64_t recording_count() const { return alive_.use_count() - 1; }  // that exist

  Allocator& memory() { return *memory_; }  // (memory.h)
  // Those that may be given up where memory runs out (recordings.h).
  Recordings& recordings() { return *recordings_; }

  // body(0) … body(branches − 1), independent of one another: at the same time where the device can (each then has a
  // stream and a workspace of its own), in order on the CPU. What is submitted afterwards runs after all of them. Works
  // while recording; not within itself. In a later fork, memory that branch b allocated is for branch b alone.
  void fork(int branches, const std::function<void(int branch)>& body);
  bool forked() const { return branch_ != kNoBranch; }
  static constexpr int kNoBranch = -1;
  int branch() const { return branch_; }  // whose body runs, or kNoBranch

  // Scratch of this queue, valid until the next call; call it inside submitted work on the CPU. Aligned to 256
  // bytes. It may not grow while a GPU's queue records for good.
  void* workspace(size_t bytes);
  // work(workspace of `bytes`), now or when the recording is replayed. What `work` launches runs at once, in order.
  template <class Work>
  void with_workspace(size_t bytes, const Work& work) {
    if (recording_ == nullptr || on_cuda()) return work(workspace(bytes));
    recording_->steps_.push_back({"workspace", [this, bytes, work] { work(workspace(bytes)); }});
  }
  size_t workspace_bytes() const;  // of all branches

  ExecutionMode execution_mode() const { return mode_; }
  void set_execution_mode(ExecutionMode way, uint64_t seed = 0) {
    mode_ = way;
    mode_seed_ = seed;
  }
  uint64_t mode_seed() const { return mode_seed_; }

  // On a GPU each call is then done when it returns, and its error is its own: for tests, whose buffers the host reads
  // at once, and to find what failed. Not what is recorded.
  void set_blocking(bool blocking) { blocking_ = blocking; }

  // Adds to `profile` until the next call; nullptr: ends it, and on a GPU waits for what was measured. What a recording
  // does is not seen: on a GPU it is recorded with its times.
  void set_profile(QueueProfile* profile);

 private:
  friend class Allocator;
  struct Lane;   // a stream, its workspace
  struct Timed;  // a pair of events around one call

  template <class Work>
  void run(const char* name, const Work& work) {
    if (!on_cuda()) end_if_requested();
    work();
    if (blocking_ && !recording()) synchronize(name);
  }
  void run_profiled(const char* name, const std::function<void()>& work);
  void time_on_gpu(const QueueProfile::Key& key, const std::function<void()>& work);
  void collect_times();
  void synchronize_before_freeing() const;
  void note_growth();  // memory was taken from the system
  Lane& lane(size_t index);
  void fork_streams(int branches, const std::function<void(int)>& body);
  void* capture(const std::function<void()>& body, bool strict);
  void* capture_on_all_ranks(const std::function<void()>& body, const RecordOptions& options);
  Recording record_graph(const std::function<void()>& body, const RecordOptions& options);
  bool runs_nothing() const;

  DeviceKind device_;
  Gpu* gpu_ = nullptr;
  std::vector<std::unique_ptr<Lane>> lanes_;  // the queue's own, and those of branches
  size_t lane_ = 0;
  int branch_ = kNoBranch;
  bool warming_up_ = false, strict_ = false, grown_ = false, timing_ = false, blocking_ = false, times_capture_ = false;
  uint64_t captures_ = 0;
  const std::string* layer_ = nullptr;
  std::optional<WorkCost> declared_;
  int forks_ = 0;
  Recording* recording_ = nullptr;
  std::shared_ptr<const int> alive_ = std::make_shared<int>(0);
  std::vector<std::shared_ptr<Workspace>> outgrown_;  // while recording, when nothing may be freed
  QueueProfile* profile_ = nullptr;
  std::vector<std::unique_ptr<Timed>> timed_;
  ExecutionMode mode_ = ExecutionMode::Vectorized;
  uint64_t mode_seed_ = 0;
  std::unique_ptr<Recordings> recordings_;
  std::unique_ptr<Allocator> memory_;
};

// A point in a queue's work, which the host or another queue can wait for. On the CPU all that was submitted is done.
class Event {
 public:
  explicit Event(DeviceKind device);
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void record(const Queue& queue);          // all that was submitted to it so far; again: instead
  void synchronize(const char* why) const;  // the host waits. Throws while the queue records. Not recorded yet: returns

 private:
  friend class Queue;
  Gpu* gpu_ = nullptr;
  void* handle_ = nullptr;
  const Queue* queue_ = nullptr;
};

}  // namespace fovea

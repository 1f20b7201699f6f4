// The queue: every launch, copy and convolution goes through one, in order. On the CPU it runs work at once; while it
// records it keeps the work instead, as a list of closures to be replayed (the counterpart of a CUDA graph).
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernels/error.h"

namespace fovea {

enum class DeviceKind : uint8_t { Cpu, Cuda };

// How kernels run on the CPU. Fast: one thread a block, vectorised, blocks over the cores. Fibers: the GPU's block
// size, threads between two barriers in the given order; shows missing barriers and races (for tests; slow).
enum class Way : uint8_t { Fast, FibersForward, FibersBackward, FibersShuffled };

// Work recorded once, to be run again with the same addresses.
class Recording {
 public:
  void replay() const;
  size_t size() const { return steps_.size(); }

 private:
  friend class Queue;
  struct Step {
    const char* name;
    std::function<void()> work;
  };
  std::vector<Step> steps_;
};

// Where the time of a queue went, by the names given to submit().
struct QueueProfile {
  struct Entry {
    int64_t calls = 0;
    double seconds = 0;
  };
  std::map<std::string, Entry> entries;
};

class Queue {
 public:
  explicit Queue(DeviceKind device = DeviceKind::Cpu);
  ~Queue();
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  DeviceKind device() const { return device_; }
  bool on_cuda() const { return device_ == DeviceKind::Cuda; }
  void* stream() const { return stream_; }  // cudaStream_t

  // CPU work under a name that profiles show. While recording, the work is kept and not run; what it captures must
  // therefore stay valid (capture raw pointers and values, not references).
  template <class Work>
  void submit(const char* name, Work&& work) {
    if (recording_ != nullptr)
      recording_->steps_.push_back({name, std::forward<Work>(work)});
    else if (profile_ != nullptr)
      run_profiled(name, work);
    else
      work();
  }

  void copy(void* to, const void* from, size_t bytes);  // host or device memory on either side
  void fill_zero(void* to, size_t bytes);
  // Waits until everything submitted is done. Throws while recording: a recorded step never waits on the host.
  void synchronize(const char* why) const;

  Recording record(const std::function<void()>& body);
  bool recording() const { return recording_ != nullptr; }

  // Scratch of this queue, valid until the next call; call it inside submitted work on the CPU. Aligned to 64 bytes.
  void* workspace(size_t bytes);
  // work(workspace of `bytes`), now or when the recording is replayed. What `work` launches runs at once, in order.
  template <class Work>
  void with_workspace(size_t bytes, Work work) {
    if (recording_ == nullptr) return work(workspace(bytes));
    recording_->steps_.push_back({"workspace", [this, bytes, work] { work(workspace(bytes)); }});
  }
  size_t workspace_bytes() const { return workspace_bytes_; }

  Way way() const { return way_; }
  void set_way(Way way, uint64_t seed = 0) {
    way_ = way;
    way_seed_ = seed;
  }
  uint64_t way_seed() const { return way_seed_; }

  void set_profile(QueueProfile* profile) { profile_ = profile; }

 private:
  void run_profiled(const char* name, const std::function<void()>& work);

  DeviceKind device_;
  void* stream_ = nullptr;
  Recording* recording_ = nullptr;
  QueueProfile* profile_ = nullptr;
  void* workspace_ = nullptr;
  size_t workspace_bytes_ = 0;
  Way way_ = Way::Fast;
  uint64_t way_seed_ = 0;
};

}  // namespace fovea

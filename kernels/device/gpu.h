// The calls on the GPU that queues, events and memory are made of: plain handles in, errors as exceptions. Behind it
// the CUDA runtime (kernels/device/cuda_gpu.cpp); in a build without CUDA there is none (kernels/device/no_cuda.cpp).
#pragma once
#include <cstddef>

namespace fovea {

class Gpu {
 public:
  static Gpu& instance();  // Error(Usage) in a build without CUDA
  // From now on the instance is a GPU of which there is only a description: work is counted, none is done, and memory
  // has addresses but no contents. Before anything else; Error(Usage) in a build without CUDA.
  static void describe();
  static bool only_described();  // whether that was said
  virtual bool is_described() const { return false; }

  // As long as it lives, this thread's instance is a described GPU beside the one in use, whose plans it takes: shows
  // how much memory work would take. What was made on it must not outlive it; not while there is another.
  class Described;

  virtual void* create_stream() = 0;
  virtual void destroy_stream(void* stream) noexcept = 0;  // also where it fails: there is nobody to tell
  virtual void synchronize(void* stream, const char* why) = 0;
  virtual void copy(void* to, const void* from, size_t bytes, void* stream) = 0;  // device or host on either side
  virtual void fill_zero(void* to, size_t bytes, void* stream) = 0;

  virtual void* create_event(bool timed) = 0;
  virtual void destroy_event(void* event) noexcept = 0;
  virtual void record(void* event, void* stream) = 0;
  virtual void record_in_graph(void* event, void* stream) = 0;  // of a capture: each launch of the graph records it
  virtual void wait(void* stream, void* event) = 0;             // the stream waits for what was recorded
  virtual void synchronize_event(void* event, const char* why) = 0;
  virtual bool reached(void* event) noexcept = 0;  // without waiting; also where that cannot be told for an error
  virtual double seconds_between(void* begin, void* end) = 0;

  // Strict: calls that a capture must not meet (allocations, waiting on the host) fail; otherwise only those that can't
  // be done at all. It applies to the calling thread.
  virtual void begin_capture(void* stream, bool strict) = 0;
  virtual void* end_capture(void* stream) = 0;                // a graph
  virtual void abandon_capture(void* stream) noexcept = 0;    // after an error
  virtual void* instantiate(void* graph, size_t* nodes) = 0;  // an executable; the graph is destroyed
  virtual void destroy_graph(void* graph) noexcept = 0;
  virtual void destroy_executable(void* executable) noexcept = 0;
  virtual void launch(void* executable, void* stream) = 0;

  virtual void* allocate(size_t bytes) = 0;  // nullptr if there is no more; aligned to 256
  virtual void free(void* memory) noexcept = 0;
  // Names what the host does in between, for NVIDIA's tools.
  virtual void begin_range(const char* name) noexcept = 0;
  virtual void end_range() noexcept = 0;

  virtual void* allocate_pinned(size_t bytes) = 0;  // of the host, page-locked
  virtual void free_pinned(void* memory) noexcept = 0;

 protected:
  ~Gpu() = default;
};

class Gpu::Described {
 public:
  Described();
  ~Described();  // NOLINT(performance-trivially-destructible): as it is without CUDA
  Described(const Described&) = delete;
  Described& operator=(const Described&) = delete;
  size_t peak() const;  // most bytes of its memory that were held at a time
};

}  // namespace fovea

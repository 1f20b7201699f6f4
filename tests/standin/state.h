// What the parts of the stand-in share.
#pragma once
#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "tests/standin/standin.h"

namespace standin {

using Clock = std::chrono::steady_clock;

struct Stream;

// A point in a stream's work: reached when so many of its steps are done.
struct Point {
  std::shared_ptr<Stream> stream;
  int64_t step = 0;
};

struct Step {
  std::function<void()> work;
  std::vector<Point> after;
};

struct Node {
  std::string name;
  std::function<void()> work;
  std::vector<size_t> after;  // nodes before it
  bool launch;                // not a copy or the like
};

struct Capture {
  std::vector<Node> nodes;
  bool strict = false, invalid = false;
  std::thread::id thread;
  std::shared_ptr<Stream> origin;
};

struct Stream {
  std::deque<Step> pending;
  int64_t submitted = 0, done = 0;
  bool running = false;  // a step, in some thread
  std::shared_ptr<Capture> capture;
  std::vector<size_t> frontier;  // of the capture: what the next node comes after
};

struct Event {
  Point point;
  std::shared_ptr<Clock::time_point> time;
  bool timed = true, in_graph = false;  // in_graph: recorded by a graph's node, at each launch
  std::shared_ptr<Capture> capture;     // recorded within it
  std::vector<size_t> frontier;
};

struct Graph {
  std::vector<Node> nodes;
};

// Of work across streams that it follows one another, in whatever order streams would allow.
struct Chain {
  Point point;
  std::weak_ptr<Capture> capture;
  size_t node = 0;  // of it
};

enum class Order { Submitted, Adverse, Concurrent };

struct State {
  std::mutex mutex;
  std::condition_variable_any moved;               // work was submitted, or done
  std::deque<std::shared_ptr<Stream>> for_device;  // Order::Concurrent: whose next step comes when
  bool device_runs = false;
  Report counts;
  std::map<cudaStream_t, std::shared_ptr<Stream>> streams;
  std::map<cudaEvent_t, std::shared_ptr<Event>> events;
  std::map<void*, std::shared_ptr<const Graph>> graphs;  // and executables
  std::map<const void*, std::string> kernels;            // names by host address
  uintptr_t next_handle = 0x1000;
  cudaError_t sticky = cudaSuccess;
  int64_t call_number = 0;
  std::map<std::string, int64_t> numbers;

  // The environment.
  std::string fail_call;
  int64_t fail_number = 0;
  cudaError_t fail_error = cudaSuccess;
  std::string skip;       // launches of which nothing is done
  std::string exclusive;  // the file that the process has locked that has the device; empty: any process
  int lock = -1;          // of that file
  bool dry = false;
  Order order = Order::Submitted;
  int64_t memory_limit = 0;
  int driver = 13000, devices = 1, major = 9, minor = 0, multiprocessors = 0;
  std::string name;

  State();
};
State& state();

// A fact of the device, from tests/data/h200_device_properties.json.
int64_t device_fact(const std::string& name);

// What a call is to do that FOVEA_STANDIN_FAIL names, beside an error: no error has these numbers.
inline constexpr auto kNothing = static_cast<cudaError_t>(1021), kHang = static_cast<cudaError_t>(1022),
                      kCrash = static_cast<cudaError_t>(1023);

// Counts the call, and fails it where the environment says so or an earlier error sticks. kNothing: it is not to be
// done.
cudaError_t admit(const char* call);
// Whether launches of that name compute anything.
bool computes(const std::string& name);
// What cudaGetLastError gives next.
cudaError_t remember(cudaError_t status);
cudaError_t& last_error();

template <class Body>
cudaError_t call(const char* name, Body body) {
  const std::lock_guard lock(state().mutex);
  const cudaError_t status = admit(name);
  if (status == kNothing) return cudaSuccess;
  return remember(status == cudaSuccess ? body() : status);
}

// ---- memory.cpp
// Whether `bytes` from there lie inside one allocation that is alive; outside of all, where pageable host memory may
// be.
enum class Where { Device, Pinned, Pageable, Bad };
Where where(const void* memory, size_t bytes);

// ---- stream.cpp
std::shared_ptr<Stream> find(cudaStream_t stream);  // nullptr if there is none
cudaError_t submit(cudaStream_t stream, const std::string& name, bool launch, std::function<void()> work,
                   Chain* chain = nullptr);
void finish(const Point& point);  // does what is pending up to there, and what that waits for
void finish_all();
// Of a call that may not be made while this thread captures strictly: error 900, and the capture is invalid.
cudaError_t refuse_in_capture(int64_t& counter);

}  // namespace standin

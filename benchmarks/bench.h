// What the benchmarks of kernels share: timing and the command line; and for the memory-bound ones, state the bytes
// that work must move (kernels/traffic.h), compare with the memory bandwidth measured in the same run, print a table,
// write JSON.
#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "benchmarks/command_line.h"
#include "benchmarks/device.h"
#include "kernels/traffic.h"

namespace fovea::bench {

struct Timing {
  int runs;
  bool cpu_time = false;  // one thread and its CPU time
  DeviceKind device = DeviceKind::Cpu;
  std::string kernel;  // times only those whose name contains this

  template <class Work>
  std::vector<double> sorted_seconds(Stopwatch& stopwatch, const Work& work) const {
    std::vector<double> seconds;
    stopwatch.seconds(work);  // caches of code, pages of outputs
    for (int i = 0; i < runs; ++i) seconds.push_back(stopwatch.seconds(work));
    std::sort(seconds.begin(), seconds.end());
    return seconds;
  }
};

// Values in [-1, 1), other ones at each call.
template <class T>
std::vector<T> uniform(int64_t count) {
  static std::mt19937 random(1);
  std::vector<T> values(count);
  for (T& value : values) value = static_cast<float>(random()) * 0x1p-31f - 1.f;
  return values;
}

struct Result {
  std::string name, dtype;
  double bytes = 0;                        // that must be read and written
  double median = 0, best = 0, worst = 0;  // seconds
};

// The table of one run, and the queue of what it times. On the CPU the roofline is the rate at which all cores change a
// buffer much larger than the caches in place: what the memory moves. A kernel that writes another buffer than it reads
// can reach what the first row, a plain copy, reaches: before a line is written it is read, and those bytes are not
// declared. On a GPU the roofline is the copy of one large buffer to another.
class Table {
 public:
  explicit Table(const Timing& timing);

  Queue& queue() { return queue_; }

  template <class Work>
  void run(const std::string& name, const std::string& dtype, const kernels::Traffic& traffic, const Work& work) {
    if (name.find(timing_.kernel) == std::string::npos) return;
    add(name, dtype, traffic.bytes(), timing_.sorted_seconds(stopwatch_, work));
  }

  void write_json(const std::string& path) const;

 private:
  void add(const std::string& name, const std::string& dtype, double bytes, const std::vector<double>& sorted_seconds);

  Timing timing_;
  Queue queue_;
  Stopwatch stopwatch_;
  double bandwidth_ = 0;
  std::vector<Result> results_;
};

// The program of a benchmark of kernels: its command line, --runs, --cpu-time and --json. run(timing, json) is called
// once. The return value is the exit status.
int program(int argc, char** argv, const char* description, int runs, std::vector<Option> options,
            const std::function<void(const Timing&, const std::string& json)>& run);

// The program of a benchmark that fills one table, with --device and --kernel.
int table_program(int argc, char** argv, const char* description, const std::function<void(Table&)>& fill);

}  // namespace fovea::bench

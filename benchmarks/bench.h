// What the benchmarks of kernels share: timing and the command line; and for the memory-bound ones, state the bytes
// that work must move (kernels/traffic.h), compare with the memory bandwidth measured in the same run, print a table,
// write JSON.
#pragma once
#include <omp.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "benchmarks/device.h"
#include "kernels/error.h"
#include "kernels/traffic.h"

namespace fovea::bench {

struct Timing {
  int runs;
  bool cpu_time = false;  // one thread and its CPU time
  DeviceKind device = DeviceKind::Cpu;

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
  explicit Table(const Timing& timing) : timing_(timing), queue_(timing.device), stopwatch_(queue_, timing.cpu_time) {
    const int64_t n = int64_t{32} << 20;
    Buffer<float> from(queue_, std::vector<float>(n, 1.f)), to(queue_, std::vector<float>(n, 1.f));
    const double bytes = 2. * n * sizeof(float);
    const auto in_place = [n, y = to.data()] {
#pragma omp parallel for simd
      for (int64_t i = 0; i < n; ++i) y[i] = y[i] * 0.5f + 1.f;
    };
    const auto device_copy = [&] { queue_.copy(to.data(), from.data(), n * sizeof(float)); };
    const auto seconds = queue_.on_cuda() ? timing_.sorted_seconds(stopwatch_, device_copy)
                                          : timing_.sorted_seconds(stopwatch_, in_place);
    bandwidth_ = bytes / seconds[seconds.size() / 2];
    if (queue_.on_cuda())
      std::printf("memory bandwidth (device copy, median): %.1f GB/s\n", bandwidth_ / 1e9);
    else
      std::printf("memory bandwidth (in place, median): %.1f GB/s, %d thread(s)\n", bandwidth_ / 1e9,
                  omp_get_max_threads());
    std::printf("%-28s %-5s %9s %9s %9s %9s %8s %9s\n", "kernel", "", "MB", "median ms", "best ms", "worst ms", "GB/s",
                "of memory");
    if (queue_.on_cuda()) return;
    run("copy", "fp32", {bytes / 2, bytes / 2}, [n, x = from.data(), y = to.data()] {
#pragma omp parallel for simd
      for (int64_t i = 0; i < n; ++i) y[i] = x[i] + 1.f;
    });
  }

  Queue& queue() { return queue_; }

  template <class Work>
  void run(const std::string& name, const std::string& dtype, const kernels::Traffic& traffic, const Work& work) {
    const auto seconds = timing_.sorted_seconds(stopwatch_, work);
    const double bytes = traffic.bytes();
    const Result r{name, dtype, bytes, seconds[seconds.size() / 2], seconds.front(), seconds.back()};
    std::printf("%-28s %-5s %9.1f %9.3f %9.3f %9.3f %8.1f %8.0f%%\n", name.c_str(), dtype.c_str(), bytes / 1e6,
                1e3 * r.median, 1e3 * r.best, 1e3 * r.worst, bytes / r.median / 1e9,
                100 * bytes / r.median / bandwidth_);
    std::fflush(stdout);
    results_.push_back(r);
  }

  void write_json(const std::string& path) const {
    std::ofstream out(path);
    out << "{\"device\": \"" << (queue_.on_cuda() ? "cuda" : "cpu") << "\", \"memory_bytes_per_second\": " << bandwidth_
        << ", \"threads\": " << omp_get_max_threads() << ", \"results\": [";
    for (size_t i = 0; i < results_.size(); ++i) {
      const Result& r = results_[i];
      out << (i > 0 ? "," : "") << "\n  {\"kernel\": \"" << r.name << "\", \"dtype\": \"" << r.dtype
          << "\", \"bytes\": " << r.bytes << ", \"median_seconds\": " << r.median << ", \"best_seconds\": " << r.best
          << ", \"worst_seconds\": " << r.worst << ", \"of_memory\": " << r.bytes / r.median / bandwidth_ << "}";
    }
    out << "\n]}\n";
    if (!out.flush()) throw Error(ErrorKind::Runtime, "cannot write " + path);
  }

 private:
  Timing timing_;
  Queue queue_;
  Stopwatch stopwatch_;
  double bandwidth_ = 0;
  std::vector<Result> results_;
};

// A benchmark's program: its command line, and errors as one line. run(timing, json) is called once; add_options(app)
// before the arguments are read. The return value is the exit status.
template <class AddOptions, class Run>
int program(int argc, char** argv, const char* description, int runs, const AddOptions& add_options, const Run& run) {
  CLI::App app(description);
  Timing timing{runs};
  std::string json;
  app.add_option("--runs", timing.runs, "timed runs of each")->check(CLI::PositiveNumber);
  app.add_flag("--cpu-time", timing.cpu_time, "one thread, CPU time");
  app.add_option("--json", json, "write the results there");
  add_options(app);
  CLI11_PARSE(app, argc, argv);
  if (timing.cpu_time) omp_set_num_threads(1);
  try {
    run(timing, json);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 1;
  }
}

// The program of a benchmark that fills one table, on --device cpu or cuda.
template <class Fill>
int table_program(int argc, char** argv, const char* description, const Fill& fill) {
  std::string device = "cpu";
  return program(
      argc, argv, description, 21,
      [&](CLI::App& app) {
        app.add_option("--device", device)->check(CLI::IsMember({"cpu", "cuda"}));
      },
      [&](Timing timing, const std::string& json) {
        timing.device = device == "cuda" ? DeviceKind::Cuda : DeviceKind::Cpu;
        Table table(timing);
        fill(table);
        if (!json.empty()) table.write_json(json);
      });
}

}  // namespace fovea::bench

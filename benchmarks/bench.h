// What the benchmarks of kernels share: timing and the command line; and for the memory-bound ones, state the bytes
// that work must move, compare with the memory bandwidth measured in the same run, print a table, write JSON.
#pragma once
#include <omp.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "kernels/error.h"

namespace fovea::bench {

// cpu_time: one thread and its CPU time, that is the rate of a core, for a machine that is busy with other work.
struct Timing {
  int runs;
  bool cpu_time = false;

  double now() const {
    timespec time;
    clock_gettime(cpu_time ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
    return time.tv_sec + 1e-9 * time.tv_nsec;
  }
  template <class Work>
  std::vector<double> sorted_seconds(const Work& work) const {
    std::vector<double> seconds;
    work();  // caches of code, pages of outputs
    for (int i = 0; i < runs; ++i) {
      const double start = now();
      work();
      seconds.push_back(now() - start);
    }
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

// The table of one run. The roofline is the rate at which all cores change a buffer much larger than the caches in
// place: what the memory moves. A kernel that writes another buffer than it reads can reach what the first row, a plain
// copy, reaches: before a line is written it is read, and those bytes are not declared.
class Table {
 public:
  explicit Table(const Timing& timing) : timing_(timing) {
    const int64_t n = int64_t{32} << 20;
    std::vector<float> from(n, 1.f), to(n, 1.f);
    const double bytes = 2. * n * sizeof(float);
    const auto seconds = timing_.sorted_seconds([n, y = to.data()] {
#pragma omp parallel for simd
      for (int64_t i = 0; i < n; ++i) y[i] = y[i] * 0.5f + 1.f;
    });
    bandwidth_ = bytes / seconds[seconds.size() / 2];
    std::printf("memory bandwidth (in place, median): %.1f GB/s, %d thread(s)\n", bandwidth_ / 1e9,
                omp_get_max_threads());
    std::printf("%-28s %-5s %9s %9s %9s %9s %8s %9s\n", "kernel", "", "MB", "median ms", "best ms", "worst ms", "GB/s",
                "of memory");
    run("copy", "fp32", bytes, [n, x = from.data(), y = to.data()] {
#pragma omp parallel for simd
      for (int64_t i = 0; i < n; ++i) y[i] = x[i] + 1.f;
    });
  }

  template <class Work>
  void run(const std::string& name, const std::string& dtype, double bytes, const Work& work) {
    const auto seconds = timing_.sorted_seconds(work);
    const Result r{name, dtype, bytes, seconds[seconds.size() / 2], seconds.front(), seconds.back()};
    std::printf("%-28s %-5s %9.1f %9.3f %9.3f %9.3f %8.1f %8.0f%%\n", name.c_str(), dtype.c_str(), bytes / 1e6,
                1e3 * r.median, 1e3 * r.best, 1e3 * r.worst, bytes / r.median / 1e9,
                100 * bytes / r.median / bandwidth_);
    std::fflush(stdout);
    results_.push_back(r);
  }

  void write_json(const std::string& path) const {
    std::ofstream out(path);
    out << "{\"memory_bytes_per_second\": " << bandwidth_ << ", \"threads\": " << omp_get_max_threads()
        << ", \"results\": [";
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

// The program of a benchmark that fills one table.
template <class Fill>
int table_program(int argc, char** argv, const char* description, const Fill& fill) {
  return program(
      argc, argv, description, 21, [](CLI::App&) {},
      [&](const Timing& timing, const std::string& json) {
        Table table(timing);
        fill(table);
        if (!json.empty()) table.write_json(json);
      });
}

}  // namespace fovea::bench

#include "benchmarks/bench.h"

#include <omp.h>

#include <cstdio>
#include <fstream>

#include "kernels/conv/gpu_libraries.h"
#include "kernels/error.h"

namespace fovea::bench {

Table::Table(const Timing& timing) : timing_(timing), queue_(timing.device), stopwatch_(queue_, timing.cpu_time) {
  const int64_t n = int64_t{32} << 20;
  Buffer<float> from(queue_, std::vector<float>(n, 1.f)), to(queue_, std::vector<float>(n, 1.f));
  const double bytes = 2. * n * sizeof(float);
  const auto in_place = [n, y = to.data()] {
#pragma omp parallel for simd
    for (int64_t i = 0; i < n; ++i) y[i] = y[i] * 0.5f + 1.f;
  };
  const auto device_copy = [&] { queue_.copy(to.data(), from.data(), n * sizeof(float)); };
  const auto seconds =
      queue_.on_cuda() ? timing_.sorted_seconds(stopwatch_, device_copy) : timing_.sorted_seconds(stopwatch_, in_place);
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

void Table::add(const std::string& name, const std::string& dtype, double bytes, const std::vector<double>& seconds) {
  const Result r{name, dtype, bytes, seconds[seconds.size() / 2], seconds.front(), seconds.back()};
  std::printf("%-28s %-5s %9.1f %9.3f %9.3f %9.3f %8.1f %8.0f%%\n", name.c_str(), dtype.c_str(), bytes / 1e6,
              1e3 * r.median, 1e3 * r.best, 1e3 * r.worst, bytes / r.median / 1e9, 100 * bytes / r.median / bandwidth_);
  std::fflush(stdout);
  results_.push_back(r);
}

void Table::write_json(const std::string& path) const {
  std::ofstream out(path);
  out << "{\"device\": \"" << (queue_.on_cuda() ? "cuda" : "cpu") << "\", \"memory_bytes_per_second\": " << bandwidth_
      << ", \"threads\": " << omp_get_max_threads() << ", \"libraries\": " << json_of(gpu_libraries())
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

int program(int argc, char** argv, const char* description, int runs, std::vector<Option> options,
            const std::function<void(const Timing&, const std::string& json)>& run) {
  Timing timing{runs};
  std::string json;
  options.insert(options.end(), {{"--runs", &timing.runs, "timed runs of each", Option::Positive},
                                 {"--cpu-time", &timing.cpu_time, "one thread, CPU time"},
                                 {"--json", &json, "write the results there"}});
  return command(argc, argv, description, options, [&] {
    if (timing.cpu_time) omp_set_num_threads(1);
    run(timing, json);
  });
}

int table_program(int argc, char** argv, const char* description, const std::function<void(Table&)>& fill) {
  std::string device = "cpu", kernel;
  const Option where{"--device", &device, "where the kernels run", Option::Any, {"cpu", "cuda"}};
  const Option which{"--kernel", &kernel, "time only the kernels whose name contains this"};
  return program(argc, argv, description, 21, {where, which}, [&](Timing timing, const std::string& json) {
    timing.device = device == "cuda" ? DeviceKind::Cuda : DeviceKind::Cpu;
    timing.kernel = kernel;
    Table table(timing);
    fill(table);
    if (!json.empty()) table.write_json(json);
  });
}

}  // namespace fovea::bench

// Every kind of CUDA call fails once, at its first, middle and last time in a short run, and a sample of all
// calls: the program ends with one clear line and its exit code, or goes on where that is right.
#include <algorithm>
#include <set>

#include "kernels/activation.h"
#include "kernels/device/memory.h"
#include "kernels/launch/cpu_kernel.h"
#include "tests/cuda/program.h"
#include "tests/standin/standin.h"
#include "tests/support/catch.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

namespace {

struct Fault {
  std::string call;
  int64_t number;
  cudaError_t error;
};

// Calls whose failure ends nothing: they release what is not needed any more, while or after the work is done.
bool only_releases(const std::string& call) {
  static const std::set<std::string> releasing{"cudaFree",         "cudaFreeHost",     "cudaStreamDestroy",
                                               "cudaEventDestroy", "cudaGraphDestroy", "cudaGraphExecDestroy"};
  return releasing.count(call) == 1;
}

// The counts of the report's object "calls".
std::map<std::string, int64_t> calls_of(const std::string& report) {
  std::map<std::string, int64_t> calls;
  const size_t begin = report.find('{', report.find("\"calls\"")), end = report.find('}', begin);
  for (size_t at = report.find('"', begin); at < end; at = report.find('"', report.find(',', at))) {
    const size_t close = report.find('"', at + 1);
    calls[report.substr(at + 1, close - at - 1)] = std::stoll(report.substr(close + 2));
    if (report.find(',', at) > end) break;
  }
  return calls;
}

std::vector<Fault> faults_for(const std::string& report, int64_t sampled) {
  std::vector<Fault> faults;
  for (const auto& [call, count] : calls_of(report)) {
    for (const int64_t number : std::set<int64_t>{1, (count + 1) / 2, count})
      faults.push_back({call, number, cudaErrorIllegalAddress});
    faults.push_back({call, count, cudaErrorMemoryAllocation});
  }
  const int64_t all = reported(report, "total_calls");
  for (int64_t i = 0; i < sampled; ++i)
    faults.push_back(
        {"*", 1 + i * (all - 1) / (sampled - 1), i % 2 == 0 ? cudaErrorInvalidValue : cudaErrorLaunchFailure});
  return faults;
}

void check_ends_well(const ProcessResult& result, const Fault& fault) {
  CAPTURE(fault.call, fault.number, fault.error, result.exit_code, result.err);
  const bool out_of_memory = fault.error == cudaErrorMemoryAllocation;
  if (result.exit_code == 0) {  // memory is asked for again after what is cached was given back, or without recordings
    const bool gave_way =
        out_of_memory && (fault.call == "cudaMalloc" || result.err.find("continuing without them") < 100);
    CHECK((only_releases(fault.call) || fault.call == "*" || gave_way));
    return;
  }
  // What cannot be found out about a GPU is a reason not to use it, whatever the error.
  const bool asks = fault.call.rfind("cudaGetDevice", 0) == 0 || fault.call.find("Version") != std::string::npos ||
                    fault.call == "cudaFuncGetAttributes";
  CHECK((result.exit_code == (out_of_memory ? 5 : 1) || (asks && result.exit_code == 1)));
  CHECK(result.err.rfind("fovea: ", 0) == 0);
  if (result.exit_code == 1) CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
  if (out_of_memory && result.exit_code == 5) CHECK_THAT(result.err, Contains("train.batch"));
}

}  // namespace

TEST_CASE("standin: fault: a training in which any CUDA call fails ends with a line, a code and whole files",
          "[standin][fault]") {
  const ShortRuns runs(2, 1);
  const std::string precision = "bf16";  // in which matmuls of cuBLASLt's are taken (matmul_test.cpp)
  const auto whole =
      run_standin(runs.train("whole", "cuda", 2, precision), "FOVEA_STANDIN_REPORT=" + runs.path("report.json"));
  REQUIRE(whole.exit_code == 0);
  const std::string expected = read_text(runs.path("whole") + "/last.safetensors");
  for (const Fault& fault : faults_for(read_text(runs.path("report.json")), 20)) {
    fs::remove_all(runs.path("run"));
    const auto result = run_standin(
        runs.train("run", "cuda", 2, precision),
        fmt::format("FOVEA_STANDIN_FAIL='{}:{}:{}'", fault.call, fault.number, static_cast<int>(fault.error)));
    check_ends_well(result, fault);
    CAPTURE(fault.call, fault.number);
    for (const char* name : {"last", "best", "previous"}) {
      const fs::path file = fs::path(runs.path("run")) / (std::string(name) + ".safetensors");
      if (fs::exists(file)) CHECK_NOTHROW(SafetensorsFile(file));
    }
    if (result.exit_code == 0) CHECK((read_text(runs.path("run") + "/last.safetensors") == expected));
  }
}

TEST_CASE("standin: fault: a detection in which any CUDA call fails ends with a line and a code", "[standin][fault]") {
  const ShortRuns runs(2, 1);
  REQUIRE(run_standin(runs.train("run", "cpu", 1)).exit_code == 0);
  const std::vector<std::string> detect{"detect",    (runs.data / "val").string(),
                                        "--weights", runs.path("run") + "/last.safetensors",
                                        "--device",  "cuda",
                                        "--out",     runs.path("found")};
  REQUIRE(run_standin(detect, "FOVEA_STANDIN_REPORT=" + runs.path("report.json")).exit_code == 0);
  for (const Fault& fault : faults_for(read_text(runs.path("report.json")), 20)) {
    fs::remove_all(runs.path("found"));
    check_ends_well(run_standin(detect, fmt::format("FOVEA_STANDIN_FAIL='{}:{}:{}'", fault.call, fault.number,
                                                    static_cast<int>(fault.error))),
                    fault);
  }
}

TEST_CASE("standin: fault: a training that does not fit says what needs the memory, exit code 5", "[standin][fault]") {
  const ShortRuns runs(2, 1);
  const auto result = run_standin(runs.train("run", "cuda", 1), "FOVEA_STANDIN_MEMORY=3000000");
  CAPTURE(result.err);
  CHECK(result.exit_code == 5);
  CHECK_THAT(result.err, Contains("train.batch=2 does not fit") && Contains("optimizer state"));
}

TEST_CASE("standin: fault: an error of a launch says the kernel, its sizes and the error", "[standin][fault]") {
  Queue queue(DeviceKind::Cuda);
  Allocator& memory = queue.memory();
  auto* data = static_cast<float*>(memory.allocate(4000, MemoryUse::Data));
  queue.fill_zero(data, 4000);
  standin::fail("cudaLaunchKernel", 1, cudaErrorInvalidConfiguration);
  CHECK_THROWS_WITH(kernels::add_into(queue, 1000, data, data),
                    Contains("kernel add") && Contains("1000") && Contains("grid ") && Contains("block 256 x 1 x 1") &&
                        Contains("cudaErrorInvalidConfiguration"));
  CHECK_NOTHROW(kernels::add_into(queue, 1000, data, data));  // and no later launch is blamed for it
  memory.free(data);
}

TEST_CASE("standin: launches beyond the device's limits are refused", "[standin][fault]") {
  Queue queue(DeviceKind::Cuda);
  REQUIRE(launch::CpuKernel::first() != nullptr);
  const void* kernel = launch::CpuKernel::first()->kernel;
  const auto stream = static_cast<cudaStream_t>(queue.stream());
  CHECK(cudaLaunchKernel(kernel, 1, 2048, nullptr, 0, stream) == cudaErrorInvalidConfiguration);
  CHECK(cudaLaunchKernel(kernel, dim3(1, 65536), 256, nullptr, 0, stream) == cudaErrorInvalidConfiguration);
  CHECK(cudaLaunchKernel(kernel, 0, 256, nullptr, 0, stream) == cudaErrorInvalidConfiguration);
  CHECK(cudaLaunchKernel(kernel, 1, 256, nullptr, 100000, stream) == cudaErrorInvalidConfiguration);
  CHECK(cudaLaunchKernel(&queue, 1, 256, nullptr, 0, stream) == cudaErrorInvalidDeviceFunction);
  cudaGetLastError();
}

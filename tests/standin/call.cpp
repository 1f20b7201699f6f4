// Calls counted, failed on demand, reported at exit; errors as the runtime keeps them.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <numeric>
#include <set>
#include <stdexcept>
#include <utility>

#include "tests/standin/state.h"

namespace standin {
namespace {

const char* variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

int64_t number(const char* name, int64_t otherwise) {
  const std::string value = variable(name);
  return value.empty() ? otherwise : std::stoll(value);
}

// Errors after which a real context is lost.
bool sticks(cudaError_t error) {
  return error == cudaErrorIllegalAddress || error == cudaErrorLaunchFailure || error == cudaErrorAssert ||
         error == cudaErrorMisalignedAddress || error == cudaErrorECCUncorrectable;
}

// Whether the call makes a context on the device, where there is none.
bool uses_device(const std::string& call) {
  static const std::set<std::string> asking{"cudaDriverGetVersion",   "cudaRuntimeGetVersion", "cudaGetDeviceCount",
                                            "cudaGetDevice",          "cudaDeviceReset",       "cudaDeviceGetAttribute",
                                            "cudaGetDeviceProperties"};
  return asking.count(call) == 0;
}

// Has the device for this process, or not.
bool taken(State& s) {
  if (s.lock < 0) s.lock = open(s.exclusive.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  return flock(s.lock, LOCK_EX | LOCK_NB) == 0;
}

std::string json(const std::map<std::string, int64_t>& counts) {
  std::string text;
  for (const auto& [name, count] : counts)
    text += (text.empty() ? "" : ", ") + ("\"" + name) + "\": " + std::to_string(count);
  return "{" + text + "}";
}

std::string json(const std::vector<int64_t>& numbers) {
  std::string text;
  for (const int64_t n : numbers) text += (text.empty() ? "" : ", ") + std::to_string(n);
  return "[" + text + "]";
}

std::string json(const Report& r) {
  const auto field = [](const char* name, int64_t value) {
    return ",\n  \"" + std::string(name) + "\": " + std::to_string(value);
  };
  return "{\n  \"calls\": " + json(r.calls) + ",\n  \"launches\": " + json(r.launches) +
         ",\n  \"graph_nodes\": " + json(r.graph_nodes) + ",\n  \"graph_launches\": " + json(r.graph_launches) +
         field("total_calls", total(r.calls)) + field("total_launches", total(r.launches)) +
         field("replays", r.replays) + field("allocations_in_capture", r.allocations_in_capture) +
         field("waits_in_capture", r.waits_in_capture) + field("memory_at_exit", r.memory) +
         field("peak_memory", r.peak_memory) + field("pinned_memory_at_exit", r.pinned_memory) +
         field("streams_at_exit", r.streams) + field("events_at_exit", r.events) + field("graphs_at_exit", r.graphs) +
         "\n}\n";
}

void write_report() {
  std::ofstream file(variable("FOVEA_STANDIN_REPORT"));
  file << json(report());
}

}  // namespace

State::State() {
  const std::string fail = variable("FOVEA_STANDIN_FAIL");
  if (!fail.empty()) {
    const size_t first = fail.find(':'), second = fail.find(':', first + 1);
    if (second == std::string::npos) throw std::invalid_argument("FOVEA_STANDIN_FAIL is CALL:N:ERROR");
    fail_call = fail.substr(0, first);
    fail_number = std::stoll(fail.substr(first + 1, second - first - 1));
    const std::map<std::string, cudaError_t> words{{"nothing", kNothing}, {"hang", kHang}, {"crash", kCrash}};
    const auto word = words.find(fail.substr(second + 1));
    fail_error = word != words.end() ? word->second : static_cast<cudaError_t>(std::stoi(fail.substr(second + 1)));
  }
  skip = variable("FOVEA_STANDIN_SKIP");
  exclusive = variable("FOVEA_STANDIN_EXCLUSIVE");
  dry = number("FOVEA_STANDIN_DRY", 0) != 0;
  const std::map<std::string, Order> orders{{"", Order::Submitted},
                                            {"submitted", Order::Submitted},
                                            {"adverse", Order::Adverse},
                                            {"concurrent", Order::Concurrent}};
  order = orders.at(variable("FOVEA_STANDIN_ORDER"));
  memory_limit = number("FOVEA_STANDIN_MEMORY", device_fact("totalGlobalMem"));
  driver = static_cast<int>(number("FOVEA_STANDIN_DRIVER", driver));
  devices = static_cast<int>(number("FOVEA_STANDIN_DEVICES", devices));
  name = variable("FOVEA_STANDIN_NAME");
  if (name.empty()) name = "stand-in for NVIDIA H200";
  multiprocessors = static_cast<int>(number("FOVEA_STANDIN_MULTIPROCESSORS", device_fact("multiProcessorCount")));
  const std::string capability = variable("FOVEA_STANDIN_CAPABILITY");
  if (!capability.empty()) {
    major = std::stoi(capability);
    minor = std::stoi(capability.substr(capability.find('.') + 1));
  }
  if (*variable("FOVEA_STANDIN_REPORT") != '\0') std::atexit(write_report);
}

State& state() {
  static State& only = *new State;  // outlives whatever calls the runtime at exit
  return only;
}

int64_t device_fact(const std::string& name) {
  static const std::string facts = [] {
    std::ifstream file(FOVEA_TEST_DATA "/h200_device_properties.json");
    return std::string{std::istreambuf_iterator<char>(file), {}};
  }();
  const size_t at = facts.find("\"" + name + "\":");
  if (at == std::string::npos) throw std::runtime_error("h200_device_properties.json does not say " + name);
  return std::stoll(facts.substr(at + name.size() + 3));
}

cudaError_t& last_error() {
  thread_local cudaError_t error = cudaSuccess;
  return error;
}

cudaError_t admit(const char* call) {
  State& s = state();
  ++s.counts.calls[call];
  const int64_t of_all = ++s.call_number, of_its_kind = ++s.numbers[call];
  if (s.sticky != cudaSuccess) return s.sticky;
  if (!s.exclusive.empty() && uses_device(call) && !taken(s)) return cudaErrorDevicesUnavailable;
  const bool fails = s.fail_call == "*" ? of_all == s.fail_number : s.fail_call == call && of_its_kind == s.fail_number;
  if (!fails) return cudaSuccess;
  while (s.fail_error == kHang) pause();
  if (s.fail_error == kCrash) std::raise(SIGSEGV);
  if (sticks(s.fail_error)) s.sticky = s.fail_error;
  return s.fail_error;
}

bool computes(const std::string& name) {
  const State& s = state();
  return !s.dry && (s.skip.empty() || name.find(s.skip) == std::string::npos);
}

cudaError_t remember(cudaError_t status) {
  if (status != cudaSuccess) last_error() = status;
  return status;
}

Report report() {
  const std::lock_guard lock(state().mutex);
  Report all = state().counts;
  all.streams = static_cast<int64_t>(state().streams.size());
  all.events = static_cast<int64_t>(state().events.size());
  all.graphs = static_cast<int64_t>(state().graphs.size());
  return all;
}

void reset_report() {
  const std::lock_guard lock(state().mutex);
  Report fresh;
  fresh.memory = fresh.peak_memory = state().counts.memory;
  fresh.pinned_memory = state().counts.pinned_memory;
  state().counts = fresh;
}

bool set_dry(bool dry) { return std::exchange(state().dry, dry); }

bool set_adverse_order(bool adverse) {
  const std::lock_guard lock(state().mutex);
  finish_all();
  return std::exchange(state().order, adverse ? Order::Adverse : Order::Submitted) == Order::Adverse;
}

int set_devices(int count) { return std::exchange(state().devices, count); }

Capability set_capability(Capability capability) {
  return {std::exchange(state().major, capability.major), std::exchange(state().minor, capability.minor)};
}

int64_t memory() { return state().memory_limit; }
int64_t set_memory(int64_t bytes) { return std::exchange(state().memory_limit, bytes); }

void fail(const std::string& call, int64_t n, cudaError_t error) {
  State& s = state();
  s.fail_call = call;
  s.fail_number = n == 0 ? 0 : n + (call == "*" ? s.call_number : s.numbers[call]);
  s.fail_error = error;
}

int64_t total(const std::map<std::string, int64_t>& counts) {
  return std::accumulate(counts.begin(), counts.end(), int64_t{0},
                         [](int64_t sum, const auto& entry) { return sum + entry.second; });
}

}  // namespace standin

cudaError_t cudaGetLastError() {
  const cudaError_t error = standin::last_error();
  standin::last_error() = standin::state().sticky;
  return error;
}

cudaError_t cudaPeekAtLastError() { return standin::last_error(); }

const char* cudaGetErrorName(cudaError_t error) {
  static const std::map<int, const char*> names{{1, "cudaErrorInvalidValue"},
                                                {2, "cudaErrorMemoryAllocation"},
                                                {9, "cudaErrorInvalidConfiguration"},
                                                {46, "cudaErrorDevicesUnavailable"},
                                                {35, "cudaErrorInsufficientDriver"},
                                                {98, "cudaErrorInvalidDeviceFunction"},
                                                {100, "cudaErrorNoDevice"},
                                                {101, "cudaErrorInvalidDevice"},
                                                {209, "cudaErrorNoKernelImageForDevice"},
                                                {400, "cudaErrorInvalidResourceHandle"},
                                                {600, "cudaErrorNotReady"},
                                                {700, "cudaErrorIllegalAddress"},
                                                {719, "cudaErrorLaunchFailure"},
                                                {900, "cudaErrorStreamCaptureUnsupported"},
                                                {901, "cudaErrorStreamCaptureInvalidated"},
                                                {904, "cudaErrorStreamCaptureUnjoined"},
                                                {905, "cudaErrorStreamCaptureIsolation"},
                                                {907, "cudaErrorCapturedEvent"}};
  const auto found = names.find(static_cast<int>(error));
  return found != names.end() ? found->second : "unnamed error of the stand-in";
}

const char* cudaGetErrorString(cudaError_t error) {
  thread_local std::string text;
  text = "error " + std::to_string(static_cast<int>(error)) + " of the stand-in";
  return text.c_str();
}

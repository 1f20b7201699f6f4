// Who started this process as one of several ranks, by the environment variables of launchers.
#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <optional>

#include "engine/distributed/communicator.h"

namespace fovea {

namespace {

std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? std::optional<std::string>(value) : std::nullopt;
}

int number(const char* name, int low, int high) {
  const std::string text = variable(name).value_or("");
  int value = 0;
  const auto end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, value);
  if (failure != std::errc() || stop != end || value < low || value > high)
    throw Error(ErrorKind::Usage,
                fmt::format("environment variable {}='{}': expected a number from {} to {}", name, text, low, high));
  return value;
}

constexpr int kMostRanks = 65536;

Launch tcp(const char* rank, const char* size) {
  Launch launch{Launch::Kind::Tcp};
  launch.start.size = number(size, 1, kMostRanks);
  launch.start.rank = number(rank, 0, launch.start.size - 1);
  if (launch.start.size == 1) launch.kind = Launch::Kind::Alone;
  return launch;
}

Launch by_torchrun() {
  Launch launch = tcp("RANK", "WORLD_SIZE");
  if (launch.kind == Launch::Kind::Alone) return launch;
  const auto address = variable("MASTER_ADDR");
  if (!address || !variable("MASTER_PORT"))
    throw Error(ErrorKind::Usage, fmt::format("WORLD_SIZE={} asks for several ranks: set MASTER_ADDR and MASTER_PORT "
                                              "to the address of rank 0",
                                              launch.start.size));
  launch.start.address = *address;
  // torchrun's agent listens at MASTER_PORT itself; it says so.
  const bool taken = variable("TORCHELASTIC_USE_AGENT_STORE") == "True";
  launch.start.port = number("MASTER_PORT", 1, 65534) + (taken ? 1 : 0);
  return launch;
}

// The first name of a list such as "gpu[07-09,12],cpu1": gpu07.
std::string first_node(const std::string& list) {
  const size_t end = list.find_first_of(",[");
  std::string name = list.substr(0, end);
  if (end == std::string::npos || list[end] == ',') return name;
  const size_t number_end = list.find_first_of(",-]", end);
  return name + list.substr(end + 1, number_end - end - 1);
}

Launch by_slurm() {
  Launch launch = tcp("SLURM_PROCID", "SLURM_NTASKS");
  if (launch.kind == Launch::Kind::Alone) return launch;
  auto nodes = variable("SLURM_STEP_NODELIST");
  if (!nodes) nodes = variable("SLURM_JOB_NODELIST");
  if (!nodes && !variable("MASTER_ADDR"))
    throw Error(ErrorKind::Usage,
                "SLURM_NTASKS asks for several ranks, but SLURM_JOB_NODELIST is not set: set MASTER_ADDR");
  launch.start.address = variable("MASTER_ADDR").value_or(nodes ? first_node(*nodes) : "");
  launch.start.port = variable("MASTER_PORT")    ? number("MASTER_PORT", 1, 65535)
                      : variable("SLURM_JOB_ID") ? 20000 + number("SLURM_JOB_ID", 0, INT32_MAX) % 20000
                                                 : 29400;
  return launch;
}

Launch by_mpi(const char* size) {
  Launch launch{Launch::Kind::Mpi};
  launch.start.size = number(size, 1, kMostRanks);
  if (launch.start.size == 1) launch.kind = Launch::Kind::Alone;
  return launch;
}

}  // namespace

// What was set by hand counts first; SLURM before PMI, which srun sets besides.
Launch launch_of_environment() {
  if (variable("RANK") && variable("WORLD_SIZE")) return by_torchrun();
  if (variable("OMPI_COMM_WORLD_SIZE")) return by_mpi("OMPI_COMM_WORLD_SIZE");
  // A batch script sees the job's tasks too, but is none of them: only srun sets SLURM_LOCALID and SLURM_STEP_ID.
  if (variable("SLURM_PROCID") && variable("SLURM_NTASKS") && variable("SLURM_STEP_ID")) return by_slurm();
  if (variable("PMI_SIZE")) return by_mpi("PMI_SIZE");
  return {};
}

std::unique_ptr<Communicator> connect_ranks(const RankOptions& options) {
  Launch launch = launch_of_environment();
  launch.start.timeout = options.timeout;
  if (launch.kind == Launch::Kind::Alone) return std::make_unique<Communicator>();
  return std::make_unique<Communicator>(
      launch.kind == Launch::Kind::Mpi ? connect_mpi(launch.start.size, options.timeout) : connect_tcp(launch.start));
}

}  // namespace fovea

// What takes the place of nccl.cpp in builds without NCCL.
#include <fmt/format.h>

#include <memory>

#include "engine/distributed/communicator.h"
#include "engine/distributed/transport.h"
#include "kernels/advice.h"
#include "kernels/error.h"

namespace fovea {

GpuLibrary nccl_library() { return {.name = "NCCL", .problem = "not in this build: its header was not found"}; }

std::unique_ptr<DeviceCollectives> connect_nccl(Communicator&, Transport&) {
  throw Error(ErrorKind::Runtime,
              fmt::format("this build has no NCCL, which several GPUs need: configure with -DFOVEA_CUDA=ON where "
                          "nccl.h is installed, or {}",
                          advise(advice::kUseCpu)));
}

}  // namespace fovea

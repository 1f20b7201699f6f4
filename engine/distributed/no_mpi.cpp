// What takes the place of mpi.cpp in builds without MPI.
#include <fmt/format.h>

#include <memory>

#include "engine/distributed/transport.h"
#include "kernels/error.h"

namespace fovea {

std::unique_ptr<Transport> connect_mpi(int size, double) {
  throw Error(ErrorKind::Usage,
              fmt::format("started by mpirun as one of {} ranks, but this build has no MPI: configure with "
                          "-DFOVEA_MPI=ON, or set RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT",
                          size));
}

}  // namespace fovea

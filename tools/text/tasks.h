// Work that falls into tasks, on threads that live as long as it: unlike OpenMP's these may be started in a child that
// was made by fork(), and burn no time once there is nothing to do.
#pragma once
#include <cstddef>
#include <functional>

namespace fovea {

// Calls task(0, worker) … task(count - 1, worker), in this order, on up to `workers` threads, of which this is one;
// `worker`, below `workers`, says which. Of what tasks throw, that of the first one is rethrown; tasks after it may
// have been left out.
void run_tasks(size_t count, size_t workers, const std::function<void(size_t task, size_t worker)>& task);

// As many as OpenMP would use.
size_t usual_workers();

}  // namespace fovea

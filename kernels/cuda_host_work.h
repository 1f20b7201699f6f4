// Work of the CPU in a GPU queue's order: what the stand-in for the CUDA runtime (tests/standin) convolves with.
#pragma once
#include <functional>

#include "kernels/queue.h"

namespace fovea {

// Linked to the stand-in: does `work` in its place in the queue's stream, also within a recording. Otherwise an Error.
void submit_host_work(Queue& queue, const char* name, const std::function<void()>& work);

}  // namespace fovea

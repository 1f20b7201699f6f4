// Threads where the system may have no more of them, or no memory for their stacks.
#pragma once
#include <cstddef>
#include <functional>
#include <thread>
#include <vector>

namespace fovea {

// Up to `count` threads, at least one, that each run `work`. Throws Error(Runtime) where not even one can be started.
std::vector<std::thread> start_threads(size_t count, const std::function<void()>& work);

// Throws Error(Runtime), with what to do, where the threads that OpenMP is about to start cannot all be had: its
// library would end the program in its own way.
void require_openmp_threads();

// Throws Error(OutOfMemory) where the system does not give `bytes` more: asked before libraries that crash without
// them.
void require_memory(size_t bytes, const char* what);

}  // namespace fovea

// Threads of the library's own, in the caller's process.
#pragma once
#include <functional>
#include <thread>

namespace fovea::api {

// Takes no signals: handlers of the program run in its own threads. Its rounding mode is the default one, whatever the
// caller's is. `purpose` is for the message of Refused(RUNTIME), where no thread can be made. `work` throws nothing.
std::thread quiet_thread(const char* purpose, std::function<void()> work);

// How many threads of OpenMP the calling thread uses; 0: as many as it takes by itself. Throws where that cannot be.
void use_threads(int threads);

}  // namespace fovea::api

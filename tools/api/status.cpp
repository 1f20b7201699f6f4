#include "tools/api/status.h"

#include <new>
#include <utility>

#include "kernels/error.h"

namespace fovea::api {

namespace {

static_assert(static_cast<int>(ErrorKind::Runtime) == FOVEA_ERROR_RUNTIME);
static_assert(static_cast<int>(ErrorKind::Usage) == FOVEA_ERROR_USAGE);
static_assert(static_cast<int>(ErrorKind::Data) == FOVEA_ERROR_DATA);
static_assert(static_cast<int>(ErrorKind::Diverged) == FOVEA_ERROR_DIVERGED);
static_assert(static_cast<int>(ErrorKind::OutOfMemory) == FOVEA_ERROR_MEMORY);
static_assert(static_cast<int>(ErrorKind::Interrupted) == FOVEA_ERROR_INTERRUPTED);

Failure out_of_memory() {
  return {.status = FOVEA_ERROR_MEMORY, .message = "out of memory"};  // short enough to need none
}

Failure described_failure() {
  try {
    throw;
  } catch (const DeviceError& error) {
    return {.status = error.exit_code(), .message = error.what(), .of_device = true};
  } catch (const Error& error) {
    return {.status = error.exit_code(), .message = error.what()};
  } catch (const Refused& error) {
    return {.status = error.status(), .message = error.what()};
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  } catch (const std::exception& error) {
    return {.status = FOVEA_ERROR_RUNTIME, .message = std::string("internal error: ") + error.what()};
  } catch (...) {
    return {.status = FOVEA_ERROR_RUNTIME, .message = "internal error"};
  }
}

std::string& message_of_thread() noexcept {
  thread_local std::string message;
  return message;
}

}  // namespace

Failure current_failure() noexcept {
  try {
    return described_failure();
  } catch (...) {  // no memory for the words
    return out_of_memory();
  }
}

fovea_status tell(Failure failure) noexcept {
  message_of_thread() = std::move(failure.message);
  return failure.status;
}

const char* last_message() noexcept { return message_of_thread().c_str(); }

}  // namespace fovea::api

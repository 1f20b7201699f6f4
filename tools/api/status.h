// From exceptions to what the C API tells: a code, and a message of this thread.
#pragma once
#include <stdexcept>
#include <string>

#include "tools/api/fovea.h"

namespace fovea::api {

struct Failure {
  fovea_status status = FOVEA_OK;
  std::string message;
  bool of_device = false;  // which can't be used any more
};

// An error with a code of its own: of the caller's arguments, or one that another thread met.
class Refused : public std::runtime_error {
 public:
  Refused(fovea_status status, const std::string& message) : std::runtime_error(message), status_(status) {}
  fovea_status status() const { return status_; }

 private:
  fovea_status status_;
};

// An argument makes no sense; `message` begins with its name.
[[noreturn]] inline void bad_argument(const std::string& message) { throw Refused(FOVEA_ERROR_USAGE, message); }

// Of the exception that is being handled.
Failure current_failure() noexcept;

// Keeps it as this thread's message.
fovea_status tell(Failure failure) noexcept;
const char* last_message() noexcept;

// What every function of the C API does around its work.
template <class Body>
fovea_status guarded(const Body& body) noexcept {
  try {
    body();
    return FOVEA_OK;
  } catch (...) {
    return tell(current_failure());
  }
}

}  // namespace fovea::api

// The one exception type. Its kind is the process's exit code; its text says what, where, and what to do.
#pragma once
#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>

namespace fovea {

enum class ErrorKind { Runtime = 1, Usage = 2, Data = 3, Diverged = 4, OutOfMemory = 5, Interrupted = 130 };

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const { return kind_; }
  int exit_code() const { return static_cast<int>(kind_); }

 private:
  ErrorKind kind_;
};

// A device that failed: what it holds can't be relied on, and going on makes no sense.
class DeviceError : public Error {
 public:
  using Error::Error;
};

// Not inlined: a call of require() is a comparison and a jump.
[[noreturn, gnu::noinline]] inline void internal_error(const char* failure, const std::source_location& place) {
  std::string_view path = place.file_name();
  while (path.starts_with("../")) path.remove_prefix(3);  // seen from the build's folder
  throw Error(ErrorKind::Runtime, std::string("internal error: ") + failure + " (" + std::string(path) + ":" +
                                      std::to_string(place.line()) + ")");
}

// A promise of the program to itself: broken only by a bug in the program, never by bad input. `failure`: what is wrong
// then.
inline void require(bool holds, const char* failure, std::source_location place = std::source_location::current()) {
  if (!holds) internal_error(failure, place);
}

}  // namespace fovea

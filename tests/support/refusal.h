// What is said of what is refused.
#pragma once
#include <string>
#include <utility>

#include "kernels/error.h"
#include "tests/support/catch.h"

namespace fovea::test {

// The message of the Error that `run` throws, which must be of this kind; "no error" where it throws none.
template <class Run>
std::string refusal_of(Run&& run, ErrorKind kind = ErrorKind::Data) {
  try {
    std::forward<Run>(run)();
  } catch (const Error& error) {
    CHECK(error.kind() == kind);
    return error.what();
  }
  return "no error";
}

}  // namespace fovea::test

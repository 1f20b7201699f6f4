#include "kernels/device/environment.h"

#include "tests/support/catch.h"
#include "tests/support/variable.h"

using namespace fovea;
using test::Variable;

TEST_CASE("what is kept for the next process is below XDG_CACHE_HOME, else in the home folder", "[environment]") {
  const Variable home("HOME", "/home/x");
  {
    const Variable cache("XDG_CACHE_HOME", "/cache");
    CHECK(cache_folder() == "/cache/fovea");
  }
  const Variable cache("XDG_CACHE_HOME", "");
  CHECK(cache_folder() == "/home/x/.cache/fovea");
  const Variable none("HOME", "");
  CHECK(cache_folder().empty());
}

TEST_CASE("a variable that is empty says as little as one that is not set", "[environment]") {
  const Variable empty("FOVEA_NOSUCHTHING", "");
  CHECK(environment("FOVEA_NOSUCHTHING") == nullptr);
  CHECK(environment("FOVEA_NOR_THIS") == nullptr);
  CHECK(environment(nullptr) == nullptr);
}

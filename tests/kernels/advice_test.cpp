// Advice in error texts: the library's words, and what a program adds to them.
#include "kernels/advice.h"

#include <map>
#include <string>

#include "kernels/device/queue_parts.h"
#include "tests/support/catch.h"

using namespace fovea;

TEST_CASE("advice is the library's words, to which a program adds how its users follow it", "[advice]") {
  CHECK(advise(advice::kUseCpu) == "use the CPU");
  const std::map<std::string, std::string> ways{{advice::kUseCpu, "--device cpu"}};
  const ScopedValue program(ways_to_follow_advice(), ways);
  CHECK(advise(advice::kUseCpu) == "use the CPU (--device cpu)");
  CHECK(advise(advice::kUseFp32) == "use fp32");
}

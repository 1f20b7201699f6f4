// Catch2 under one name: version 2 (Debian 12) or 3 (Debian 13).
#pragma once
#define CATCH_CONFIG_FAST_COMPILE  // an exception inside an assertion ends its test
#include <cstdlib>
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
namespace Catch {  // the names of version 2
inline Matchers::StringContainsMatcher Contains(const std::string& text) { return Matchers::ContainsSubstring(text); }
using Matchers::EndsWith;
using Matchers::StartsWith;
}  // namespace Catch
#define FOVEA_END_AS_SKIPPED(text) SKIP(text)
#else
#include <catch2/catch.hpp>
#define FOVEA_END_AS_SKIPPED(text) \
  do {                             \
    WARN(text);                    \
    return;                        \
  } while (false)
#endif

// SKIP_TEST("why"): the first line of a test that cannot run on this machine. CTest knows it by these words, and
// reports the test as skipped. Where FOVEA_TEST_EVERYTHING is set (.ci/run sets it) the test fails.
#define SKIP_TEST(why)                                                                                   \
  do {                                                                                                   \
    if (std::getenv("FOVEA_TEST_EVERYTHING") != nullptr) FAIL("FOVEA_TEST_EVERYTHING is set, but " why); \
    FOVEA_END_AS_SKIPPED("this test cannot run here: " why);                                             \
  } while (false)

// Catch2 under one name: version 2 (Debian 12) or 3.
#pragma once
#define CATCH_CONFIG_FAST_COMPILE  // an exception inside an assertion ends its test
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
namespace Catch {  // the names of version 2
inline Matchers::StringContainsMatcher Contains(const std::string& text) { return Matchers::ContainsSubstring(text); }
using Matchers::EndsWith;
using Matchers::StartsWith;
}  // namespace Catch
#else
#include <catch2/catch.hpp>
#endif

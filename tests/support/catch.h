// Catch2 under one name: version 2 (Debian 12) or 3.
#pragma once
#define CATCH_CONFIG_FAST_COMPILE  // an exception inside an assertion ends its test
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>
#endif

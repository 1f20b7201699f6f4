// What the options' values may be. Bounds are refused in a few words: CLI11's own name the largest double in all its
// digits.
#pragma once
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace fovea {

inline CLI::Validator bound(const std::string& words, bool (*holds)(double value, double bound), double limit) {
  return CLI::Validator(
      [=](const std::string& word) {
        double value = 0;
        return CLI::detail::lexical_cast(word, value) && holds(value, limit) ? std::string() : "must be " + words;
      },
      /*validator_desc=*/"");
}
inline CLI::Validator at_least(int least) {
  return bound(fmt::format("at least {}", least), [](double value, double limit) { return value >= limit; }, least);
}
inline CLI::Validator between(int low, int high) {
  return CLI::Validator(
      [=](const std::string& word) {
        double value = 0;
        const bool holds = CLI::detail::lexical_cast(word, value) && value >= low && value <= high;
        return holds ? std::string() : fmt::format("must be from {} to {}", low, high);
      },
      /*validator_desc=*/"");
}
inline CLI::Validator above_zero() {
  return bound("above 0", [](double value, double limit) { return value > limit; }, 0);
}

// Words that help and completion name, and what uses the value checks.
inline CLI::Validator suggested(const std::vector<std::string>& words) {
  return {[](std::string&) { return std::string(); }, "{" + CLI::detail::join(words, ",") + "}"};
}

}  // namespace fovea

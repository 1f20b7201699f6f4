// What the options' values may be. Bounds are refused in a few words: CLI11's own name the largest double in all its
// digits.
#pragma once
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <climits>
#include <cmath>
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
// A whole number.
inline CLI::Validator at_least(int least, int most = INT_MAX) {
  return CLI::Validator(
      [=](const std::string& word) {
        double value = 0;
        if (!CLI::detail::lexical_cast(word, value) || value != std::floor(value))
          return std::string("must be a whole number");
        if (value < least) return fmt::format("must be at least {}", least);
        return value > most ? fmt::format("must be at most {}", most) : std::string();
      },
      /*validator_desc=*/"");
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

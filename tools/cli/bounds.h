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

// `fault(value)`: what is wrong with the number, or nothing; `otherwise`: what is said of a word that is none.
template <class Fault>
CLI::Validator check_number(const std::string& otherwise, const Fault& fault) {
  return CLI::Validator(
      [=](const std::string& word) {
        double value = 0;
        return CLI::detail::lexical_cast(word, value) ? std::string(fault(value)) : otherwise;
      },
      /*validator_desc=*/"");
}
inline CLI::Validator at_least(int least, int most = INT_MAX) {
  const std::string whole = "must be a whole number";
  return check_number(whole, [=](double value) {
    if (value != std::floor(value)) return whole;
    if (value < least) return fmt::format("must be at least {}", least);
    return value > most ? fmt::format("must be at most {}", most) : std::string();
  });
}
inline CLI::Validator between(int low, int high) {
  const std::string fault = fmt::format("must be from {} to {}", low, high);
  return check_number(fault, [=](double value) { return value >= low && value <= high ? std::string() : fault; });
}
inline CLI::Validator above_zero() {
  const std::string fault = "must be above 0";
  return check_number(fault, [=](double value) { return value > 0 ? std::string() : fault; });
}

// Words that help and completion name, and what uses the value checks.
inline CLI::Validator suggested(const std::vector<std::string>& words) {
  return {[](std::string&) { return std::string(); }, "{" + CLI::detail::join(words, ",") + "}"};
}

}  // namespace fovea

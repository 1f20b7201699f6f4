// What an error advises. Below the command line nobody knows its options: advice is given in the library's words, and a
// program adds how its users follow it: "use the CPU (--device cpu)".
#pragma once
#include <map>
#include <string>

namespace fovea {

namespace advice {
inline constexpr const char* kUseLessMemory = "use a smaller batch, a smaller input size or bf16";
inline constexpr const char* kUseCpu = "use the CPU";
inline constexpr const char* kUseFp32 = "use fp32";
inline constexpr const char* kNameStateDict = "name the one to take";
inline constexpr const char* kAllowNonFinite = "take it as it is";
}  // namespace advice

// By the library's words, what a user of this program does. The program fills it before anything else runs.
inline std::map<std::string, std::string>& ways_to_follow_advice() {
  static std::map<std::string, std::string> ways;
  return ways;
}

inline std::string advise(const std::string& words) {
  const auto& ways = ways_to_follow_advice();
  const auto way = ways.find(words);
  return way == ways.end() ? words : words + " (" + way->second + ")";
}

}  // namespace fovea

// Files that annotations name as another system, or another folder, would have it.
#pragma once
#include <array>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace fovea {

// The text with é, ü, が, 각 … taken apart into letter and marks (Unicode's form NFD), as macOS writes names.
std::string taken_apart(const std::string& text);

// Finds what lies below a folder by the name of it; else by that with slashes for backslashes, in the other form of é,
// in other letter case, or without the folders before it that are not here.
class FileFinder {
 public:
  // `tails`: where a whole path is none, its last part is looked for: a.jpg for /data/upload/1/a.jpg, also of a URL.
  explicit FileFinder(std::filesystem::path root, bool tails = false) : root_(std::move(root)), tails_(tails) {}

  // The path below the root, of a file or folder; none where there is no such one, or where two could be meant.
  std::optional<std::string> find(const std::string& said);

  // A line for each way in which names differ from what was found.
  std::vector<std::string> warnings(const std::string& name) const;

 private:
  enum Way : size_t { Backslashes, Unicode, LetterCase, Tail, kWays };
  struct Count {
    size_t names = 0;
    std::string first;  // as found
  };
  // Names of what a folder holds, by what names of one meaning have in common.
  struct Listing {
    std::map<std::string, std::vector<std::string>> by_form, by_case;
  };
  const Listing& listing(const std::string& folder);
  std::optional<std::string> find_below(const std::string& path, std::array<bool, kWays>& ways);
  std::optional<std::string> find_tail(const std::string& said, std::array<bool, kWays>& ways);
  std::optional<std::string> note(const std::string& found, const std::array<bool, kWays>& ways);

  std::filesystem::path root_;
  bool tails_;
  std::map<std::string, Listing> listings_;
  std::map<std::string, std::string> by_tail_;  // what was found by its last part alone, and for which name
  std::array<Count, kWays> counts_;
};

// Why nothing was found, where the name shows it: "; it holds backslashes: write / instead"; else empty.
std::string hint_about(const std::string& said);

}  // namespace fovea

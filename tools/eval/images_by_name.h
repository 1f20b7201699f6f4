// The images of the ground truth, as results may name them.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "tools/text/json_input.h"

namespace fovea {

// As names stand in results: JSON is UTF-8, and folders are parted by slashes.
std::string result_name(const std::string& file_name);

class ImagesByName {
 public:
  // `words`: what ids stand for that are words in the ground truth.
  explicit ImagesByName(std::unordered_map<std::string, int64_t> words = {}) : words_(std::move(words)) {}
  void add(int64_t id, const std::string& file_name);

  bool knows(int64_t id) const { return name_of_.contains(id); }
  std::optional<int64_t> of_word(const std::string& word) const;

  // The image that the entry with this id, or none, means by this name: the one that is called so, or of which either
  // name is the end of the other ("b.jpg", "a/b.jpg"). Throws ErrorKind::Data where there is none, or several.
  int64_t find(const JsonInput& input, std::optional<int64_t> id, const std::string& name) const;

 private:
  std::unordered_map<std::string, int64_t> words_;
  std::unordered_map<int64_t, std::string> name_of_;
  std::unordered_map<std::string, std::vector<int64_t>> by_last_part_, by_stem_;
};

// What to tell of entries that went to another image than their id says.
std::string moved_line(const std::filesystem::path& results, int64_t moved, size_t all);

}  // namespace fovea

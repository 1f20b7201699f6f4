#include "tools/eval/images_by_name.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/printable.h"

namespace fovea {
namespace {

std::string last_part(const std::string& name) { return name.substr(name.find_last_of('/') + 1); }
std::string stem(const std::string& name) { return std::filesystem::path(name).stem().string(); }

bool is_end(std::string_view end, std::string_view name) {
  return name.size() > end.size() && name.ends_with(end) && name[name.size() - end.size() - 1] == '/';
}

}  // namespace

std::string result_name(const std::string& file_name) {
  std::string name = find_invalid_utf8(file_name) == std::string::npos ? file_name : printable(file_name);
  std::replace(name.begin(), name.end(), '\\', '/');
  while (name.starts_with("./")) name.erase(0, 2);
  return name;
}

void ImagesByName::add(int64_t id, const std::string& file_name) {
  const auto [own, added] = name_of_.emplace(id, result_name(file_name));
  if (file_name.empty()) return;
  const std::string last = last_part(own->second);
  by_last_part_[last].push_back(id);
  by_stem_[stem(last)].push_back(id);
}

std::optional<int64_t> ImagesByName::of_word(const std::string& word) const {
  const auto found = words_.find(word);
  return found == words_.end() ? std::nullopt : std::optional(found->second);
}

int64_t ImagesByName::find(const JsonInput& input, std::optional<int64_t> id, const std::string& name) const {
  const auto own = id ? name_of_.find(*id) : name_of_.end();
  if (own != name_of_.end() && (own->second.empty() || own->second == name)) return *id;
  std::vector<int64_t> same, ends;
  if (const auto found = by_last_part_.find(last_part(name)); found != by_last_part_.end())
    for (const int64_t candidate : found->second) {
      const std::string& other = name_of_.at(candidate);
      if (other == name) same.push_back(candidate);
      if (is_end(other, name) || is_end(name, other)) ends.push_back(candidate);
    }
  if (const auto found = by_stem_.find(last_part(name)); ends.empty() && same.empty() && found != by_stem_.end())
    ends = found->second;
  const std::vector<int64_t>& found = same.empty() ? ends : same;
  if (id && std::find(found.begin(), found.end(), *id) != found.end()) return *id;
  if (found.empty()) throw input.fail(fmt::format("the ground truth has no image called {}", printable(name)));
  if (found.size() > 1)
    throw input.fail(fmt::format("{} images of the ground truth are called {}, as {} and {}", found.size(),
                                 printable(name), printable(name_of_.at(found[0])), printable(name_of_.at(found[1]))));
  return found[0];
}

std::string moved_line(const std::filesystem::path& results, int64_t moved, size_t all) {
  return fmt::format(
      "{}: {} of {} detections go to the image of their file_name: their image_id is that of another one in the ground "
      "truth",
      printable(results.native()), moved, all);
}

}  // namespace fovea

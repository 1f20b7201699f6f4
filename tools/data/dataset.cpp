#include "tools/data/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "engine/printable.h"
#include "tools/text/file.h"
#include "tools/text/outputs.h"

namespace fovea {

std::string LoadReport::text() const {
  std::string text;
  for (const std::string& warning : warnings) text += warning + "\n";
  if (unknown_references) {
    text += fmt::format("{} annotations refer to an unknown image or category and are left out:\n", unknown_references);
    for (const std::string& example : unknown_examples) text += "  " + example + "\n";
    if (unknown_references > 10) text += fmt::format("  … and {} more\n", unknown_references - 10);
  }
  if (!bad_images.empty())
    text += fmt::format("{} images cannot be read and are left out; the first: {}\n", bad_images.size(),
                        bad_images.front().why);
  if (!bad_boxes.empty())
    text += fmt::format("{} bad boxes are left out; the first: {}\n", bad_boxes.size(), bad_boxes.front());
  if (clipped_boxes) text += fmt::format("{} boxes extend beyond their image and are clipped\n", clipped_boxes);
  return text;
}

int64_t images_in(const Dataset& dataset) {
  return static_cast<int64_t>(dataset.samples.size() + dataset.report.bad_images.size());
}

void add_bad_images(BadFiles& files, const Dataset& dataset) {
  for (const BadImage& image : dataset.report.bad_images) files.add(image.file_name, image.why);
}

std::string category_conflict(const std::string& split_a, const std::vector<Category>& a, const std::string& split_b,
                              const std::vector<Category>& b) {
  for (const Category& one : a)
    for (const Category& other : b)
      if (one.id == other.id && one.name != other.name)
        return fmt::format("category {} is '{}' in {} but '{}' in {}: use the same categories in both", one.id,
                           printable(one.name), split_a, printable(other.name), split_b);
  return "";
}

int64_t images_of_both(const Dataset& a, const Dataset& b) {
  const auto path = [](const std::filesystem::path& root, const Sample& sample) {
    return (root / sample.file_name).native();
  };
  const auto root_a = true_path(a.image_root), root_b = true_path(b.image_root);
  std::unordered_set<std::string> of_a;
  for (const Sample& sample : a.samples) of_a.insert(path(root_a, sample));
  return std::count_if(b.samples.begin(), b.samples.end(),
                       [&](const Sample& sample) { return of_a.contains(path(root_b, sample)); });
}

void write_bad_boxes(const std::filesystem::path& path, const LoadReport& report) {
  std::string text;
  for (const std::string& line : report.bad_boxes) text += line + "\n";
  write_list(path, text);
}

}  // namespace fovea

// Small datasets of real images for trainings, and what is looked at afterwards.
#pragma once
#include <fmt/format.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "engine/safetensors.h"
#include "tests/support/catch.h"
#include "tools/data/formats/format.h"

namespace fovea::test {

namespace fs = std::filesystem;

inline const fs::path kCells = FOVEA_SOURCE_DIR "/examples/blood_cells";

inline void write_text(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

inline std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The first images of the example data as a dataset of its own. `edit` may change an image's annotations (as JSON
// objects).
inline void make_data(const fs::path& folder, size_t train, size_t val,
                      const std::function<std::string(size_t image, const std::string& annotations)>& edit = {}) {
  for (const auto& [split, count] : {std::pair<std::string, size_t>{"train", train}, {"val", val}}) {
    const Dataset all = load_dataset(kCells, split);
    std::string images, annotations, categories;
    for (const Category& c : all.categories)
      categories += fmt::format("{}{{\"id\":{},\"name\":\"{}\"}}", categories.empty() ? "" : ",", c.id, c.name);
    for (size_t i = 0; i < count; ++i) {
      const Sample& s = all.samples[i];
      images += fmt::format("{}{{\"id\":{},\"file_name\":\"{}\",\"width\":{},\"height\":{}}}", i == 0 ? "" : ",", s.id,
                            s.file_name, s.width, s.height);
      std::string of_image;
      for (const Object& o : s.objects)
        of_image += fmt::format(
            "{}{{\"id\":{},\"image_id\":{},\"category_id\":{},\"bbox\":[{},{},{},{}],\"area\":{},\"iscrowd\":0}}",
            of_image.empty() ? "" : ",", o.id, s.id, all.categories[o.label].id, o.bbox[0], o.bbox[1], o.bbox[2],
            o.bbox[3], o.area);
      if (edit && split == "train") of_image = edit(i, of_image);
      if (!of_image.empty()) annotations += (annotations.empty() ? "" : ",") + of_image;
      fs::create_directories(folder / split);
      fs::copy_file(all.image_root / s.file_name, folder / split / s.file_name);
    }
    write_text(
        folder / "annotations" / ("instances_" + split + ".json"),
        fmt::format("{{\"images\":[{}],\"annotations\":[{}],\"categories\":[{}]}}", images, annotations, categories));
  }
}

// False where the file has not come within a minute.
inline bool wait_for(const fs::path& path) {
  for (int i = 0; i < 3000 && !fs::exists(path); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  return fs::exists(path);
}

// Both files hold the same tensors, bit for bit.
inline void check_same_tensors(const fs::path& a, const fs::path& b) {
  const SafetensorsFile first(a), second(b);
  REQUIRE(first.tensors().size() == second.tensors().size());
  for (const auto& [name, tensor] : first.tensors()) {
    CAPTURE(name);
    const auto& other = second.at(name);
    CHECK((tensor.data.size() == other.data.size() &&
           std::memcmp(tensor.data.data(), other.data.data(), other.data.size()) == 0));
  }
}

}  // namespace fovea::test

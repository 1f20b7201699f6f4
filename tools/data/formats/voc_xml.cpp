#include "tools/data/formats/voc_xml.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <pugixml.hpp>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/text/file.h"
#include "tools/text/text.h"

namespace fovea {
namespace {

class VocParser {
 public:
  explicit VocParser(const std::filesystem::path& path) : name_(printable(path.native())), bytes_(read_file(path)) {}

  VocFile parse() {
    const auto result = document_.load_buffer(bytes_.data(), bytes_.size());
    if (!result) throw fail(result.offset, fmt::format("not valid XML: {}", result.description()));
    const pugi::xml_node root = document_.child("annotation");
    if (!root) throw fail(0, "has no <annotation>: expected an annotation in Pascal VOC's format");
    VocFile file;
    file.filename = trimmed(root.child_value("filename"));
    if (const auto size = root.child("size")) {
      file.width = side(size, "width");
      file.height = side(size, "height");
    }
    for (const auto node : root.children("object")) file.objects.push_back(object(node));
    return file;
  }

 private:
  Error fail(std::ptrdiff_t offset, const std::string& why) const {
    return {ErrorKind::Data, fmt::format("{}:{}: {}", name_, line_at(offset), why)};
  }

  int line_at(std::ptrdiff_t offset) const {
    const auto end = std::clamp<std::ptrdiff_t>(offset, 0, static_cast<std::ptrdiff_t>(bytes_.size()));
    return 1 + static_cast<int>(std::count(bytes_.begin(), bytes_.begin() + end, '\n'));
  }

  // Sizes of 0, or none, are common where a tool did not know the image: then the image itself is asked.
  int side(pugi::xml_node size, const char* key) const {
    const auto node = size.child(key);
    if (trimmed(node.child_value()).empty()) return 0;
    const auto value = parse_integer(node.child_value());
    if (!value || *value < 0 || *value > std::numeric_limits<int>::max())
      throw fail(node.offset_debug(),
                 fmt::format("{}: expected a size in pixels, found {}", key, excerpt(node.child_value())));
    return static_cast<int>(*value);
  }

  VocObject object(pugi::xml_node node) const {
    VocObject object{
        .name = node.child_value("name"), .corners = {}, .difficult = false, .line = line_at(node.offset_debug())};
    if (trimmed(object.name).empty()) throw fail(node.offset_debug(), "an object without <name>");
    const auto box = node.child("bndbox");
    if (!box) throw fail(node.offset_debug(), "an object without <bndbox>");
    constexpr std::array<const char*, 4> keys{"xmin", "ymin", "xmax", "ymax"};
    for (size_t i = 0; i < keys.size(); ++i) {
      const auto corner = box.child(keys[i]);
      const auto value = parse_number(corner.child_value());
      if (!value)
        throw fail((corner ? corner : box).offset_debug(),
                   fmt::format("{}: expected a number, found \"{}\"", keys[i], excerpt(corner.child_value())));
      object.corners[i] = *value;
    }
    const auto difficult = node.child("difficult");
    const std::string_view flag = trimmed(difficult.child_value());
    if (!flag.empty() && flag != "0" && flag != "1")
      throw fail(difficult.offset_debug(), fmt::format("difficult: expected 0 or 1, found {}", excerpt(flag)));
    object.difficult = flag == "1";
    return object;
  }

  std::string name_;
  std::vector<uint8_t> bytes_;
  pugi::xml_document document_;
};

}  // namespace

VocFile read_voc_xml(const std::filesystem::path& path) { return VocParser(path).parse(); }

}  // namespace fovea

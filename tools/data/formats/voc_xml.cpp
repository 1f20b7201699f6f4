#include "tools/data/formats/voc_xml.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <pugixml.hpp>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/data/formats/raw_dataset.h"
#include "tools/text/encoding.h"
#include "tools/text/file.h"
#include "tools/text/text.h"

namespace fovea {
namespace {

// What <?xml … encoding="…"?> says; empty where it does not.
std::string declared_encoding(std::string_view text) {
  if (!text.starts_with("<?xml")) return "";
  const std::string_view head = text.substr(0, text.find('>'));
  const size_t at = head.find("encoding");
  const size_t open = at == head.npos ? at : head.find_first_of("\"'", at);
  const size_t close = open == head.npos ? open : head.find(head[open], open + 1);
  return close == head.npos ? "" : std::string(trimmed(head.substr(open + 1, close - open - 1)));
}

class VocParser {
 public:
  explicit VocParser(const std::filesystem::path& path) : name_(printable(path.native())) {
    const auto bytes = read_file(path);
    const std::string_view raw(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (trimmed(without_mark(raw)).empty())
      throw Error(ErrorKind::Data, fmt::format("{}: is empty ({} bytes): expected XML", name_, bytes.size()));
    const std::string encoding = lower_case(declared_encoding(without_mark(raw)));
    // Programs on Windows declare UTF-16 and then write UTF-8; a real one has its mark.
    const bool own = encoding.empty() || encoding.starts_with("utf") || encoding == "us-ascii" || is_utf16(raw);
    if (is_utf16(raw))
      text_ = text_of(bytes, name_).text;
    else
      text_ = own ? std::string(without_mark(raw)) : converted(without_mark(raw), encoding, name_);
  }

  VocFile parse() {
    const auto result = document_.load_buffer(text_.data(), text_.size(), pugi::parse_default, pugi::encoding_utf8);
    if (!result) throw fail(result.offset, fmt::format("not valid XML: {}", result.description()));
    const pugi::xml_node root = document_.child("annotation");
    if (!root) throw fail(0, "has no <annotation>: expected an annotation in Pascal VOC's format" + found_instead());
    VocFile file;
    file.filename = trimmed(root.child_value("filename"));
    if (const auto size = root.child("size")) {
      file.width = side(size, "width");
      file.height = side(size, "height");
    }
    for (const auto node : root.children("object")) file.objects.push_back(object(node));
    file.odd_text = odd_text_;
    return file;
  }

 private:
  std::string found_instead() const {
    const std::string name = document_.document_element().name();
    if (name == "annotations" || name == "tracks")
      return fmt::format("; <{}> is CVAT's own XML: export the set from CVAT as COCO or Pascal VOC", name);
    return name.empty() ? "" : fmt::format(", found <{}>", excerpt(name));
  }

  Error fail(std::ptrdiff_t offset, const std::string& why) const {
    return {ErrorKind::Data, fmt::format("{}:{}: {}", name_, line_at(offset), why)};
  }

  int line_at(std::ptrdiff_t offset) const {
    const auto end = std::clamp<std::ptrdiff_t>(offset, 0, static_cast<std::ptrdiff_t>(text_.size()));
    return 1 + static_cast<int>(std::count(text_.begin(), text_.begin() + end, '\n'));
  }

  // Sizes of 0, or none, are common where a tool did not know the image: then the image itself is asked.
  int side(pugi::xml_node size, const char* key) const {
    const auto node = size.child(key);
    if (trimmed(node.child_value()).empty()) return 0;
    const auto value = parse_number(node.child_value());
    if (!value || *value < 0 || *value > std::numeric_limits<int>::max() || *value != std::floor(*value))
      throw fail(node.offset_debug(),
                 fmt::format("{}: expected a size in pixels, found {}", key, excerpt(node.child_value())));
    return static_cast<int>(*value);
  }

  double number(pugi::xml_node box, const char* key) const {
    const auto node = box.child(key);
    const auto value = parse_number(node.child_value());
    if (!value)
      throw fail((node ? node : box).offset_debug(),
                 fmt::format("{}: expected a number, found \"{}\"", key, excerpt(node.child_value())));
    return *value;
  }

  // Of a class: as UTF-8. Names of files are left as they are, since they may be any bytes.
  std::string class_name(pugi::xml_node node) {
    const std::string_view name = trimmed(node.child_value());
    if (find_invalid_utf8(name) == name.npos) return std::string(name);
    odd_text_ = true;
    try {
      return text_of({reinterpret_cast<const uint8_t*>(name.data()), name.size()}, name_).text;
    } catch (const Error&) {
      throw fail(
          node.offset_debug(),
          fmt::format("the name \"{}\" is in neither UTF-8 nor Windows-1252: save the file as UTF-8", excerpt(name)));
    }
  }

  VocObject object(pugi::xml_node node) {
    VocObject object{.name = class_name(node.child("name")),
                     .corners = {},
                     .difficult = is_difficult(node.child("difficult")),
                     .line = line_at(node.offset_debug())};
    if (object.name.empty()) throw fail(node.offset_debug(), "an object without <name>");
    if (const auto box = node.child("bndbox")) {
      object.corners = {number(box, "xmin"), number(box, "ymin"), number(box, "xmax"), number(box, "ymax")};
      return object;
    }
    object.other_shape = true;
    if (const auto rotated = node.child("robndbox"))
      object.corners = around_rotated(rotated);
    else if (const auto polygon = node.child("polygon"))
      object.corners = around_polygon(polygon);
    else
      throw fail(node.offset_debug(), "an object without <bndbox>");
    return object;
  }

  bool is_difficult(pugi::xml_node node) const {
    const std::string flag = lower_case(trimmed(node.child_value()));
    if (flag == "1" || flag == "true" || flag == "yes") return true;
    for (const char* no : {"", "0", "false", "no", "unspecified"})
      if (flag == no) return false;
    throw fail(node.offset_debug(), fmt::format("difficult: expected 0 or 1, found {}", excerpt(flag)));
  }

  // roLabelImg's: center, size and an angle in radians.
  std::array<double, 4> around_rotated(pugi::xml_node box) const {
    const double cx = number(box, "cx"), cy = number(box, "cy"), w = number(box, "w"), h = number(box, "h");
    const double angle = number(box, "angle");
    const double half_width = (std::abs(w * std::cos(angle)) + std::abs(h * std::sin(angle))) / 2;
    const double half_height = (std::abs(w * std::sin(angle)) + std::abs(h * std::cos(angle))) / 2;
    return {snapped(cx - half_width), snapped(cy - half_height), snapped(cx + half_width), snapped(cy + half_height)};
  }

  // <pt><x>…</x><y>…</y></pt> … of LabelMe, or <x1>…</x1><y1>…</y1> … of Roboflow and LabelImg's successors.
  std::array<double, 4> around_polygon(pugi::xml_node polygon) const {
    std::vector<std::array<double, 2>> points;
    for (const auto point : polygon.children("pt")) points.push_back({number(point, "x"), number(point, "y")});
    for (int i = 1; polygon.child(fmt::format("x{}", i).c_str()); ++i)
      points.push_back(
          {number(polygon, fmt::format("x{}", i).c_str()), number(polygon, fmt::format("y{}", i).c_str())});
    if (points.size() < 2) throw fail(polygon.offset_debug(), "a <polygon> without points");
    std::array<double, 4> corners{points[0][0], points[0][1], points[0][0], points[0][1]};
    for (const auto& [x, y] : points)
      corners = {std::min(corners[0], x), std::min(corners[1], y), std::max(corners[2], x), std::max(corners[3], y)};
    return corners;
  }

  std::string name_, text_;
  bool odd_text_ = false;
  pugi::xml_document document_;
};

}  // namespace

VocFile read_voc_xml(const std::filesystem::path& path) { return VocParser(path).parse(); }

}  // namespace fovea

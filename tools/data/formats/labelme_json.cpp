#include "tools/data/formats/labelme_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <set>

#include "engine/printable.h"
#include "tools/text/encoding.h"
#include "tools/text/file.h"
#include "tools/text/json_input.h"
#include "tools/text/text.h"

namespace fovea {

namespace {

struct LabelMeShape {
  std::string name, kind = "polygon";  // old files do not say the kind
  std::vector<std::array<double, 2>> points;
  std::optional<int64_t> group;
  bool difficult = false;
};

class LabelMeJson {
 public:
  explicit LabelMeJson(const std::filesystem::path& path)
      : input_(path.native(), without_mark_of(read_file(path, UINT64_MAX, simdjson::SIMDJSON_PADDING)), 0) {}

  LabelMeFile read() {
    bool has_shapes = false;
    input_.parse([&](simdjson::ondemand::document& document) {
      input_.for_each_field(document.get_object(), [&](std::string_view key, JsonInput::Value value) {
        if (key == "imagePath" && value.type() == simdjson::ondemand::json_type::string)
          file_.image_path = input_.text(value);
        if (key == "imageWidth") file_.width = size(value);
        if (key == "imageHeight") file_.height = size(value);
        if (key != "shapes") return;
        has_shapes = true;
        for (JsonInput::Value shape : value.get_array()) add(read_shape(shape.get_object()));
      });
    });
    if (!has_shapes) throw input_.fail("has no shapes: expected a file of LabelMe's");
    return std::move(file_);
  }

 private:
  static std::vector<uint8_t> without_mark_of(std::vector<uint8_t> bytes) {
    constexpr std::array<uint8_t, 3> mark{0xEF, 0xBB, 0xBF};
    if (bytes.size() >= mark.size() && std::equal(mark.begin(), mark.end(), bytes.begin()))
      bytes.erase(bytes.begin(), bytes.begin() + 3);
    return bytes;
  }

  int size(JsonInput::Value value) {
    const double number = input_.number_or_nan(value);
    return number > 0 && number < std::numeric_limits<int>::max() ? static_cast<int>(number) : 0;
  }

  LabelMeShape read_shape(simdjson::ondemand::object object) {
    LabelMeShape shape;
    input_.for_each_field(object, [&](std::string_view key, JsonInput::Value value) {
      using simdjson::ondemand::json_type;
      const json_type type = value.type();
      if (key == "label" && type == json_type::string) shape.name = std::string(trimmed(input_.text(value)));
      if (key == "shape_type" && type == json_type::string) shape.kind = lower_case(input_.text(value));
      if (key == "group_id" && type == json_type::number) shape.group = input_.id(value);
      if (key == "difficult" && type == json_type::boolean) shape.difficult = input_.flag(value);
      if (key == "points" && type == json_type::array) shape.points = points(value.get_array());
    });
    return shape;
  }

  std::vector<std::array<double, 2>> points(simdjson::ondemand::array list) {
    std::vector<std::array<double, 2>> points;
    for (JsonInput::Value pair : list) {
      std::vector<double> numbers;
      for (JsonInput::Value number : pair.get_array()) numbers.push_back(input_.number_or_nan(number));
      if (numbers.size() != 2) throw input_.fail("points: expected pairs [x, y]");
      points.push_back({numbers[0], numbers[1]});
    }
    return points;
  }

  void add(const LabelMeShape& shape) {
    const std::set<std::string> with_area{"polygon", "rectangle", "circle", "rotation", "quadrilateral", "mask"};
    if (!with_area.contains(shape.kind)) {
      ++file_.left_out[shape.kind];
      return;
    }
    if (shape.name.empty()) throw input_.fail("shapes: a shape has no label");
    if (shape.points.size() < 2) throw input_.fail("shapes: a " + printable(shape.kind) + " has fewer than 2 points");
    const auto corners = shape.kind == "circle" ? around_circle(shape) : around(shape);
    const auto [known, added] = index_of_.try_emplace({shape.name, shape.group.value_or(0)}, file_.objects.size());
    if (!shape.group || added) {
      file_.objects.push_back({shape.name, corners, shape.difficult});
      if (!shape.group) index_of_.erase(known);
      return;
    }
    auto& c = file_.objects[known->second].corners;
    c = {std::min(c[0], corners[0]), std::min(c[1], corners[1]), std::max(c[2], corners[2]),
         std::max(c[3], corners[3])};
    ++file_.joined;
  }

  static std::array<double, 4> around(const LabelMeShape& shape) {
    std::array<double, 4> c{shape.points[0][0], shape.points[0][1], shape.points[0][0], shape.points[0][1]};
    for (const auto& [x, y] : shape.points)
      c = {std::min(c[0], x), std::min(c[1], y), std::max(c[2], x), std::max(c[3], y)};
    return c;
  }

  // The center, and a point on the line.
  static std::array<double, 4> around_circle(const LabelMeShape& shape) {
    const auto& [center, edge] = std::array{shape.points[0], shape.points[1]};
    const double r = std::hypot(edge[0] - center[0], edge[1] - center[1]);
    return {center[0] - r, center[1] - r, center[0] + r, center[1] + r};
  }

  JsonInput input_;
  LabelMeFile file_;
  std::map<std::pair<std::string, int64_t>, size_t> index_of_;
};

}  // namespace

LabelMeFile read_labelme_json(const std::filesystem::path& path) { return LabelMeJson(path).read(); }

bool looks_like_labelme(const std::filesystem::path& path) {
  const std::string start = beginning_if_readable(path, 4096);
  return start.find("\"shapes\"") != start.npos || start.find("\"imageData\"") != start.npos ||
         start.find("\"imagePath\"") != start.npos;
}

}  // namespace fovea

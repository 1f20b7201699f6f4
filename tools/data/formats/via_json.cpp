#include "tools/data/formats/via_json.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/data/formats/csv_columns.h"
#include "tools/data/formats/csv_table.h"
#include "tools/data/formats/folder.h"
#include "tools/text/encoding.h"
#include "tools/text/json_input.h"
#include "tools/text/text.h"

namespace fovea {

namespace {

using simdjson::ondemand::json_type;

// What shape_attributes say; NaN: not said.
struct ViaShape {
  std::string kind;
  std::map<std::string, double> numbers;
  std::vector<double> xs, ys;

  double operator[](const char* key) const {
    const auto found = numbers.find(key);
    return found == numbers.end() ? std::numeric_limits<double>::quiet_NaN() : found->second;
  }
};

std::vector<uint8_t> with_padding(std::string_view text) {
  std::vector<uint8_t> bytes;
  bytes.reserve(text.size() + simdjson::SIMDJSON_PADDING);
  bytes.assign(text.begin(), text.end());
  return bytes;
}

ViaShape read_shape(JsonInput& input, JsonInput::Value value) {
  ViaShape shape;
  input.for_each_field(value.get_object(), [&](std::string_view key, JsonInput::Value field) {
    const std::string name(key);
    const json_type type = field.type();
    if (name == "name" && type == json_type::string) shape.kind = lower_case(input.text(field));
    if (type == json_type::number) shape.numbers[name] = input.number_or_nan(field);
    if (type != json_type::array || (name != "all_points_x" && name != "all_points_y")) return;
    for (JsonInput::Value number : field.get_array())
      (name == "all_points_x" ? shape.xs : shape.ys).push_back(input.number_or_nan(number));
  });
  return shape;
}

// x1, y1, x2, y2; none where the kind has no area.
std::optional<std::array<double, 4>> corners_of(const ViaShape& shape) {
  if (shape.kind == "rect")
    return {{shape["x"], shape["y"], shape["x"] + shape["width"], shape["y"] + shape["height"]}};
  if (shape.kind == "circle" || shape.kind == "ellipse") {
    const double rx = shape[shape.kind == "circle" ? "r" : "rx"], ry = shape[shape.kind == "circle" ? "r" : "ry"];
    return {{shape["cx"] - rx, shape["cy"] - ry, shape["cx"] + rx, shape["cy"] + ry}};
  }
  if (shape.kind != "polygon" || shape.xs.empty() || shape.ys.empty()) return std::nullopt;
  return {{*std::min_element(shape.xs.begin(), shape.xs.end()), *std::min_element(shape.ys.begin(), shape.ys.end()),
           *std::max_element(shape.xs.begin(), shape.xs.end()), *std::max_element(shape.ys.begin(), shape.ys.end())}};
}

// Of each attribute what is said: a text, or the check boxes that are set.
using Attributes = std::map<std::string, std::vector<std::string>>;

std::vector<std::string> set_options(JsonInput& input, JsonInput::Value value) {
  std::vector<std::string> set;
  input.for_each_field(value.get_object(), [&](std::string_view key, JsonInput::Value field) {
    if (field.type() == json_type::boolean && input.flag(field)) set.emplace_back(key);
  });
  return set;
}

Attributes read_attributes(JsonInput& input, JsonInput::Value value) {
  Attributes attributes;
  input.for_each_field(value.get_object(), [&](std::string_view key, JsonInput::Value field) {
    const std::string name(key);
    const json_type type = field.type();
    std::vector<std::string> said;
    if (type == json_type::string) said.push_back(input.text(field));
    if (type == json_type::object) said = set_options(input, field);
    for (std::string& text : said) text = std::string(trimmed(text));
    std::erase(said, "");
    if (!said.empty()) attributes[name] = std::move(said);
  });
  return attributes;
}

// Throws where the class cannot be told, with a message that begins with `place`.
const std::vector<std::string>& classes_of(const Attributes& attributes, const std::string& place) {
  for (const char* usual : {"class", "label", "name", "category", "type", "object"})
    for (const auto& [name, value] : attributes)
      if (lower_case(name) == usual) return value;
  if (attributes.size() == 1) return attributes.begin()->second;
  throw Error(
      ErrorKind::Data,
      place + (attributes.empty() ? ": a region has no attribute that says its class"
                                  : ": a region has several attributes, none of which is called class: which one "
                                    "is the class cannot be told"));
}

void add_region(ViaFile& file, ViaImage& image, const ViaShape& shape, const Attributes& attributes,
                const std::string& place, int line) {
  const auto corners = corners_of(shape);
  if (!corners) {
    ++file.left_out[shape.kind];
    return;
  }
  const auto& classes = classes_of(attributes, place);
  if (classes.size() > 1 && file.of_several++ == 0)
    file.first_of_several = fmt::format("{}: {}", place, printable(fmt::format("{}", fmt::join(classes, ", "))));
  image.objects.push_back({classes[0], *corners, line});
}

class ViaJson {
 public:
  explicit ViaJson(const std::filesystem::path& path)
      : name_(printable(path.native())), input_(path.native(), with_padding(read_text_file(path).text), 0) {}

  ViaFile read() {
    input_.parse([&](simdjson::ondemand::document& document) { read_images(document.get_object(), true); });
    return std::move(file_);
  }

 private:
  void read_images(simdjson::ondemand::object images, bool outermost) {
    input_.for_each_field(images, [&](std::string_view key, JsonInput::Value value) {
      if (outermost && key == "_via_img_metadata")
        read_images(value.get_object(), false);
      else if (!(outermost && key.starts_with("_via_")) && value.type() == json_type::object)
        read_image(value.get_object());
    });
  }

  void read_image(simdjson::ondemand::object object) {
    ViaImage image;
    input_.for_each_field(object, [&](std::string_view key, JsonInput::Value value) {
      if (key == "filename") image.file_name = input_.text(value);
      if (key != "regions") return;
      if (value.type() == json_type::array)
        for (JsonInput::Value region : value.get_array()) read_region(image, region.get_object());
      else if (value.type() == json_type::object)
        input_.for_each_field(value.get_object(), [&](std::string_view, JsonInput::Value region) {
          read_region(image, region.get_object());
        });
    });
    if (image.file_name.empty()) throw Error(ErrorKind::Data, name_ + ": an image has no filename");
    file_.images.push_back(std::move(image));
  }

  void read_region(ViaImage& image, simdjson::ondemand::object object) {
    ViaShape shape;
    Attributes attributes;
    input_.for_each_field(object, [&](std::string_view key, JsonInput::Value value) {
      if (key == "shape_attributes") shape = read_shape(input_, value);
      if (key == "region_attributes") attributes = read_attributes(input_, value);
    });
    add_region(file_, image, shape, attributes, fmt::format("{}: {}", name_, printable(image.file_name)), 0);
  }

  std::string name_;
  JsonInput input_;
  ViaFile file_;
};

struct CsvPlaces {
  int file = -1, count = -1, shape = -1, attributes = -1;
};

CsvPlaces places_of(const std::vector<std::string>& heading) {
  CsvPlaces places;
  for (int i = 0; i < static_cast<int>(heading.size()); ++i) {
    std::string name = column_name(heading[static_cast<size_t>(i)]);
    if (name.starts_with('#')) name.erase(0, 1);  // of version 1
    if (name == "filename") places.file = i;
    if (name == "region_count") places.count = i;
    if (name == "region_shape_attributes") places.shape = i;
    if (name == "region_attributes") places.attributes = i;
  }
  return places;
}

ViaFile read_csv_file(const std::filesystem::path& path) {
  ViaFile file;
  CsvTable table(path);
  CsvRecord record;
  if (!table.next(record)) return file;
  const size_t fields = record.fields.size();
  const CsvPlaces places = places_of(record.fields);
  if (std::min({places.file, places.shape, places.attributes}) < 0)
    throw Error(ErrorKind::Data,
                table.place(record.line) + ": expected columns filename, region_shape_attributes, region_attributes");
  std::map<std::string, size_t> index;
  while (table.next(record)) {
    if (record.fields.size() != fields)
      throw Error(ErrorKind::Data, fmt::format("{}: has {} fields, expected {} as in the heading",
                                               table.place(record.line), record.fields.size(), fields));
    const std::string name(trimmed(record.fields[static_cast<size_t>(places.file)]));
    const auto [found, added] = index.try_emplace(name, file.images.size());
    if (added) file.images.push_back({name, {}});
    const std::string& shape_text = record.fields[static_cast<size_t>(places.shape)];
    if (trimmed(shape_text).empty() || trimmed(shape_text) == "{}") continue;
    ViaShape shape;
    Attributes attributes;
    JsonInput shape_input(table.place(record.line), with_padding(shape_text), 0);
    const auto outer = [](auto&& read) {
      return [read](simdjson::ondemand::document& document) { read(JsonInput::Value(document.get_value())); };
    };
    shape_input.parse(outer([&](JsonInput::Value value) { shape = read_shape(shape_input, value); }));
    JsonInput input(table.place(record.line), with_padding(record.fields[static_cast<size_t>(places.attributes)]), 0);
    input.parse(outer([&](JsonInput::Value value) { attributes = read_attributes(input, value); }));
    add_region(file, file.images[found->second], shape, attributes, table.place(record.line), record.line);
  }
  return file;
}

}  // namespace

ViaFile read_via(const std::filesystem::path& path) {
  return has_ending(path.filename().native(), ".csv") ? read_csv_file(path) : ViaJson(path).read();
}

bool looks_like_via(const std::filesystem::path& path) {
  const std::string start = beginning_if_readable(path, 8192);
  if (!has_ending(path.filename().native(), ".csv"))
    return start.find("\"_via_") != start.npos || start.find("\"region_attributes\"") != start.npos ||
           (start.find("\"regions\"") != start.npos && start.find("\"filename\"") != start.npos);
  const auto lines = lines_of(start);
  return !lines.empty() && lines[0].find("region_shape_attributes") != lines[0].npos;
}

}  // namespace fovea

// Datasets as public tools lay them out (tests/data/formats): what they hold must come out, box for box.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "kernels/error.h"
#include "tests/support/catch.h"
#include "tests/support/made_image.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_data.h"
#include "tools/cli/data_folder.h"

using namespace fovea;
using namespace fovea::test;
namespace fs = std::filesystem;

namespace {

using Lines = std::multiset<std::string>;

struct Expected {
  std::vector<std::array<std::string, 3>> images;  // path, size, "" or "exif=6"
  std::string open = ".", format, error;
  LoadOptions options;
  std::vector<std::string> warnings;
  std::map<std::string, Lines> splits;  // lines "box IMAGE x y w h CLASS", "ignore …", "empty IMAGE"
};

// A word, or what stands between quotes.
std::string word(std::istream& line) {
  std::string text;
  if (line >> std::ws; line.peek() == '"') {
    line.get();
    std::getline(line, text, '"');
  } else {
    line >> text;
  }
  return text;
}

std::string rest(std::istream& line) {
  std::string text;
  std::getline(line >> std::ws, text);
  return text;
}

std::string box_line(const std::string& kind, const std::string& image, const std::array<double, 4>& box,
                     const std::string& name) {
  return fmt::format("{} \"{}\" {:g} {:g} {:g} {:g} {}", kind, image, box[0], box[1], box[2], box[3], name);
}

std::string object_line(const std::string& kind, std::istream& line) {
  const std::string image = word(line);
  std::array<double, 4> box{};
  for (double& number : box) line >> number;
  return box_line(kind, image, box, rest(line));
}

Expected read_expected(const fs::path& path) {
  Expected expected;
  std::ifstream file(path);
  Lines* split = nullptr;
  for (std::string text; std::getline(file, text);) {
    std::istringstream line(text);
    const std::string kind = word(line);
    if (kind.empty() || kind.starts_with('#')) continue;
    if (kind == "image")
      expected.images.push_back({word(line), word(line), word(line)});
    else if (kind == "open")
      expected.open = rest(line);
    else if (kind == "images")
      expected.options.images = rest(line);
    else if (kind == "merge-classes")
      expected.options.merge_classes = true;
    else if (kind == "format")
      expected.format = rest(line);
    else if (kind == "split")
      split = &expected.splits[rest(line)];
    else if (kind == "warning")
      expected.warnings.push_back(rest(line));
    else if (kind == "error")
      expected.error = rest(line);
    else if ((kind == "box" || kind == "ignore") && split != nullptr)
      split->insert(object_line(kind, line));
    else if (kind == "empty" && split != nullptr)
      split->insert(fmt::format("empty \"{}\"", word(line)));
    else
      FAIL("no such line: " << text);
  }
  return expected;
}

Lines lines_of(const Dataset& data) {
  Lines lines;
  for (const Sample& sample : data.samples) {
    if (sample.objects.empty()) lines.insert(fmt::format("empty \"{}\"", sample.file_name));
    for (const Object& object : sample.objects)
      lines.insert(box_line(object.crowd ? "ignore" : "box", sample.file_name, object.bbox,
                            data.categories.at(static_cast<size_t>(object.label)).name));
    CHECK(fs::exists(data.image_root / sample.file_name));
  }
  return lines;
}

// All files with what they hold.
std::map<std::string, std::vector<uint8_t>> content_of(const fs::path& folder) {
  std::map<std::string, std::vector<uint8_t>> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) files[entry.path().string()] = read_file(entry.path());
  return files;
}

struct Found {
  std::string format, error, warnings;
  std::map<std::string, Lines> splits;
};

Found load(const fs::path& path, const LoadOptions& options) {
  Found found;
  try {
    OpenDataset data = open_dataset(path, options);
    found.format = entry_of(data.format).name;
    found.warnings = fmt::format("{}\n", fmt::join(data.warnings, "\n"));
    for (const NamedSplit& split : named_splits(*data.reader)) {
      const Dataset loaded = make_dataset(data.reader->read(split.there), split.name, options);
      found.splits[split.name] = lines_of(loaded);
      found.warnings += loaded.report.text();
    }
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::Data);
    found.error = error.what();
  }
  return found;
}

void check_fixture(const fs::path& fixture) {
  Expected expected = read_expected(fixture / "expected");
  const TemporaryFolder folder;
  const fs::path set = folder.path() / "set";
  fs::copy(fixture / "set", set, fs::copy_options::recursive);
  for (const auto& [name, size, exif] : expected.images) {
    int width = 0, height = 0, orientation = 1;
    REQUIRE(std::sscanf(size.c_str(), "%dx%d", &width, &height) == 2);
    if (!exif.empty()) REQUIRE(std::sscanf(exif.c_str(), "exif=%d", &orientation) == 1);
    make_image(set / name, width, height, orientation);
  }
  if (!expected.options.images.empty()) expected.options.images = set / expected.options.images;
  const auto before = content_of(set);
  const Found found = load((set / expected.open).lexically_normal(), expected.options);
  CHECK(content_of(set) == before);
  if (expected.error.empty()) {
    CHECK(found.error == "");
    CHECK(found.splits == expected.splits);
  } else {
    CHECK_THAT(found.error, Catch::Contains(expected.error));
  }
  if (!expected.format.empty()) CHECK(found.format == expected.format);
  for (const std::string& warning : expected.warnings) CHECK_THAT(found.warnings, Catch::Contains(warning));
  // What tools usually leave beside a set is no loss.
  const std::string left_out = "belong to no split";
  const auto says = [&](const std::string& warning) { return warning.find(left_out) != std::string::npos; };
  if (std::none_of(expected.warnings.begin(), expected.warnings.end(), says))
    CHECK_THAT(found.warnings, !Catch::Contains(left_out));
}

}  // namespace

TEST_CASE("formats: datasets as public tools write them load, and what comes out is what they hold", "[formats]") {
  size_t fixtures = 0;
  for (const auto& entry : fs::directory_iterator(test_data("formats"))) {
    if (!entry.is_directory()) continue;
    INFO("tests/data/formats/" << entry.path().filename().string());
    check_fixture(entry.path());
    ++fixtures;
  }
  CHECK(fixtures > 0);
}

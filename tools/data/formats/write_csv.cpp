#include "tools/data/formats/dataset_writer.h"
#include "tools/text/file.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == text.npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted.append(c == '"' ? 2 : 1, c);
  return quoted + "\"";
}

class CsvWriter : public DatasetWriter {
 public:
  using DatasetWriter::DatasetWriter;

 private:
  void refuse_names() const override { refuse_doubled_classes(); }

  void write_split(const WritableSplit& split) override {
    std::string text;
    for (const WritableImage& image : split.images) {
      const std::string path = csv_field(split.name + "/" + place(image, split.name, false));
      bool any = false;
      for (const Object& object : image.sample.objects) {
        if (!takes(object, false)) continue;
        const auto [x1, y1, x2, y2] = corners_of(object, image.sample);
        text += fmt::format("{},{},{},{},{},{}\n", path, x1, y1, x2, y2, csv_field(class_of(object)));
        any = true;
      }
      if (!any) text += path + ",,,,,\n";
    }
    write_file(out_ / (split.name + ".csv"), text);
  }

  void write_classes() override {
    std::string text;
    for (size_t label = 0; label < set_.categories.size(); ++label)
      text += fmt::format("{},{}\n", csv_field(set_.categories[label].name), label);
    write_file(out_ / "classes.csv", text);
  }
};

}  // namespace

std::unique_ptr<DatasetWriter> csv_writer(const WritableSet& set, const fs::path& out, const WriteOptions& options) {
  return std::make_unique<CsvWriter>(set, out, options);
}

}  // namespace fovea

#include <yaml-cpp/yaml.h>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/data/formats/dataset_writer.h"
#include "tools/data/formats/folder.h"
#include "tools/text/advice.h"
#include "tools/text/file.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

class YoloWriter : public DatasetWriter {
 public:
  using DatasetWriter::DatasetWriter;

 private:
  void refuse_names() const override {
    refuse_doubled_classes();
    refuse("is not UTF-8, as YAML must be", false, is_not_utf8);
    for (const WritableSplit& split : set_.splits) {
      if (split.name != "train" && split.name != "val" && split.name != "test")
        throw Error(ErrorKind::Data, fmt::format("this format has the splits train, val and test only, not '{}'; {}",
                                                 printable(split.name), advise(advice::kSplitDataset)));
      for (const WritableImage& image : split.images)
        if (image.sample.file_name.find_first_of("\r\n") != std::string::npos)
          throw Error(ErrorKind::Data,
                      fmt::format("the image \"{}\" cannot be written on one line, as this format needs: "
                                  "rename it",
                                  printable(image.sample.file_name)));
    }
  }

  // A list for each split keeps the order of the images, which a folder has not.
  void write_split(const WritableSplit& split) override {
    std::string list;
    for (const WritableImage& image : split.images) {
      const std::string name = place(image, "images/" + split.name, true);
      list += fmt::format("./images/{}/{}\n", split.name, name);
      std::string labels;
      for (const Object& object : image.sample.objects) {
        if (!takes(object, false)) continue;
        const auto [x, y, w, h] = box_of(object, image.sample);
        labels += fmt::format("{} {} {} {} {}\n", object.label, (x + w / 2) / image.sample.width,
                              (y + h / 2) / image.sample.height, w / image.sample.width, h / image.sample.height);
      }
      const fs::path path = out_ / "labels" / split.name / (without_ending(name) + ".txt");
      make_folder(path.parent_path());
      write_file(path, labels);
    }
    write_file(out_ / (split.name + ".txt"), list);
  }

  void write_classes() override {
    YAML::Emitter yaml;
    yaml << YAML::BeginMap;
    for (const WritableSplit& split : set_.splits)
      yaml << YAML::Key << split.name << YAML::Value << split.name + ".txt";
    yaml << YAML::Key << "nc" << YAML::Value << set_.categories.size();
    yaml << YAML::Key << "names" << YAML::Value << YAML::BeginMap;
    for (size_t label = 0; label < set_.categories.size(); ++label)
      yaml << YAML::Key << label << YAML::Value << YAML::DoubleQuoted << set_.categories[label].name;
    yaml << YAML::EndMap << YAML::EndMap;
    write_file(out_ / "data.yaml", std::string(yaml.c_str()) + "\n");
  }
};

}  // namespace

std::unique_ptr<DatasetWriter> yolo_writer(const WritableSet& set, const fs::path& out, const WriteOptions& options) {
  return std::make_unique<YoloWriter>(set, out, options);
}

}  // namespace fovea

#include <pugixml.hpp>
#include <sstream>

#include "tools/data/formats/dataset_writer.h"
#include "tools/data/formats/folder.h"
#include "tools/text/file.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

class VocWriter : public DatasetWriter {
 public:
  using DatasetWriter::DatasetWriter;

 private:
  void refuse_names() const override {
    refuse_doubled_classes();
    refuse("is not UTF-8, as XML must be", true, is_not_utf8);
    refuse("cannot be written on one line, as this format needs", true, breaks_lines);
  }

  void write_split(const WritableSplit& split) override {
    std::string list;
    for (const WritableImage& image : split.images) {
      const std::string name = place(image, "JPEGImages", true), stem = without_ending(name);
      const fs::path path = out_ / "Annotations" / (stem + ".xml");
      make_folder(path.parent_path());
      write_file(path, xml_of(image, name));
      list += stem + "\n";
    }
    make_folder(out_ / "ImageSets/Main");
    write_file(out_ / "ImageSets/Main" / (split.name + ".txt"), list);
  }

  void write_classes() override {
    std::string text;
    for (const Category& category : set_.categories) text += category.name + "\n";
    write_file(out_ / "classes.txt", text);
  }

  std::string xml_of(const WritableImage& image, const std::string& name) {
    const auto add = [](pugi::xml_node parent, const char* key, const std::string& value) {
      parent.append_child(key).append_child(pugi::node_pcdata).set_value(value.c_str());
    };
    pugi::xml_document document;
    auto root = document.append_child("annotation");
    add(root, "folder", "JPEGImages");
    add(root, "filename", fs::path(name).filename().string());
    auto size = root.append_child("size");
    add(size, "width", std::to_string(image.sample.width));
    add(size, "height", std::to_string(image.sample.height));
    add(size, "depth", "3");
    add(root, "segmented", "0");
    for (const Object& object : image.sample.objects) {
      takes(object, true);
      auto node = root.append_child("object");
      add(node, "name", class_of(object));
      add(node, "pose", "Unspecified");
      add(node, "truncated", "0");
      add(node, "difficult", object.crowd ? "1" : "0");
      auto box = node.append_child("bndbox");
      const auto corners = corners_of(object, image.sample);
      for (size_t i = 0; i < 4; ++i)
        add(box, std::array{"xmin", "ymin", "xmax", "ymax"}[i], fmt::format("{}", corners[i]));
    }
    std::ostringstream text;
    document.save(text, "\t", pugi::format_indent | pugi::format_no_declaration, pugi::encoding_utf8);
    return text.str();
  }
};

}  // namespace

std::unique_ptr<DatasetWriter> voc_writer(const WritableSet& set, const fs::path& out, const WriteOptions& options) {
  return std::make_unique<VocWriter>(set, out, options);
}

}  // namespace fovea

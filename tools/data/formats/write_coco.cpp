#include <iterator>
#include <set>

#include "engine/files.h"
#include "tools/data/formats/dataset_writer.h"
#include "tools/text/file.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

class CocoWriter : public DatasetWriter {
 public:
  using DatasetWriter::DatasetWriter;

 private:
  void refuse_names() const override { refuse("is not UTF-8, as JSON must be", true, is_not_utf8); }

  void write_split(const WritableSplit& split) override {
    std::set<int64_t> image_ids, object_ids;
    size_t objects = 0;
    for (const WritableImage& image : split.images) {
      image_ids.insert(image.sample.id);
      objects += image.sample.objects.size();
      for (const Object& object : image.sample.objects) object_ids.insert(object.id);
    }
    const bool keep_images = image_ids.size() == split.images.size(), keep_objects = object_ids.size() == objects;
    std::string images, annotations;
    int64_t next_image = 1, next_object = 1;
    for (const WritableImage& image : split.images) {
      const Sample& sample = image.sample;
      const int64_t id = keep_images ? sample.id : next_image++;
      fmt::format_to(std::back_inserter(images), "{}\n{{\"id\":{},\"file_name\":{},\"width\":{},\"height\":{}}}",
                     images.empty() ? "" : ",", id, json_quoted(place(image, split.name, false)), sample.width,
                     sample.height);
      for (const Object& object : sample.objects) {
        const auto [x, y, w, h] = box_of(object, sample);
        fmt::format_to(
            std::back_inserter(annotations),
            "{}\n{{\"id\":{},\"image_id\":{},\"category_id\":{},\"bbox\":[{},{},{},{}],\"area\":{},\"iscrowd\":"
            "{}}}",
            annotations.empty() ? "" : ",", keep_objects ? object.id : next_object++, id,
            id_of(static_cast<size_t>(object.label)), x, y, w, h, object.area, object.crowd ? 1 : 0);
      }
    }
    std::string categories;
    for (size_t label = 0; label < set_.categories.size(); ++label)
      categories += fmt::format("{}\n{{\"id\":{},\"name\":{}}}", categories.empty() ? "" : ",", id_of(label),
                                json_quoted(set_.categories[label].name));
    make_folder(out_ / "annotations");
    write_file(out_ / "annotations" / fmt::format("instances_{}.json", split.name),
               fmt::format("{{\"images\":[{}],\n\"annotations\":[{}],\n\"categories\":[{}]}}\n", images, annotations,
                           categories));
  }

  // COCO's ids are positive; formats that count from 0 get 1, 2, ….
  int64_t id_of(size_t label) const {
    return set_.categories.front().id > 0 ? set_.categories[label].id : static_cast<int64_t>(label) + 1;
  }
};

}  // namespace

std::unique_ptr<DatasetWriter> coco_writer(const WritableSet& set, const fs::path& out, const WriteOptions& options) {
  return std::make_unique<CocoWriter>(set, out, options);
}

}  // namespace fovea

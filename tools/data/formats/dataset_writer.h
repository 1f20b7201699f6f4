// What the writers of all formats share: names that do not clash, images in their folders, boxes as they are to be
// written.
#pragma once
#include <fmt/format.h>

#include <array>
#include <map>
#include <memory>

#include "tools/data/formats/writable_set.h"

namespace fovea {

class DatasetWriter {
 public:
  DatasetWriter(const WritableSet& set, const std::filesystem::path& out, const WriteOptions& options)
      : set_(set), out_(out), options_(options) {}
  virtual ~DatasetWriter() = default;
  DatasetWriter(const DatasetWriter&) = delete;
  DatasetWriter& operator=(const DatasetWriter&) = delete;

  // As write_dataset.
  std::vector<std::string> write();

 protected:
  virtual void refuse_names() const = 0;
  virtual void write_split(const WritableSplit& split) = 0;
  virtual void write_classes() {}

  // Throws where a class, or with `images` an image, has a name for which `bad` is true.
  using IsBad = bool (*)(const std::string& name);
  void refuse(const char* why, bool images, IsBad bad) const;
  void refuse_doubled_classes() const;

  // Puts the image under `folder`; its name there. With `by_stem`, no two images there differ in their ending only,
  // since a file of labels goes by the name without it.
  std::string place(const WritableImage& image, const std::string& folder, bool by_stem);

  // x, y, width, height; and x1, y1, x2, y2.
  std::array<double, 4> box_of(const Object& object, const Sample& sample);
  std::array<double, 4> corners_of(const Object& object, const Sample& sample);

  // Whether a format that knows boxes and classes alone takes this object; counts what it loses.
  bool takes(const Object& object, bool takes_crowds);

  const std::string& class_of(const Object& object) const {
    return set_.categories[static_cast<size_t>(object.label)].name;
  }

  const WritableSet& set_;
  std::filesystem::path out_;
  WriteOptions options_;

 private:
  template <class... Args>
  void note(fmt::format_string<Args...> format, Args&&... args) {
    notes_.push_back(fmt::format(format, std::forward<Args>(args)...));
  }
  void put(const std::filesystem::path& source, const std::filesystem::path& target) const;
  void write_as_stored(const WritableImage& image, const std::filesystem::path& target);

  std::vector<std::string> notes_;
  struct Placed {
    std::string source, split;
  };
  std::map<std::string, std::map<std::string, Placed>> taken_;  // by folder, then by name
  std::string split_;
  int64_t renamed_ = 0, crowds_ = 0, areas_ = 0, beyond_ = 0, as_stored_ = 0;
  std::string first_renamed_;
};

using MakeWriter = std::unique_ptr<DatasetWriter>(const WritableSet&, const std::filesystem::path& out,
                                                  const WriteOptions&);
MakeWriter coco_writer, voc_writer, csv_writer, yolo_writer;

bool is_not_utf8(const std::string& name);
bool breaks_lines(const std::string& name);  // or loses white space at its ends on a line of a list

}  // namespace fovea

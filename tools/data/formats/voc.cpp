#include "tools/data/formats/voc.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/data/formats/folder.h"
#include "tools/data/formats/stem_index.h"
#include "tools/data/formats/voc_layout.h"
#include "tools/data/formats/voc_xml.h"
#include "tools/image/image_file.h"
#include "tools/text/encoding.h"
#include "tools/text/file.h"
#include "tools/text/text.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

struct Entry {
  size_t part;
  std::string stem;     // below the part's folders, without ending
  std::string missing;  // the annotation, where a list names one that is not there; else empty
};

bool is_annotation_file(const fs::path& file) {
  const std::string start = beginning_of(file, 1024);
  return start.find("<annotation>") != start.npos || start.find("<annotation ") != start.npos;
}

class VocReader : public DatasetReader {
 public:
  VocReader(const fs::path& folder, const fs::path& images)
      : folder_(folder), image_root_(images.empty() ? folder : images), parts_(find_voc_parts(folder)) {
    if (!images.empty())
      for (VocPart& part : parts_) part.images.clear();
    find_splits();
  }

  bool found() const { return !splits_.empty(); }

  std::vector<std::string> splits() const override {
    std::vector<std::string> names = names_of(splits_);
    if (splits_.contains("train") && splits_.contains("val")) std::erase(names, "trainval");
    return names;
  }

  // Lists leave annotations out on purpose.
  Sources sources() override {
    Sources sources{
        .folders = {}, .files = {}, .endings = {".xml"}, .is_annotations = is_annotation_file, .one_per_image = true};
    for (const VocPart& part : parts_) {
      sources.folders.push_back(folder_ / part.annotations);
      if (!part.images.empty()) sources.folders.push_back(folder_ / part.images);
    }
    return sources;
  }

 protected:
  RawDataset read_split(const std::string& split) override {
    images_read_ = objects_read_ = 0;
    RawDataset raw;
    raw.name = printable(folder_.native());
    raw.image_root = image_root_;
    raw.categories = categories(raw.warnings);
    for (const Category& category : raw.categories) label_[category.name] = category.id;
    Repeats repeats;
    for (const Entry& entry : splits_.at(split))
      if (!repeats.again(xml_path(entry).native())) add_image(raw, entry);
    if (repeats.count > 0)
      raw.warnings.push_back(fmt::format("{}: {}: {} images are listed more than once and kept once; the first: {}",
                                         raw.name, split, repeats.count, printable(repeats.first)));
    other_images_.warn(raw, "annotation files name another image than the one next to them, which is used");
    without_image_.warn(raw, "annotations have no image, neither by their own name nor by <filename>");
    odd_text_.warn(raw, "annotation files have names that are not UTF-8: they are taken as Windows-1252");
    other_shapes_.warn(raw, "objects are polygons or rotated boxes; their bounding boxes are taken");
    warn_of_lone_images(raw, split);
    move_images_to_root(raw, split);
    return raw;
  }

 private:
  // Things of one kind, of which the first is shown.
  struct Counted {
    size_t count = 0;
    std::string first;

    void add(const fs::path& path) {
      if (count++ == 0) first = printable(path.native());
    }
    void warn(RawDataset& raw, const char* what) {
      if (count > 0) raw.warnings.push_back(fmt::format("{}: {} {}; the first: {}", raw.name, count, what, first));
      *this = {};
    }
  };

  void move_images_to_root(RawDataset& raw, const std::string& split) const {
    std::vector<std::string> folders{split + "/images/"};
    for (const VocPart& part : parts_)
      if (!part.images.empty() && part.images.find('/') == std::string::npos && part.split != split)
        folders.push_back(part.images + "/");
    move_to_root(raw, folders);
    move_to_root(raw, {split + "/"});
  }

  void find_splits() {
    for (size_t p = 0; p < parts_.size(); ++p) {
      if (parts_[p].split.empty())
        for (const auto& [split, list] : split_lists(folder_, parts_[p])) read_list(p, split, list);
      else
        add_all(p, splits_[parts_[p].split]);
    }
    if (!splits_.empty()) return;
    for (size_t p = 0; p < parts_.size(); ++p) add_all(p, splits_[kWholeSet]);
  }

  void add_all(size_t part, std::vector<Entry>& entries) {
    for (const auto& [stem, name] : annotations_of(part).files()) entries.push_back({part, stem, ""});
  }

  void read_list(size_t part, const std::string& split, const fs::path& list) {
    std::vector<Entry>& entries = splits_[split];
    const auto bytes = read_file(list);
    // Names of files are any bytes, which are not taken for another encoding.
    const std::string_view raw(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const std::string text = is_utf16(raw) ? text_of(bytes, printable(list.native())).text : std::string(raw);
    int number = 0;
    for (const std::string_view line : lines_of(text)) {
      ++number;
      if (trimmed(line).empty()) continue;
      entries.push_back(entry_in(part, line));
      if (!entries.back().missing.empty())  // VOC's test lists come without annotations
        entries.back().missing = fmt::format("{}:{}: the annotation {} is missing", printable(list.native()), number,
                                             entries.back().missing);
    }
  }

  // What a line of a list says; some programs write endings, folders, a flag or the annotation behind the name.
  Entry entry_in(size_t part, std::string_view line) {
    std::string whole(trimmed(line));
    std::replace(whole.begin(), whole.end(), '\\', '/');
    const std::string first(words_of(whole)[0]);
    const auto plain = [](const std::string& said) {
      return has_image_ending(said) || has_ending(said, ".xml") ? without_ending(said) : said;
    };
    const StemIndex& annotations = annotations_of(part);
    const std::array<std::string, 6> stems{whole,
                                           plain(whole),
                                           first,
                                           plain(first),
                                           fs::path(plain(whole)).filename().string(),
                                           fs::path(plain(first)).filename().string()};
    for (const std::string& stem : stems)
      if (annotations.files().contains(stem)) return {part, stem, ""};
    for (const std::string& stem : stems)
      if (const auto found = annotations.find(stem)) return {part, without_ending(*found), ""};
    const Entry entry{part, plain(whole), ""};
    return {part, entry.stem, printable(xml_path(entry).native())};
  }

  fs::path xml_path(const Entry& entry) {
    const auto& files = annotations_of(entry.part).files();
    const auto found = files.find(entry.stem);
    return folder_ / parts_[entry.part].annotations / (found != files.end() ? found->second : entry.stem + ".xml");
  }

  // An annotation as it was read, or why it cannot be.
  struct Read {
    VocFile file;
    std::string fault;
  };

  const Read& read(const Entry& entry) {
    const fs::path path = xml_path(entry);
    const auto [found, added] = files_.try_emplace(path.native());
    if (!added) return found->second;
    try {
      if (entry.missing.empty())
        found->second.file = read_voc_xml(path);
      else
        found->second.fault = entry.missing;
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::Data) throw;
      found->second.fault = error.what();
    }
    return found->second;
  }

  std::vector<Category> categories(std::vector<std::string>& warnings) {
    std::vector<std::string> names = listed_classes(folder_, warnings);
    if (names.empty()) {
      std::set<std::string> found;
      for (const auto& [split, entries] : splits_)
        for (const Entry& entry : entries)
          for (const VocObject& object : read(entry).file.objects) found.insert(object.name);
      names.assign(found.begin(), found.end());
    }
    std::vector<Category> list;
    for (const std::string& name : names) list.push_back({static_cast<int64_t>(list.size()) + 1, name});
    return list;
  }

  const StemIndex& images_of(size_t part) {
    const auto found = images_.find(part);
    if (found != images_.end()) return found->second;
    return images_.emplace(part, StemIndex(image_root_ / parts_[part].images, has_image_ending, &passed_))
        .first->second;
  }

  const StemIndex& annotations_of(size_t part) {
    const auto found = annotations_.find(part);
    if (found != annotations_.end()) return found->second;
    const auto is_xml = [](const fs::path& name) { return has_ending(name.native(), ".xml"); };
    return annotations_.emplace(part, StemIndex(folder_ / parts_[part].annotations, is_xml, &passed_)).first->second;
  }

  // The file of the name that the annotation says, where that is its own name too; else the one that has its own name,
  // whatever the ending: tools that rename or convert images often leave <filename> as it was.
  std::string image_name(const Entry& entry, const std::string& said) {
    const fs::path folder(parts_[entry.part].images);
    const std::string name = (folder / fs::path(entry.stem).parent_path() / said).string();
    const bool exists = !said.empty() && path_below(image_root_, name) && is_there(image_root_ / name);
    const bool same_stem = fs::path(said).stem() == fs::path(entry.stem).filename();
    if (exists && same_stem) return name;
    const auto own = images_of(entry.part).find(entry.stem);
    if (own) {
      if (exists) other_images_.add(xml_path(entry));
      return (folder / *own).string();
    }
    if (exists) return name;
    if (const auto by_said = images_of(entry.part).find(without_ending(said)); by_said && !said.empty())
      return (folder / *by_said).string();
    without_image_.add(xml_path(entry));
    return !said.empty() ? name : (folder / (entry.stem + ".jpg")).string();
  }

  // Images that no annotation belongs to are no part of the set.
  void warn_of_lone_images(RawDataset& raw, const std::string& split) {
    Counted lone;
    for (size_t part = 0; part < parts_.size(); ++part) {
      if (!parts_[part].split.empty() && parts_[part].split != split) continue;
      const StemIndex& index = images_of(part);
      std::set<std::string> annotated;
      for (const auto& [stem, name] : annotations_of(part).files()) annotated.insert(StemIndex::key_of(stem));
      for (const auto& [stem, name] : index.files())
        if (!annotated.contains(StemIndex::key_of(stem))) lone.add(image_root_ / parts_[part].images / name);
    }
    lone.warn(raw, "images have no annotation and are left out");
  }

  void add_image(RawDataset& raw, const Entry& entry) {
    const auto& [file, fault] = read(entry);
    if (!fault.empty()) {
      const auto image = images_of(entry.part).find(entry.stem);
      const fs::path name = fs::path(parts_[entry.part].images) / image.value_or(entry.stem + ".jpg");
      raw.bad_images.push_back({name.string(), fault});
      return;
    }
    if (file.odd_text) odd_text_.add(xml_path(entry));
    raw.files.push_back(printable(xml_path(entry).native()));
    const auto origin = static_cast<int32_t>(raw.files.size()) - 1;
    RawImage image{.id = ++images_read_,
                   .file_name = image_name(entry, file.filename),
                   .width = file.width,
                   .height = file.height,
                   .origin = {origin, 0}};
    const bool sized = image.width > 0 && image.height > 0;
    if (!sized && path_below(image_root_, image.file_name) && !take_size_from_file(raw, image)) return;
    for (const VocObject& object : file.objects) {
      const auto& [x1, y1, x2, y2] = object.corners;
      if (object.other_shape) other_shapes_.add(xml_path(entry));
      RawObject read{.id = ++objects_read_,
                     .image_id = image.id,
                     .category_id = -1,
                     .bbox = box_of_corners(x1, y1, x2, y2),
                     .area = std::nullopt,
                     .crowd = object.difficult,
                     .origin = {origin, object.line}};
      const auto label = label_.find(object.name);
      read.category_id = label != label_.end() ? label->second : unknown_id(raw, object.name);
      raw.objects.push_back(read);
    }
    raw.images.push_back(std::move(image));
  }

  static int64_t unknown_id(RawDataset& raw, const std::string& name) {
    const auto id = -1 - static_cast<int64_t>(raw.unknown_names.size());
    raw.unknown_names.emplace(id, name);
    return id;
  }

  fs::path folder_, image_root_;
  std::vector<VocPart> parts_;
  std::map<std::string, std::vector<Entry>> splits_;
  std::map<std::string, Read> files_;
  std::map<size_t, StemIndex> images_, annotations_;
  std::map<std::string, int64_t> label_;
  int64_t images_read_ = 0, objects_read_ = 0;
  Counted other_images_, without_image_, odd_text_, other_shapes_;
};

}  // namespace

std::unique_ptr<DatasetReader> open_voc(const fs::path& folder, const LoadOptions& options) {
  if (!is_folder(folder)) return nullptr;
  auto reader = std::make_unique<VocReader>(folder, options.images);
  return reader->found() ? std::move(reader) : nullptr;
}

}  // namespace fovea

#include "tools/data/formats/voc.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/data/formats/folder.h"
#include "tools/data/formats/voc_xml.h"
#include "tools/image/image_file.h"
#include "tools/text/file.h"
#include "tools/text/text.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

// A folder with annotations, and the one with their images; as strings below the dataset's folder, "" is itself.
struct Part {
  std::string annotations, images, lists;
};

struct Entry {
  size_t part;
  std::string stem;  // below the part's folders, without ending
};

// Images of a folder by their path without ending.
using ImageIndex = std::map<std::string, std::string>;

std::string without_ending(const std::string& name) { return fs::path(name).replace_extension().string(); }

class VocReader : public DatasetReader {
 public:
  explicit VocReader(const fs::path& folder) : folder_(folder) {
    find_part("");
    if (parts_.empty()) find_years("");
    if (parts_.empty()) find_flat();
    find_splits();
  }

  bool found() const { return !splits_.empty(); }

  std::vector<std::string> splits() const override {
    std::vector<std::string> names = names_of(splits_);
    if (splits_.contains("train") && splits_.contains("val")) std::erase(names, "trainval");
    return names;
  }

  RawDataset read_split(const std::string& split) override {
    if (const auto broken = broken_.find(split); broken != broken_.end()) throw Error(ErrorKind::Data, broken->second);
    images_read_ = objects_read_ = other_stems_ = 0;
    RawDataset raw;
    raw.name = printable(folder_.native());
    raw.image_root = folder_;
    raw.categories = categories();
    for (const Category& category : raw.categories) label_[category.name] = category.id;
    Repeats repeats;
    for (const Entry& entry : splits_.at(split))
      if (!repeats.again(xml_path(entry).native())) add_image(raw, entry);
    if (repeats.count > 0)
      raw.warnings.push_back(fmt::format("{}: {}: {} images are listed more than once and kept once; the first: {}",
                                         raw.name, split, repeats.count, printable(repeats.first)));
    if (other_stems_ > 0)
      raw.warnings.push_back(
          fmt::format("{}: {} annotation files name another image than the one next to them, "
                      "which is used; the first: {}",
                      raw.name, other_stems_, first_other_));
    move_to_root(raw, {"JPEGImages/", "images/", "Images/", split + "/images/"});
    move_to_root(raw, {split + "/"});
    return raw;
  }

 private:
  bool find_part(const std::string& prefix) {
    for (const char* annotations : {"Annotations", "annotations"}) {
      if (!fs::is_directory(folder_ / prefix / annotations) ||
          !any_file_below(folder_ / prefix / annotations, ".xml", true))
        continue;
      std::string images = prefix + annotations;
      for (const char* name : {"images", "Images", "JPEGImages"})
        if (fs::is_directory(folder_ / prefix / name)) images = prefix + name;
      parts_.push_back({prefix + annotations, images, prefix + "ImageSets/Main"});
      return true;
    }
    return false;
  }

  // VOC2007/, VOC2012/ …, or VOCdevkit/ with these in it.
  void find_years(const std::string& prefix) {
    for (const std::string& inner : folders_in(folder_ / prefix)) {
      if (!inner.starts_with("VOC") || find_part(prefix + inner + "/")) continue;
      if (prefix.empty()) find_years(inner + "/");
    }
  }

  // Annotations beside the images, in a folder a split or one for all.
  void find_flat() {
    for (const std::string& inner : folders_in(folder_)) {
      if (!find_part(inner + "/")) {
        if (!holds_xml(inner)) continue;
        parts_.push_back({inner, inner, ""});
      }
      flat_.push_back(inner);
    }
    if (flat_.empty() && holds_xml("")) parts_.push_back({"", "", ""});
  }

  bool holds_xml(const std::string& inner) const { return any_file_below(folder_ / inner, ".xml", false); }

  void find_splits() {
    for (size_t p = 0; p < parts_.size(); ++p) {
      if (!flat_.empty()) {
        add_all(p, splits_[flat_[p]]);
      } else if (!parts_[p].lists.empty()) {
        for (const std::string& list : files_in(folder_ / parts_[p].lists))
          if (has_ending(list, ".txt") && !is_of_a_class(list)) read_list(p, list);
      }
    }
    if (!splits_.empty()) return;
    for (size_t p = 0; p < parts_.size(); ++p) add_all(p, splits_[kWholeSet]);
  }

  // VOC's lists of a class, like dog_train.txt, hold all images with 1, -1 or 0 beside each.
  static bool is_of_a_class(const std::string& list) {
    const std::string name = without_ending(list);
    return std::any_of(std::begin(kSplits), std::end(kSplits),
                       [&](auto split) { return name.ends_with(std::string("_") + split); });
  }

  void add_all(size_t part, std::vector<Entry>& entries) {
    for (const std::string& name : files_below(folder_ / parts_[part].annotations, &hidden_))
      if (has_ending(name, ".xml")) entries.push_back({part, without_ending(name)});
  }

  void read_list(size_t part, const std::string& name) {
    const fs::path list = folder_ / parts_[part].lists / name;
    const std::string split = without_ending(name);
    std::vector<Entry>& entries = splits_[split];
    const auto bytes = read_file(list);
    int number = 0;
    for (const std::string_view line : lines_of({reinterpret_cast<const char*>(bytes.data()), bytes.size()})) {
      ++number;
      if (trimmed(line).empty()) continue;
      if (const auto stem = stem_in(part, line))
        entries.push_back({part, *stem});
      else  // an error only where this split is read: VOC's test lists come without annotations
        broken_.emplace(split, fmt::format("{}:{}: the annotation {} is missing", printable(list.native()), number,
                                           printable(xml_path({part, std::string(trimmed(line))}).native())));
    }
  }

  // The name that a line of a list says; some programs write endings, or a flag behind the name.
  std::optional<std::string> stem_in(size_t part, std::string_view line) const {
    const auto words = words_of(line);
    const std::string whole(trimmed(line));
    for (const std::string& stem : {whole, without_ending(whole), std::string(words[0])})
      if (path_below(folder_, stem) && is_there(xml_path({part, stem}))) return stem;
    return std::nullopt;
  }

  fs::path xml_path(const Entry& entry) const {
    return folder_ / parts_[entry.part].annotations / (entry.stem + ".xml");
  }

  const VocFile& file_of(const Entry& entry) {
    const fs::path path = xml_path(entry);
    const auto found = files_.find(path.native());
    return found != files_.end() ? found->second : files_.emplace(path.native(), read_voc_xml(path)).first->second;
  }

  std::vector<Category> categories() {
    std::vector<Category> list;
    std::set<std::string> names;
    if (const fs::path path = folder_ / "classes.txt"; is_there(path)) {
      const auto bytes = read_file(path);
      for (const auto line : lines_of({reinterpret_cast<const char*>(bytes.data()), bytes.size()})) {
        if (trimmed(line).empty()) continue;
        list.push_back({static_cast<int64_t>(list.size()) + 1, std::string(line)});
        if (!names.insert(list.back().name).second)
          throw Error(ErrorKind::Data,
                      fmt::format("{}: the class '{}' is listed twice", printable(path.native()), printable(line)));
      }
      return list;
    }
    for (const auto& [split, entries] : splits_)
      for (const Entry& entry : entries)
        for (const VocObject& object : file_of(entry).objects) names.insert(object.name);
    for (const std::string& name : names) list.push_back({static_cast<int64_t>(list.size()) + 1, name});
    return list;
  }

  // Stems of the images in each part's folder.
  const ImageIndex& images_of(size_t part) {
    const auto [found, added] = images_.try_emplace(part);
    if (added)
      for (const std::string& name : files_below(folder_ / parts_[part].images, &hidden_))
        if (has_image_ending(name)) found->second.emplace(without_ending(name), name);
    return found->second;
  }

  // The file of the name that the annotation says, where that is its own name too; else the one that has its own name,
  // whatever the ending: tools that rename or convert images often leave <filename> as it was.
  std::string image_name(const Entry& entry, const std::string& said) {
    const std::string& folder = parts_[entry.part].images;
    const fs::path beside = fs::path(entry.stem).parent_path();
    const std::string name = (fs::path(folder) / beside / said).string();
    const bool exists = !said.empty() && path_below(folder_, name) && is_there(folder_ / name);
    const bool same_stem = fs::path(said).stem() == fs::path(entry.stem).filename();
    if (exists && same_stem) return name;
    const auto own = images_of(entry.part).find(entry.stem);
    if (own == images_of(entry.part).end()) return exists || !said.empty() ? name : entry.stem + ".jpg";
    if (exists && other_stems_++ == 0) first_other_ = printable(xml_path(entry).native());
    return (fs::path(folder) / own->second).string();
  }

  void add_image(RawDataset& raw, const Entry& entry) {
    const VocFile& file = file_of(entry);
    raw.files.push_back(printable(xml_path(entry).native()));
    const auto origin = static_cast<int32_t>(raw.files.size()) - 1;
    RawImage image{.id = ++images_read_,
                   .file_name = image_name(entry, file.filename),
                   .width = file.width,
                   .height = file.height,
                   .origin = {origin, 0}};
    const bool sized = image.width > 0 && image.height > 0;
    if (!sized && path_below(folder_, image.file_name) && !take_size_from_file(raw, image)) return;
    for (const VocObject& object : file.objects) {
      const auto& [x1, y1, x2, y2] = object.corners;
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

  static constexpr const char* kSplits[] = {"train", "val", "trainval", "test"};

  fs::path folder_;
  std::vector<Part> parts_;
  std::vector<std::string> flat_;  // of each part, its split; empty: not flat
  std::map<std::string, std::vector<Entry>> splits_;
  std::map<std::string, std::string> broken_;  // why a split cannot be read
  std::map<std::string, VocFile> files_;
  std::map<size_t, ImageIndex> images_;
  std::map<std::string, int64_t> label_;
  int64_t images_read_ = 0, objects_read_ = 0, other_stems_ = 0;
  std::string first_other_;
};

}  // namespace

std::unique_ptr<DatasetReader> open_voc(const fs::path& folder, const LoadOptions& /*options*/) {
  if (!fs::is_directory(folder)) return nullptr;
  auto reader = std::make_unique<VocReader>(folder);
  return reader->found() ? std::move(reader) : nullptr;
}

}  // namespace fovea

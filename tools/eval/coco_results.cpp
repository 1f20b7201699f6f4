#include "tools/eval/coco_results.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "engine/files.h"
#include "engine/printable.h"
#include "tools/eval/box_places.h"
#include "tools/eval/images_by_name.h"
#include "tools/eval/results_look.h"
#include "tools/eval/usual_results.h"
#include "tools/text/file.h"
#include "tools/text/json_input.h"
#include "tools/text/json_list.h"
#include "tools/text/outputs.h"
#include "tools/text/tasks.h"
#include "tools/text/text.h"

namespace fovea {
namespace {

using Value = JsonInput::Value;

void read_box(JsonInput& input, Value value, Detection& detection) {
  std::tie(detection.x, detection.y, detection.w, detection.h) = input.four_numbers(value);
  if (detection.w < 0 || detection.h < 0) throw input.fail("has a negative width or height");
}

using Ids = std::unordered_set<int64_t>;

struct Id {
  int64_t number = 0;
  std::string word;  // empty: it is the number
};

Id read_id_or_word(JsonInput& input, Value value) {
  if (value.type() != simdjson::ondemand::json_type::string) return {input.id(value), ""};
  const std::string word = input.text(value);
  if (const auto id = parse_id(word)) return {*id, ""};
  if (trimmed(word).empty()) throw input.fail(fmt::format("expected an integer below 2^53, found \"{}\"", word));
  return {0, word};
}

ImagesByName images_by_name(const TruthSet& truth) {
  ImagesByName images(truth.image_words);
  for (const TruthImage& image : truth.images) images.add(image.id, image.file_name);
  return images;
}

// The categories of the ground truth, by their ids and by words.
class CategoryIds {
 public:
  explicit CategoryIds(const TruthSet& truth) {
    for (const Category& category : truth.categories) ids_.insert(category.id);
    for (const Category& category : truth.categories) words_.emplace(category.name, category.id);
    for (const auto& [word, id] : truth.category_words) words_[word] = id;
  }

  int64_t read(JsonInput& input, Value value) const {
    const Id id = read_id_or_word(input, value);
    const auto named = words_.find(id.word);
    if (!id.word.empty() && named == words_.end())
      throw input.fail(fmt::format("the ground truth has no category {}", printable(id.word)));
    const int64_t number = id.word.empty() ? id.number : named->second;
    if (!ids_.contains(number))
      throw input.fail(fmt::format("the ground truth has no category {}{}", number, hint(number)));
    return number;
  }

 private:
  // The usual cause, where an id lies next to those that there are.
  std::string hint(int64_t number) const {
    if (ids_.empty()) return "";
    const auto [least, largest] = std::minmax_element(ids_.begin(), ids_.end());
    const char* mend = number == *least - 1 ? "add 1 to" : number == *largest + 1 ? "subtract 1 from" : nullptr;
    if (mend == nullptr) return "";
    return fmt::format("; its ids are {} to {}: if the results count from another number, {} each", *least, *largest,
                       mend);
  }

  Ids ids_;
  std::unordered_map<std::string, int64_t> words_;
};

Detection read_detection(JsonInput& input, simdjson::ondemand::object entry, const ImagesByName& images,
                         const CategoryIds& categories, std::atomic<int64_t>& moved) {
  Detection detection{};
  bool image = false, category = false, box = false, score = false;
  std::optional<std::string> name;
  std::optional<Error> unknown;
  bool word = false;  // the image's id is one, which is no word of the ground truth: a name
  input.for_each_field(entry, [&](std::string_view key, Value value) {
    if (key == "image_id") {
      Id id = read_id_or_word(input, value);
      const auto known = id.word.empty() ? std::optional(id.number) : images.of_word(id.word);
      detection.image_id = known.value_or(0), image = true, word = !known;
      if (word && !name) name = id.word;
      if (!word && !images.knows(detection.image_id))
        unknown = input.fail(fmt::format("the ground truth has no image {}", detection.image_id));
    }
    if (key == "file_name") name = input.text(value);
    if (key == "category_id") detection.category_id = categories.read(input, value), category = true;
    if (key == "bbox") read_box(input, value, detection), box = true;
    if (key == "score") detection.score = input.finite_number(value), score = true;
  });
  input.need(image, "image_id");
  input.need(category, "category_id");
  input.need(box, "bbox");
  input.need(score, "score");
  if (unknown && !name) throw *unknown;
  if (!name) return detection;
  const auto own = word ? std::nullopt : std::optional(detection.image_id);
  const int64_t found = images.find(input, own, result_name(*name));
  if (own && found != *own) ++moved;
  detection.image_id = found;
  return detection;
}

// In whatever form; says what is wrong.
Detections read_any_results(const std::filesystem::path& path, const TruthSet& truth,
                            std::vector<std::string>* warnings) {
  const ImagesByName images = images_by_name(truth);
  const CategoryIds categories(truth);
  std::atomic<int64_t> moved = 0;
  const auto detections = read_json_list<Detection>(path, "results",
                                                    [&](JsonInput& input, simdjson::ondemand::object entry) {
                                                      return read_detection(input, entry, images, categories, moved);
                                                    },
                                                    {"annotations", "predictions", "detections", "results"});
  if (warnings != nullptr && moved > 0) warnings->push_back(moved_line(path, moved, detections.size()));
  return {detections.begin(), detections.end()};
}

template <class List>
std::vector<int64_t> ids_in(const List& list) {
  std::vector<int64_t> ids;
  for (const auto& entry : list) ids.push_back(entry.id);
  return ids;
}

// Whether read_any_results() would take such detections as they are.
bool is_all_known(const TruthSet& truth, std::span<const Detection> detections) {
  const IdIndex images(ids_in(truth.images)), categories(ids_in(truth.categories));
  constexpr size_t at_once = 65536;
  std::atomic<bool> known = true;
  run_tasks((detections.size() + at_once - 1) / at_once, usual_workers(), [&](size_t task, size_t) {
    const auto some = detections.subspan(task * at_once, std::min(at_once, detections.size() - task * at_once));
    const bool good = std::all_of(some.begin(), some.end(), [&](const Detection& d) {
      return images.find(d.image_id) != IdIndex::kNone && categories.find(d.category_id) != IdIndex::kNone &&
             d.w >= 0 && d.h >= 0;
    });
    if (!good) known = false;
  });
  return known;
}

constexpr const char *kEnd = "\n]\n", *kFirstKey = "{\"file_name\": ";

// What COCO has of a detection, with the digits that read back the same, to the end of the entry.
void append(std::string& text, const Detection& d) {
  fmt::format_to(std::back_inserter(text),
                 "\"image_id\": {}, \"category_id\": {}, \"bbox\": [{}, {}, {}, {}], \"score\": {}}}", d.image_id,
                 d.category_id, d.x, d.y, d.w, d.h, d.score);
}

// False, with errno, when it cannot all be written.
bool write_at(int file, int64_t offset, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = pwrite(file, text.data(), text.size(), offset);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    offset += written;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

}  // namespace

Detection coco_detection(int64_t image_id, int64_t category_id, const Detected& found) {
  return {image_id,   category_id, found.x1, found.y1, double{found.x2} - found.x1, double{found.y2} - found.y1,
          found.score};
}

Detections read_coco_results(const std::filesystem::path& path, const TruthSet& truth,
                             std::vector<std::string>* warnings) {
  return read_coco_results(path, truth, warnings, read_usual_results(path, usual_workers()));
}

Detections read_coco_results(const std::filesystem::path& path, const TruthSet& truth,
                             std::vector<std::string>* warnings, std::optional<Detections> ahead) {
  const bool good = ahead && is_all_known(truth, *ahead);
  Detections detections = good ? std::move(*ahead) : read_any_results(path, truth, warnings);
  for (std::string& line : look_at_results(printable(path.native()), truth, detections))
    if (warnings != nullptr) warnings->push_back(std::move(line));
  return detections;
}

void write_coco_results(const std::filesystem::path& path, std::span<const Detection> detections) {
  std::string text = "[";
  for (const Detection& d : detections) {
    text += text.size() > 1 ? ",\n{" : "\n{";
    append(text, d);
  }
  write_output(path, text + kEnd);
}

ResultsFile::ResultsFile(std::filesystem::path path)
    : path_(std::move(path)), file_(open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) {
  if (file_ < 0 || !write_at(file_, 0, std::string("[") + kEnd)) {
    const Error error = cannot_write(path_);
    if (file_ >= 0) close(file_);
    throw error;
  }
}

ResultsFile::~ResultsFile() { close(file_); }

void ResultsFile::add(std::span<const Detection> detections, const OfImage& image) {
  if (detections.empty()) return;
  const std::string head = fmt::format("\n{}{}, \"width\": {}, \"height\": {}, ", kFirstKey,
                                       json_quoted(result_name(image.file_name)), image.size.width, image.size.height);
  std::string text;
  for (const Detection& d : detections) {
    if (end_ > 1 || !text.empty()) text += ",";
    text += head;
    append(text, d);
  }
  if (write_at(file_, end_, text + kEnd)) {
    end_ += static_cast<int64_t>(text.size());
    return;
  }
  const Error error = cannot_write(path_);
  // What stood there takes no room that is not there already.
  const bool mended = ftruncate(file_, end_) == 0 && write_at(file_, end_, kEnd);
  if (!mended) throw Error(error.kind(), std::string(error.what()) + "; its end is missing");
  throw error;
}

void require_own_results(const std::filesystem::path& path) {
  require_replaceable(path, {"[\n{\"file_name\": ", "[\n{\"image_id\": ", "[\n]\n"});
}

}  // namespace fovea

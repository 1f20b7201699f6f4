#include "tools/data/formats/segmentation.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <vector>

#include "tools/data/formats/raw_dataset.h"

namespace fovea {
namespace {

using Box = std::array<double, 4>;

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

// Reads one value forward; JSON that is no mask ends the reading, and nothing is thrown.
class MaskReader {
 public:
  explicit MaskReader(std::string_view json) : text_(json) {}

  std::optional<Box> box() {
    if (next() == '[') return of_polygons();
    if (next() == '{') return of_runs();
    return std::nullopt;
  }

 private:
  char next() {
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  bool take(char c) {
    if (next() != c) return false;
    ++at_;
    return true;
  }

  std::optional<double> number() {
    next();
    double value = 0;
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (error != std::errc()) return std::nullopt;
    at_ = static_cast<size_t>(end - text_.data());
    return value;
  }

  std::optional<std::vector<double>> numbers() {
    std::vector<double> list;
    if (!take('[')) return std::nullopt;
    while (!take(']')) {
      const auto value = number();
      if (!value || (!take(',') && next() != ']')) return std::nullopt;
      list.push_back(*value);
    }
    return list;
  }

  // Without escapes but for \\, the only one that run lengths need.
  std::optional<std::string> string() {
    if (!take('"')) return std::nullopt;
    std::string text;
    for (; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\') ++at_;
      if (at_ < text_.size()) text += text_[at_];
    }
    return take('"') ? std::optional(text) : std::nullopt;
  }

  // A list of polygons, or one polygon alone.
  std::optional<Box> of_polygons() {
    std::vector<double> all;
    const size_t begin = at_;
    take('[');
    const bool nested = next() == '[';
    at_ = nested ? at_ : begin;
    do {
      const auto polygon = numbers();
      if (!polygon || polygon->size() % 2 != 0) return std::nullopt;
      all.insert(all.end(), polygon->begin(), polygon->end());
    } while (nested && take(','));
    if (all.size() < 4) return std::nullopt;
    Box corners{all[0], all[1], all[0], all[1]};
    for (size_t i = 0; i < all.size(); i += 2)
      corners = {std::min(corners[0], all[i]), std::min(corners[1], all[i + 1]), std::max(corners[2], all[i]),
                 std::max(corners[3], all[i + 1])};
    return box_of_corners(corners[0], corners[1], corners[2], corners[3]);
  }

  std::optional<Box> of_runs() {
    std::optional<std::vector<double>> size, counts;
    take('{');
    do {
      const auto key = string();
      if (!key || !take(':')) return std::nullopt;
      if (*key == "size") size = numbers();
      if (*key == "counts") counts = next() == '"' ? run_lengths(string()) : numbers();
      if (*key != "size" && *key != "counts") return std::nullopt;
    } while (take(','));
    if (!size || size->size() != 2 || !counts) return std::nullopt;
    return box_of_runs(*counts, (*size)[0], (*size)[1]);
  }

  // COCO's text of run lengths: numbers of 5 bits a character from '0' on, the sixth bit says that more follow; from
  // the fourth number on, the difference to the number two before.
  static std::optional<std::vector<double>> run_lengths(const std::optional<std::string>& text) {
    if (!text) return std::nullopt;
    std::vector<double> counts;
    for (size_t at = 0; at < text->size();) {
      int64_t value = 0;
      bool more = true;
      for (int shift = 0; more; shift += 5) {
        if (at >= text->size() || shift > 55) return std::nullopt;
        const int digit = (*text)[at++] - '0';
        if (digit < 0 || digit > 63) return std::nullopt;
        value |= static_cast<int64_t>(digit & 31) << shift;
        more = (digit & 32) != 0;
        if (!more && (digit & 16) != 0) value |= -(int64_t{1} << (shift + 5));
      }
      const size_t n = counts.size();
      counts.push_back(static_cast<double>(value) + (n > 2 ? counts[n - 2] : 0));
    }
    return counts;
  }

  // Runs of pixels outside and inside the mask by turns, down the columns.
  static std::optional<Box> box_of_runs(const std::vector<double>& counts, double height, double width) {
    if (!(height >= 1) || !(width >= 1) || height > 1e6 || width > 1e6) return std::nullopt;
    const auto rows = static_cast<int64_t>(height);
    int64_t at = 0, left = std::numeric_limits<int64_t>::max(), top = left, right = -1, bottom = -1;
    for (size_t i = 0; i < counts.size(); ++i) {
      if (!(counts[i] >= 0) || counts[i] > height * width) return std::nullopt;
      const auto count = static_cast<int64_t>(counts[i]);
      if (i % 2 == 1 && count > 0) {
        const int64_t last = at + count - 1;
        const bool one_column = at / rows == last / rows;
        left = std::min(left, at / rows);
        right = std::max(right, last / rows);
        top = std::min(top, one_column ? at % rows : 0);
        bottom = std::max(bottom, one_column ? last % rows : rows - 1);
      }
      at += count;
    }
    if (right < 0 || at > rows * static_cast<int64_t>(width)) return std::nullopt;
    return Box{static_cast<double>(left), static_cast<double>(top), static_cast<double>(right - left + 1),
               static_cast<double>(bottom - top + 1)};
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

std::optional<Box> box_of_segmentation(std::string_view json) { return MaskReader(json).box(); }

}  // namespace fovea

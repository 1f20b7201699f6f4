#include "tools/eval/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>

#include "kernels/error.h"

namespace fovea {
namespace {

constexpr size_t most_ious = 1000;

Error wrong(std::string_view setting, std::string_view word, std::string_view expected) {
  return {ErrorKind::Usage, fmt::format("{}: '{}': expected {}", setting, word, expected)};
}

// Throughout the word; independent of the locale.
bool to_number(std::string_view word, double& number) {
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  return error == std::errc() && end == word.data() + word.size() && std::isfinite(number);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (size_t from = 0; from <= text.size();) {
    const size_t to = std::min(text.find(separator, from), text.size());
    parts.push_back(text.substr(from, to - from));
    from = to + 1;
  }
  return parts;
}

std::vector<double> parse_iou_range(const std::string& word) {
  const auto parts = split(word, ':');
  double first, last, step;
  if (parts.size() != 3 || !to_number(parts[0], first) || !to_number(parts[1], last) || !to_number(parts[2], step) ||
      !(step > 0) || !(last > first) || (last - first) / step > most_ious)
    throw wrong("ious", word, "numbers, or first:last:step as in 0.5:0.95:0.05");
  return linspace(first, last, static_cast<int>(std::round((last - first) / step)) + 1);
}

std::vector<double> parse_ious(const std::vector<std::string>& words) {
  if (words.size() == 1 && words[0].find(':') != std::string::npos) return parse_iou_range(words[0]);
  std::vector<double> ious;
  for (const std::string& word : words) {
    if (!to_number(word, ious.emplace_back())) throw wrong("ious", word, "a number, as in 0.5");
  }
  return ious;
}

AreaRange parse_area(const std::string& word) {
  const size_t equals = word.find('=');
  const auto ends = split(equals == std::string::npos ? "" : std::string_view(word).substr(equals + 1), ':');
  AreaRange range{word.substr(0, equals), 0, 0};
  const bool numbers = ends.size() == 2 && to_number(ends[0], range.low) && to_number(ends[1], range.high);
  if (!numbers || range.name.empty() || range.name == "all" || !(range.low <= range.high))
    throw wrong("areas", word, "name=low:high in square pixels, as in small=0:1024, with a name other than all");
  return range;
}

// From the lowest up, each one once.
template <class Number>
void sort_unique(std::vector<Number>& list) {
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
}

}  // namespace

std::vector<double> linspace(double first, double last, int count) {
  std::vector<double> values;
  const double step = (last - first) / (count - 1);
  for (int i = 0; i < count; ++i) values.push_back(i == count - 1 ? last : first + i * step);
  return values;
}

int EvalSettings::index_of(double iou) const {
  const auto found = std::find(ious.begin(), ious.end(), iou);
  return found == ious.end() ? -1 : static_cast<int>(found - ious.begin());
}

std::vector<Metric> metrics_of(const EvalSettings& settings) {
  std::vector<Metric> metrics;
  const int most = settings.limits.back(), areas = static_cast<int>(settings.areas.size());
  metrics.push_back({"AP", false, -1, 0, most});
  for (const auto& [name, iou] : {std::pair{"AP50", 0.5}, {"AP75", 0.75}})
    if (settings.index_of(iou) >= 0) metrics.push_back({name, false, settings.index_of(iou), 0, most});
  for (int a = 1; a < areas; ++a) metrics.push_back({"AP" + settings.areas[a].name, false, -1, a, most});
  for (const int limit : settings.limits) metrics.push_back({fmt::format("AR{}", limit), true, -1, 0, limit});
  for (int a = 1; a < areas; ++a) metrics.push_back({"AR" + settings.areas[a].name, true, -1, a, most});
  return metrics;
}

EvalSettings parse_settings(const std::vector<std::string>& ious, const std::vector<int>& limits,
                            const std::vector<std::string>& areas) {
  EvalSettings settings;
  if (!ious.empty()) settings.ious = parse_ious(ious);
  if (!limits.empty()) settings.limits = limits;
  if (!areas.empty()) {
    settings.areas.resize(1);
    for (const std::string& word : areas) settings.areas.push_back(parse_area(word));
  }
  sort_unique(settings.ious);
  sort_unique(settings.limits);
  if (settings.ious.front() <= 0 || settings.ious.back() > 1 || settings.ious.size() > most_ious)
    throw Error(ErrorKind::Usage, fmt::format("ious: expected at most {} thresholds above 0 and at most 1", most_ious));
  if (settings.limits.front() < 1) throw Error(ErrorKind::Usage, "limits: expected whole numbers of at least 1");
  return settings;
}

}  // namespace fovea

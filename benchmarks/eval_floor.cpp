// The least that an evaluation of two COCO files has to do, on one core, as JSON: to read the files, to parse their
// numbers with simdjson, to sort each class's detections by score, and to compare each detection with the objects of
// its image and class. Left out: finding out which belong together, the matching at ten thresholds and four sizes, and
// the curves. Seconds are the least of some rounds.
#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "benchmarks/command_line.h"

namespace {

using simdjson::ondemand::object;

struct Box {
  int64_t image, category;
  double x, y, w, h, score;
};

Box box_of(object entry) {
  Box box{};
  for (auto field : entry) {
    const std::string_view key = field.unescaped_key();
    if (key == "image_id") box.image = field.value().get_int64();
    if (key == "category_id") box.category = field.value().get_int64();
    if (key == "score") box.score = field.value().get_double();
    if (key != "bbox") continue;
    double* const sides[] = {&box.x, &box.y, &box.w, &box.h};
    size_t i = 0;
    for (auto side : field.value()) *sides[i++ % 4] = side.get_double();
  }
  return box;
}

struct Text {
  simdjson::padded_string truth, detections;
};

Text read(const std::string& truth, const std::string& detections) {
  return {simdjson::padded_string::load(truth), simdjson::padded_string::load(detections)};
}

struct Boxes {
  std::vector<Box> objects, found;
};

Boxes parse(const Text& text) {
  Boxes boxes;
  simdjson::ondemand::parser parser;
  auto truth = parser.iterate(text.truth);
  for (object entry : truth["annotations"]) boxes.objects.push_back(box_of(entry));
  auto detections = parser.iterate(text.detections);
  for (object entry : detections) boxes.found.push_back(box_of(entry));
  return boxes;
}

// The overlaps above 0.5 of detections and objects that lie together.
int64_t match(const std::vector<std::pair<std::vector<Box>, std::vector<Box>>>& groups) {
  int64_t matches = 0;
  for (const auto& [objects, found] : groups)
    for (const Box& d : found)
      for (const Box& g : objects) {
        const double w = std::min(d.x + d.w, g.x + g.w) - std::max(d.x, g.x);
        const double h = std::min(d.y + d.h, g.y + g.h) - std::max(d.y, g.y);
        const double both = std::max(w, 0.0) * std::max(h, 0.0);
        matches += both >= 0.5 * (d.w * d.h + g.w * g.h - both) ? 1 : 0;
      }
  return matches;
}

double least_seconds(int rounds, const std::function<void()>& work) {
  double least = std::numeric_limits<double>::infinity();
  for (int round = 0; round < rounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    work();
    least = std::min(least, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return least;
}

struct Options {
  std::string ground_truth, detections;
  int rounds = 5;
};

void run(const Options& options) {
  Text text;
  Boxes boxes;
  const double reading = least_seconds(options.rounds, [&] { text = read(options.ground_truth, options.detections); });
  const double parsing = least_seconds(options.rounds, [&] { boxes = parse(text); });

  std::map<int64_t, std::vector<double>> scores;
  std::map<std::pair<int64_t, int64_t>, std::pair<std::vector<Box>, std::vector<Box>>> by_image;
  for (const Box& box : boxes.objects) by_image[{box.image, box.category}].first.push_back(box);
  for (const Box& box : boxes.found) {
    scores[box.category].push_back(box.score);
    by_image[{box.image, box.category}].second.push_back(box);
  }
  std::vector<std::pair<std::vector<Box>, std::vector<Box>>> groups;
  for (auto& [place, group] : by_image) groups.push_back(std::move(group));

  double sorting = std::numeric_limits<double>::infinity();
  for (int round = 0; round < options.rounds; ++round) {
    auto unsorted = scores;
    sorting = std::min(sorting, least_seconds(1, [&] {
                         for (auto& [category, own] : unsorted) std::sort(own.begin(), own.end(), std::greater<>());
                       }));
  }
  int64_t matches = 0;
  const double matching = least_seconds(options.rounds, [&] { matches = match(groups); });
  fmt::print("{{\"read\": {:.6f}, \"parse\": {:.6f}, \"sort\": {:.6f}, \"match\": {:.6f}, \"matches\": {}}}\n", reading,
             parsing, sorting, matching, matches);
}

}  // namespace

int main(int argc, char** argv) {
  using fovea::bench::Option;
  Options options;
  return fovea::bench::command(argc, argv, "The least time of an evaluation of two COCO files, as JSON.",
                               {{"--ground-truth", &options.ground_truth, "annotations", Option::Required},
                                {"--detections", &options.detections, "results", Option::Required},
                                {"--rounds", &options.rounds, "of which the fastest counts", Option::Positive}},
                               [&] { run(options); });
}

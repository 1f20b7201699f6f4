// `fovea data stats`: how many boxes of which class, size and shape, as a picture and as JSON.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "engine/files.h"
#include "engine/printable.h"
#include "tools/analysis/plot.h"
#include "tools/cli/commands.h"
#include "tools/cli/data_folder.h"
#include "tools/data/formats/folder.h"
#include "tools/report/canvas.h"
#include "tools/text/file.h"
#include "tools/text/outputs.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

struct StatsOptions {
  DataFolder data;
  ConfigOptions config;
  std::string out = "data_stats";
};

struct Histogram {
  std::vector<double> edges;
  std::vector<std::vector<double>> counts;  // by split
};

// Values by split.
using Values = std::vector<std::vector<double>>;

struct Range {
  double low, high;
};
Range range_of(const Values& values) {
  Range range{INFINITY, -INFINITY};
  for (const auto& of_split : values)
    for (const double value : of_split) range = {std::min(range.low, value), std::max(range.high, value)};
  return range.low <= range.high ? range : Range{1, 2};
}

Histogram count(const Values& values, std::vector<double> edges) {
  Histogram histogram{.edges = std::move(edges), .counts = {}};
  const size_t bars = histogram.edges.size() - 1;
  for (const auto& of_split : values) {
    auto& counts = histogram.counts.emplace_back(bars);
    for (const double value : of_split) {
      const auto above = std::upper_bound(histogram.edges.begin(), histogram.edges.end(), value);
      const auto bar =
          std::clamp<std::ptrdiff_t>(above - histogram.edges.begin() - 1, 0, static_cast<std::ptrdiff_t>(bars) - 1);
      ++counts[static_cast<size_t>(bar)];
    }
  }
  return histogram;
}

// Whole numbers in the middle of their bars; several a bar where there are many.
std::vector<double> whole_edges(double high) {
  const double width = std::max(1.0, std::ceil((high + 1) / 30));
  std::vector<double> edges{-0.5};
  while (edges.back() <= high) edges.push_back(edges.back() + width);
  return edges;
}

// `parts` bars for each doubling.
std::vector<double> log_edges(const PlotAxis& axis, int parts) {
  std::vector<double> edges;
  const int bars = static_cast<int>(std::lround(std::log2(axis.high / axis.low))) * parts;
  for (int i = 0; i <= bars; ++i) edges.push_back(axis.low * std::exp2(static_cast<double>(i) / parts));
  return edges;
}

double highest(const Histogram& histogram) {
  double most = 0;
  for (size_t bar = 0; bar + 1 < histogram.edges.size(); ++bar) {
    double sum = 0;
    for (const auto& counts : histogram.counts) sum += counts[bar];
    most = std::max(most, sum);
  }
  return most;
}

struct Stats {
  std::vector<std::string> splits;
  std::vector<std::string> classes;  // most boxes first
  Values boxes_of_class;             // by split, then by class
  Values boxes_of_image, sizes, ratios;
};

Stats stats_of(const std::vector<Dataset>& data, const InputConfig& input) {
  Stats stats;
  std::map<std::string, std::vector<double>> by_class;
  for (size_t s = 0; s < data.size(); ++s) {
    stats.splits.push_back(data[s].split);
    for (const Category& category : data[s].categories) by_class[category.name].resize(data.size());
    auto& images = stats.boxes_of_image.emplace_back();
    auto& sizes = stats.sizes.emplace_back();
    auto& ratios = stats.ratios.emplace_back();
    for (const Sample& sample : data[s].samples) {
      images.push_back(0);
      for (const Object& object : sample.objects) {
        if (object.crowd) continue;
        ++images.back();
        ++by_class[data[s].categories[static_cast<size_t>(object.label)].name][s];
        const BoxSides sides = sides_at_size(object, sample, input);
        sizes.push_back(std::sqrt(sides.width * sides.height));
        ratios.push_back(sides.height / sides.width);
      }
    }
  }
  std::vector<std::pair<double, std::string>> order;
  for (const auto& [name, counts] : by_class)
    order.emplace_back(-std::accumulate(counts.begin(), counts.end(), 0.0), name);
  std::sort(order.begin(), order.end());
  stats.boxes_of_class.resize(data.size());
  for (const auto& [total, name] : order) {
    stats.classes.push_back(name);
    for (size_t s = 0; s < data.size(); ++s) stats.boxes_of_class[s].push_back(by_class[name][s]);
  }
  return stats;
}

// The rarest classes as one bar where there are too many for the picture.
void draw_classes(PlotPanel& panel, const Stats& stats) {
  constexpr size_t most = 16;
  std::vector<std::string> names;
  Values bars = stats.boxes_of_class;
  for (const std::string& name : stats.classes) names.push_back(printable(name));
  if (names.size() > most) {
    names.resize(most - 1);
    names.push_back(fmt::format("{} others", stats.classes.size() - names.size()));
    for (auto& counts : bars) {
      counts[most - 1] = std::accumulate(counts.begin() + most - 1, counts.end(), 0.0);
      counts.resize(most);
    }
  }
  panel.named_bars(names, bars);
}

Image picture(const Stats& stats, const InputConfig& input) {
  constexpr int width = 640, height = 400;
  Image image = blank_image(2 * width, 2 * height, white);
  PlotPanel classes(image, 0, 0, width, height, "boxes of each class");
  std::vector<std::pair<std::string, Color>> legend;
  for (size_t s = 0; s < stats.splits.size(); ++s) legend.emplace_back(printable(stats.splits[s]), plot_color(s));
  classes.legend(legend);
  draw_classes(classes, stats);

  const auto draw = [&](PlotPanel panel, const PlotAxis& x, const Histogram& histogram, const std::string& name) {
    const PlotAxis y = count_axis(highest(histogram));
    panel.axes(x, y, name);
    panel.histogram(x, y, histogram.edges, histogram.counts);
  };
  const double most = range_of(stats.boxes_of_image).high;
  const auto edges = whole_edges(most);
  PlotAxis images_axis = count_axis(edges.back());
  images_axis.low = edges.front();
  images_axis.high = edges.back();
  std::erase_if(images_axis.ticks, [&](double tick) { return tick > images_axis.high; });
  draw({image, width, 0, width, height, "images by their number of boxes"}, images_axis,
       count(stats.boxes_of_image, edges), "boxes in an image");
  const Range sizes = range_of(stats.sizes), ratios = range_of(stats.ratios);
  const PlotAxis size_axis = log_axis(sizes.low, sizes.high), ratio_axis = log_axis(ratios.low, ratios.high);
  draw({image, 0, height, width, height,
        fmt::format("boxes by size, image resized to {} (at most {})", input.short_side.back(), input.long_side)},
       size_axis, count(stats.sizes, log_edges(size_axis, 4)), "square root of the area, pixels");
  draw({image, width, height, width, height, "boxes by shape"}, ratio_axis,
       count(stats.ratios, log_edges(ratio_axis, 4)), "height / width");
  return image;
}

std::string quantiles(const std::vector<double>& values) {
  std::vector<double> sorted = values;
  std::sort(sorted.begin(), sorted.end());
  std::string json = "[";
  for (const double share : {0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0})
    if (!sorted.empty())
      json += fmt::format("{}{:.6g}", json.size() > 1 ? ", " : "",
                          sorted[static_cast<size_t>(share * static_cast<double>(sorted.size() - 1))]);
  return json + "]";
}

std::string json_of(const Stats& stats) {
  std::string splits;
  for (size_t s = 0; s < stats.splits.size(); ++s) {
    std::string classes;
    for (size_t c = 0; c < stats.classes.size(); ++c)
      classes +=
          fmt::format("{}{}: {}", c ? ", " : "", json_quoted(printable(stats.classes[c])), stats.boxes_of_class[s][c]);
    const auto per_image = count({stats.boxes_of_image[s]}, whole_edges(range_of(stats.boxes_of_image).high));
    splits += fmt::format(
        "{}\n  {{\"split\": {}, \"images\": {}, \"boxes\": {},\n   \"boxes_of_class\": {{{}}},\n"
        "   \"boxes_of_image\": {{\"edges\": [{}], \"images\": [{}]}},\n"
        "   \"size\": {},\n   \"height_over_width\": {}}}",
        s ? "," : "", json_quoted(printable(stats.splits[s])), stats.boxes_of_image[s].size(), stats.sizes[s].size(),
        classes, fmt::join(per_image.edges, ", "), fmt::join(per_image.counts[0], ", "), quantiles(stats.sizes[s]),
        quantiles(stats.ratios[s]));
  }
  return fmt::format(
      "{{\"about\": \"{}\",\n \"quantiles\": [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1],\n \"splits\": [{}]}}\n", kMark,
      splits);
}

void stats(const StatsOptions& options) {
  require_outside(options.out, options.data.path);
  for (const char* name : {"stats.png", "stats.json"}) require_replaceable(fs::path(options.out) / name);
  check_font();
  const Config config = resolve(options.config, preset("paper"));
  OpenDataset data = open_dataset(options.data.path, options.data.load_options());
  const std::vector<Dataset> splits = load_splits(data, options.data);
  print_reports(splits);
  const fs::path out = options.out;
  make_writable_folder(out);
  const Stats found = stats_of(splits, config.input);
  const Image drawn = picture(found, config.input);
  const Unbroken both;
  write_png(out / "stats.png", drawn, kMark);
  write_file(out / "stats.json", json_of(found));
  fmt::print("written: stats.png and stats.json in {}\n", printable(options.out));
}

}  // namespace

void add_data_stats(CLI::App& data) {
  auto* command =
      data.add_subcommand("stats", "Chart the distribution of boxes over classes, images, sizes and shapes");
  const auto options = std::make_shared<StatsOptions>();
  add_data_folder(*command, options->data);
  add_config_options(*command, options->config);
  command->add_option("--out", options->out, "Output folder for stats.png and stats.json")
      ->capture_default_str()
      ->type_name("DIR");
  command->footer("Example:\n  fovea data stats DIR --preset demo --out pictures");
  command->callback([options] { stats(*options); });
}

}  // namespace fovea

// `fovea data show`: pictures with their boxes and names; boxes that no anchor matches in red. With --augment: as
// training sees them.
#include <fmt/format.h>

#include <algorithm>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/analysis/anchor_coverage.h"
#include "tools/cli/bounds.h"
#include "tools/cli/commands.h"
#include "tools/cli/data_folder.h"
#include "tools/data/formats/folder.h"
#include "tools/data/loading/loader.h"
#include "tools/image/image_file.h"
#include "tools/report/canvas.h"
#include "tools/report/pictures.h"
#include "tools/report/progress.h"
#include "tools/text/outputs.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

struct ShowOptions {
  DataFolder data;
  ConfigOptions config;
  std::string split = "train", image, out = "data_show";
  int count = 12, augment = 0;
};

constexpr Color unmatched_color{230, 0, 0};

// By id, by name, or evenly over the split.
std::vector<size_t> chosen_samples(const Dataset& dataset, const ShowOptions& options) {
  std::vector<size_t> chosen;
  if (options.image.empty()) {
    const size_t count = std::min(dataset.samples.size(), static_cast<size_t>(options.count));
    for (size_t i = 0; i < count; ++i) chosen.push_back(i * dataset.samples.size() / count);
    return chosen;
  }
  for (size_t i = 0; i < dataset.samples.size(); ++i)
    if (std::to_string(dataset.samples[i].id) == options.image || dataset.samples[i].file_name == options.image)
      chosen.push_back(i);
  if (chosen.empty())
    throw Error(ErrorKind::Data, fmt::format("--image {}: the split {} has no image with this id or file name",
                                             printable(options.image), dataset.split));
  return chosen;
}

// Best overlap of each object with an anchor, by sample; 1 for crowd regions, which need none.
std::vector<std::vector<double>> overlaps(const Dataset& dataset, const Config& config) {
  std::vector<std::vector<double>> result;
  for (const Sample& sample : dataset.samples) result.emplace_back(sample.objects.size(), 1.0);
  const ScaledBoxes boxes = boxes_at_size(dataset, config.input);
  const auto matches = best_anchors(boxes, config.model.anchors);
  for (size_t i = 0; i < matches.size(); ++i) result[boxes.boxes[i].sample][boxes.boxes[i].object] = matches[i].iou;
  return result;
}

// The label 0 would be red, which is kept for boxes without an anchor.
Color color_of(int label) { return class_color(label + 1); }

Image drawn(Image image, const Dataset& dataset, const Sample& sample, const std::vector<double>& overlap,
            double match_low) {
  std::vector<LabeledBox> boxes;
  for (const bool matched : {true, false}) {  // what is missed lies on top
    for (size_t o = 0; o < sample.objects.size(); ++o) {
      const Object& object = sample.objects[o];
      if ((overlap[o] >= match_low) != matched) continue;
      const std::string& name = dataset.categories[static_cast<size_t>(object.label)].name;
      std::string note = object.crowd ? " (ignore)" : "";
      if (!matched) note += fmt::format(" (IoU {:.2f})", overlap[o]);
      boxes.push_back({.x1 = object.x1,
                       .y1 = object.y1,
                       .x2 = object.x2,
                       .y2 = object.y2,
                       .label = object.label,
                       .text = name,
                       .note = note,
                       .color = matched ? color_of(object.label) : unmatched_color});
    }
  }
  draw_boxes(image, boxes);
  return image;
}

std::string picture_name(const Sample& sample, const std::string& more = "") {
  std::string stem = fs::path(sample.file_name).stem().string();
  for (char& c : stem)
    if (static_cast<unsigned char>(c) < ' ') c = '_';
  return fmt::format("{}_{}{}.png", sample.id, stem, more);
}

// Writes the pictures one by one, and a sheet of small copies.
class Pictures {
 public:
  Pictures(const ShowOptions& options, size_t count)
      : out_(options.out), progress_(static_cast<int64_t>(count), 0, on_stderr("picture")) {}

  // Before any is written.
  void expect(const std::string& name) const { require_replaceable(out_ / name); }
  void add(const Image& image, const std::string& name, const std::string& caption) {
    write_png(out_ / name, image, kMark);
    if (sheet_.empty()) cell_ = sheet_cell({image.height, image.width}, /*width=*/400);
    sheet_.push_back({fitted(image, cell_), caption});
    progress_.update(static_cast<int64_t>(sheet_.size()), {}, 1);
  }
  void finish() {
    progress_.clear();
    if (sheet_.size() > 1) write_png(out_ / "contact_sheet.png", contact_sheet(sheet_, /*columns=*/4, cell_), kMark);
    fmt::print("written: {} in {}\n",
               sheet_.size() == 1 ? "1 picture" : fmt::format("{} pictures and contact_sheet.png", sheet_.size()),
               printable(out_.native()));
  }

 private:
  fs::path out_;
  Progress progress_;
  Size2d cell_{};
  std::vector<CaptionedPicture> sheet_;
};

// Each image as the first epochs of a training with this configuration see it, before it is resized.
void show_augmented(const ShowOptions& options, const Config& config, const Dataset& dataset) {
  BadFiles bad_files(images_in(dataset), OnBad::Error);
  ImageSource pictures(dataset, config.input, bad_files, 0);
  const std::vector<size_t> chosen = chosen_samples(dataset, options);
  Pictures written(options, chosen.size() * static_cast<size_t>(options.augment));
  const auto name = [&](size_t s, int epoch) {
    return picture_name(dataset.samples[s], fmt::format("_epoch{}", epoch));
  };
  for (const size_t s : chosen)
    for (int epoch = 0; epoch < options.augment; ++epoch) written.expect(name(s, epoch));
  for (const size_t s : chosen)
    for (int epoch = 0; epoch < options.augment; ++epoch) {
      const LabeledImage picture =
          augmented_sample(pictures, config.input, config.seed, static_cast<uint32_t>(epoch), static_cast<uint32_t>(s));
      std::vector<LabeledBox> boxes;
      for (const Object& o : picture.objects)
        boxes.push_back({.x1 = o.x1,
                         .y1 = o.y1,
                         .x2 = o.x2,
                         .y2 = o.y2,
                         .label = o.label,
                         .text = dataset.categories[static_cast<size_t>(o.label)].name,
                         .color = color_of(o.label)});
      Image image = *picture.image;
      draw_boxes(image, boxes);
      written.add(image, name(s, epoch), fmt::format("{}, epoch {}", printable(dataset.samples[s].file_name), epoch));
    }
  written.finish();
}

void show(const ShowOptions& options) {
  require_outside(options.out, options.data.path);
  require_replaceable(fs::path(options.out) / "contact_sheet.png");
  check_font();
  const Config config = resolve(options.config, preset("paper"));
  const double match_low = config.model.loss.match_low;
  const Dataset dataset = load_split(options.data, options.split);
  print_reports({dataset});
  make_writable_folder(options.out);
  if (options.augment > 0) return show_augmented(options, config, dataset);
  const auto overlap = overlaps(dataset, config);
  const std::vector<size_t> chosen = chosen_samples(dataset, options);
  Pictures written(options, chosen.size());
  for (const size_t s : chosen) written.expect(picture_name(dataset.samples[s]));
  for (const size_t s : chosen) {
    const Sample& sample = dataset.samples[s];
    Image image;
    try {
      image = read_image(dataset.image_root / sample.file_name,
                         {.annotated_width = sample.width, .annotated_height = sample.height});
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::Data || !options.image.empty()) throw;
      fmt::print("left out: {}\n", error.what());
      continue;
    }
    image = drawn(std::move(image), dataset, sample, overlap[s], match_low);
    written.add(image, picture_name(sample), printable(sample.file_name));
  }
  written.finish();
  int64_t boxes = 0, missed = 0;
  for (const auto& of_sample : overlap) {
    boxes += static_cast<int64_t>(of_sample.size());
    missed += std::count_if(of_sample.begin(), of_sample.end(), [&](double iou) { return iou < match_low; });
  }
  const int side = config.input.short_side.back();
  if (missed == 0) {
    fmt::print("anchors reach IoU {:g} with each of the {} boxes of {} at short side {}\n", match_low, boxes,
               dataset.split, side);
  } else {
    fmt::print(
        "no anchor reaches IoU {:g} with {} of the {} boxes of {} at short side {}: red in the pictures "
        "(fit anchors with `fovea anchors`)\n",
        match_low, missed, boxes, dataset.split, side);
  }
}

}  // namespace

void add_data_show(CLI::App& data) {
  auto* command = data.add_subcommand("show", "Draw images with their boxes, one by one and on a contact sheet");
  const auto options = std::make_shared<ShowOptions>();
  add_data_folder(*command, options->data);
  add_config_options(*command, options->config);
  add_split(*command, options->split, "Split whose images are drawn");
  command->add_option("--image", options->image, "Draw only this image (id or file name)")->type_name("IMAGE");
  command->add_option("--count", options->count, "Number of images, spread evenly over the split")
      ->capture_default_str()
      ->check(at_least(1));
  command->add_option("--augment", options->augment, "Draw each image this many times, augmented as in training")
      ->check(at_least(0));
  command->add_option("--out", options->out, "Output folder")->capture_default_str()->type_name("DIR");
  command->footer(
      "Examples:\n  fovea data show DIR --preset demo --out pictures\n  fovea data show DIR --image 17 --out pictures\n"
      "  fovea data show DIR --augment 8 --count 1 --set input.augment.mosaic=1 --out pictures");
  command->callback([options] { show(*options); });
}

}  // namespace fovea

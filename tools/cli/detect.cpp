// `fovea detect`: pictures with boxes, names and scores; JSON in COCO's results format; a contact sheet.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <deque>
#include <map>

#include "engine/printable.h"
#include "tools/cli/bounds.h"
#include "tools/cli/commands.h"
#include "tools/detect/detector.h"
#include "tools/eval/coco_results.h"
#include "tools/image/image_file.h"
#include "tools/report/canvas.h"
#include "tools/report/pictures.h"
#include "tools/text/file.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

struct DetectOptions {
  ConfigOptions config;
  std::vector<std::string> images;
  std::string weights, out;
  double score = 0.5;
  int sheet = 12, batch = 0;
};

// Files as they are; of folders the image files, sorted.
std::vector<fs::path> image_paths(const std::vector<std::string>& arguments) {
  std::vector<fs::path> paths;
  for (const fs::path argument : arguments) {
    if (!is_folder(argument)) {
      paths.push_back(argument);
      continue;
    }
    std::vector<fs::path> inside;
    for (const auto& entry : fs::directory_iterator(argument)) {
      if (has_image_ending(entry.path())) inside.push_back(entry.path());
    }
    std::sort(inside.begin(), inside.end());
    paths.insert(paths.end(), inside.begin(), inside.end());
  }
  if (paths.empty()) throw Error(ErrorKind::Data, "no JPEG, PNG, WebP, BMP or TIFF file in the given folders");
  return paths;
}

// "photo.jpg" to "photo.png"; a name that was given already gets a number.
fs::path picture_path(const fs::path& out, const fs::path& image, std::map<std::string, int>& taken) {
  const std::string stem = image.stem().string();
  const int before = taken[stem]++;
  return out / (before == 0 ? stem + ".png" : fmt::format("{}_{}.png", stem, before + 1));
}

// What comes of the images, which are done in any order: each is drawn at once; lines, results and the sheet are in
// the order of the images.
class Outputs {
 public:
  Outputs(const DetectOptions& options, const ModelFile& file) : options_(options), file_(file) {}

  // The detector's next image: the id-th of all, from 1.
  void expect(const fs::path& path, int64_t id) {
    images_.push_back({path, picture_path(options_.out, path, taken_), id});
  }
  void take(const Detector::Found& found);
  void finish(size_t images) const;
  void count_unreadable(const Error& error);

 private:
  struct OfImage {
    fs::path path, picture;
    int64_t id;
    std::string line;
    std::vector<Detection> detections;
    Image on_sheet{};
    bool done = false;
  };
  Category category(int label) const;
  void draw(OfImage& of, const Detector::Found& found);

  const DetectOptions& options_;
  const ModelFile& file_;
  std::deque<OfImage> images_;
  std::map<std::string, int> taken_;
  size_t printed_ = 0, unreadable_ = 0;
};

Category Outputs::category(int label) const {
  const auto& known = file_.categories;
  if (static_cast<size_t>(label) < known.size()) return known[static_cast<size_t>(label)];
  return {label, fmt::format("class {}", label)};
}

void Outputs::count_unreadable(const Error& error) {
  if (error.kind() != ErrorKind::Data) throw;
  fmt::print(stderr, "fovea: {}\n", error.what());
  ++unreadable_;
}

void Outputs::take(const Detector::Found& found) {
  OfImage& of = images_[found.number];
  of.done = true;
  try {
    draw(of, found);
  } catch (const Error& error) {  // the file is read again where a smaller picture was decoded
    count_unreadable(error);
  }
  for (; printed_ < images_.size() && images_[printed_].done; ++printed_) fmt::print("{}", images_[printed_].line);
}

void Outputs::draw(OfImage& of, const Detector::Found& found) {
  Image image =
      found.image.divisor == 1 ? *found.image.image : read_image(of.path, {.pixels = file_.config.input.max_pixels});
  std::vector<LabeledBox> boxes;
  for (const Detected& d : found.boxes) {
    of.detections.push_back(coco_detection(of.id, category(d.label).id, d));
    if (d.score >= options_.score)
      boxes.push_back({.x1 = d.x1,
                       .y1 = d.y1,
                       .x2 = d.x2,
                       .y2 = d.y2,
                       .label = d.label,
                       .text = category(d.label).name,
                       .note = fmt::format(" {:.2f}", d.score)});
  }
  draw_boxes(image, boxes);
  write_png(of.picture, image);
  of.line =
      fmt::format("{}: {} objects, {}\n", printable(of.path.native()), boxes.size(), printable(of.picture.native()));
  if (found.number < static_cast<size_t>(options_.sheet)) of.on_sheet = std::move(image);
}

void Outputs::finish(size_t images) const {
  const fs::path json = fs::path(options_.out) / "detections.json",
                 contact = fs::path(options_.out) / "contact_sheet.png";
  std::vector<Detection> results;
  std::vector<CaptionedPicture> sheet;
  for (const OfImage& of : images_) {
    results.insert(results.end(), of.detections.begin(), of.detections.end());
    if (of.on_sheet.width > 0) sheet.push_back({of.on_sheet, of.path.filename().string()});
  }
  write_coco_results(json, results);
  fmt::print("all detections: {} (image ids number the images in the order above, from 1)\n", printable(json.native()));
  if (sheet.size() > 1) {
    write_png(contact, contact_sheet(sheet, /*columns=*/4, /*cell_width=*/320));
    fmt::print("contact sheet: {}\n", printable(contact.native()));
  }
  if (unreadable_ > 0)
    throw Error(ErrorKind::Data, fmt::format("{} of {} images could not be read", unreadable_, images));
}

void run_detect(const DetectOptions& options) {
  check_font();
  const auto paths = image_paths(options.images);
  ModelFile file = open_model(options.weights, model_options(options.config));
  Detector detector(*file.model, file.config.input, options.batch);
  make_folder(options.out);
  Outputs outputs(options, file);
  const auto take = [&](const std::vector<Detector::Found>& found) {
    for (const Detector::Found& one : found) outputs.take(one);
  };
  int64_t id = 0;
  for (const fs::path& path : paths) {
    ++id;
    LoadedImage loaded;
    try {
      loaded = load_image(path, file.config.input);
    } catch (const Error& error) {
      outputs.count_unreadable(error);
      continue;
    }
    outputs.expect(path, id);
    take(detector.add(std::move(loaded)));
  }
  take(detector.finish());
  outputs.finish(paths.size());
}

}  // namespace

void add_detect(CLI::App& app) {
  auto* command = app.add_subcommand(
      "detect", "Detect objects in images: write annotated images, and JSON in COCO's results format");
  const auto options = std::make_shared<DetectOptions>();
  add_config_options(*command, options->config);
  add_allow_non_finite(*command, options->config);
  command->footer(
      "Examples:\n"
      "  fovea detect photo.jpg --weights RUN/best.safetensors --out found\n"
      "  fovea detect FOLDER --weights RUN/best.safetensors --out found --score 0.3");
  command->add_option("images", options->images, "JPEG, PNG, WebP, BMP or TIFF files, or folders of them")
      ->required()
      ->check(CLI::ExistingPath);
  command->add_option("--weights", options->weights, "Checkpoint of Fovea, or torchvision's weights as safetensors")
      ->required()
      ->type_name("FILE");
  command->add_option("--out", options->out, "Output folder for annotated images and detections.json")
      ->required()
      ->type_name("DIR");
  command->add_option("--score", options->score, "Draw boxes with at least this score (the JSON has all)")
      ->capture_default_str();
  command->add_option("--batch", options->batch, "Images per batch (default: 8 on a GPU, 1 on the CPU)")
      ->check(at_least(1));
  command->add_option("--sheet", options->sheet, "Number of images on the contact sheet")->capture_default_str();
  command->callback([options] { run_detect(*options); });
}

}  // namespace fovea

// `fovea detect`: pictures with boxes, names and scores; JSON in COCO's results form; a contact sheet.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "engine/printable.h"
#include "tools/data/file.h"
#include "tools/data/image_file.h"
#include "tools/detect/detector.h"
#include "tools/eval/coco_results.h"
#include "tools/report/pictures.h"
#include "tools/verbs.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

struct DetectOptions {
  ConfigOptions config;
  std::vector<std::string> images;
  std::string weights, out;
  double score = 0.5;
  int sheet = 12;
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
  if (paths.empty())
    throw Error(ErrorKind::Data, "detect: there is no JPEG, PNG, WebP, BMP or TIFF file in the given folders");
  return paths;
}

std::vector<Detected> detect_image(Detector& detector, const InputConfig& input, const DecodedImage& decoded) {
  LoadedImage loaded;
  loaded.image = std::make_shared<const Image>(decoded.image);
  loaded.full = {decoded.full_height, decoded.full_width};
  loaded.divisor = decoded.divisor;
  loaded.size = resized(loaded.full, input.short_side.back(), input.long_side);
  return detector.detect({loaded})[0];
}

// "photo.jpg" to "photo.png"; a name that was given already gets a number.
fs::path picture_path(const fs::path& out, const fs::path& image, std::map<std::string, int>& taken) {
  const std::string stem = image.stem().string();
  const int before = taken[stem]++;
  return out / (before == 0 ? stem + ".png" : fmt::format("{}_{}.png", stem, before + 1));
}

void run_detect(const DetectOptions& options) {
  const auto paths = image_paths(options.images);
  ModelFile file = open_model(options.weights, options.config);
  Detector detector(*file.model, file.config.input);
  std::error_code failure;
  fs::create_directories(options.out, failure);
  if (failure)
    throw Error(ErrorKind::Usage,
                fmt::format("--out {}: the folder cannot be made: {}", printable(options.out), failure.message()));
  const auto category = [&](int label) {
    return static_cast<size_t>(label) < file.categories.size() ? file.categories[static_cast<size_t>(label)]
                                                               : Category{label, fmt::format("class {}", label)};
  };

  std::vector<Detection> results;
  std::vector<CaptionedPicture> sheet;
  std::map<std::string, int> taken;
  size_t unreadable = 0;
  for (size_t i = 0; i < paths.size(); ++i) {
    DecodedImage decoded;
    Image image;  // to draw on
    try {
      decoded = read_image_file(paths[i], image_options(file.config.input));
      image = decoded.divisor == 1 ? decoded.image : read_image(paths[i], {.pixels = file.config.input.max_pixels});
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::Data) throw;
      fmt::print(stderr, "fovea: {}\n", error.what());
      ++unreadable;
      continue;
    }
    std::vector<LabelledBox> boxes;
    for (const Detected& d : detect_image(detector, file.config.input, decoded)) {
      results.push_back({static_cast<int64_t>(i + 1), category(d.label).id, d.x1, d.y1, double{d.x2} - d.x1,
                         double{d.y2} - d.y1, d.score});
      if (d.score >= options.score)
        boxes.push_back({d.x1, d.y1, d.x2, d.y2, d.label, fmt::format("{} {:.2f}", category(d.label).name, d.score)});
    }
    const fs::path picture = picture_path(options.out, paths[i], taken);
    draw_boxes(image, boxes);
    write_png(picture, image);
    fmt::print("{}: {} objects, {}\n", printable(paths[i].native()), boxes.size(), printable(picture.native()));
    if (sheet.size() < static_cast<size_t>(options.sheet)) sheet.push_back({image, paths[i].filename().string()});
  }
  write_coco_results(fs::path(options.out) / "detections.json", results);
  fmt::print("all detections: {} (image ids count the images in the order above, from 1)\n",
             printable((fs::path(options.out) / "detections.json").native()));
  if (sheet.size() > 1) {
    write_png(fs::path(options.out) / "contact_sheet.png", contact_sheet(sheet, /*columns=*/4, /*cell_width=*/320));
    fmt::print("contact sheet: {}\n", printable((fs::path(options.out) / "contact_sheet.png").native()));
  }
  if (unreadable > 0)
    throw Error(ErrorKind::Data, fmt::format("{} of {} images could not be read", unreadable, paths.size()));
}

}  // namespace

void add_detect(CLI::App& app) {
  auto* verb =
      app.add_subcommand("detect", "Find objects in images: pictures with boxes, and JSON in COCO's results form");
  const auto options = std::make_shared<DetectOptions>();
  add_config_options(*verb, options->config);
  verb->footer(
      "Examples:\n"
      "  fovea detect photo.jpg --weights RUN/best.safetensors --out found\n"
      "  fovea detect FOLDER --weights RUN/best.safetensors --out found --score 0.3");
  verb->add_option("images", options->images, "JPEG, PNG, WebP, BMP or TIFF files, or folders of them")
      ->required()
      ->check(CLI::ExistingPath);
  verb->add_option("--weights", options->weights, "A checkpoint of fovea, or torchvision's weights as safetensors")
      ->required();
  verb->add_option("--out", options->out, "Folder for pictures and detections.json")->required();
  verb->add_option("--score", options->score, "Draw boxes from this score on (the JSON holds all)");
  verb->add_option("--sheet", options->sheet, "Pictures on the contact sheet");
  verb->callback([options] { run_detect(*options); });
}

}  // namespace fovea

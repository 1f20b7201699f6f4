// `fovea detect`: pictures with boxes, names and scores; JSON in COCO's results format; a contact sheet. Images are
// loaded ahead and pictures drawn by threads beside the one that runs the network.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <set>

#include "engine/printable.h"
#include "kernels/device/threads.h"
#include "tools/cli/bounds.h"
#include "tools/cli/commands.h"
#include "tools/detect/detector.h"
#include "tools/detect/image_list.h"
#include "tools/detect/images_ahead.h"
#include "tools/detect/picture_queue.h"
#include "tools/eval/coco_results.h"
#include "tools/report/canvas.h"
#include "tools/report/pictures.h"
#include "tools/report/progress.h"
#include "tools/text/file_lock.h"
#include "tools/text/outputs.h"
#include "tools/text/stop.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

struct DetectOptions {
  ConfigOptions config;
  std::vector<std::string> images;
  std::string weights, out;
  double score = 0.5;
  int sheet = 12, batch = 0;
  bool png = false, no_draw = false;

  fs::path file(const char* name) const { return fs::path(out) / name; }
};

constexpr const char *kResults = "detections.json", *kSheet = "contact_sheet.png";

// No picture takes the place of a file of the user's: neither of an input nor of what this program has not written.
void check_files(const DetectOptions& options, const std::vector<ListedImage>& images,
                 const std::vector<fs::path>& pictures) {
  FilesInUse files;
  files.input(options.weights);
  std::set<fs::path> seen;
  for (const ListedImage& image : images) {
    files.input(image.file);
    const fs::path folder = image.file.has_parent_path() ? image.file.parent_path() : fs::path(".");
    if (seen.insert(folder).second && is_same_file(folder, options.out))
      throw Error(ErrorKind::Usage, fmt::format("{}: holds the input {}: choose another output folder",
                                                printable(options.out), printable(image.file.native())));
  }
  files.output(options.file(kResults));
  require_own_results(options.file(kResults));
  std::vector<fs::path> drawn;
  if (!options.no_draw) drawn.assign(pictures.begin(), pictures.end());
  if (!options.no_draw && options.sheet > 1) drawn.emplace_back(kSheet);
  for (const fs::path& picture : drawn) {
    files.output(options.out / picture);
    require_replaceable(options.out / picture, {kPictureMark});
  }
}

// What comes of the images, which are done in any order: lines, results and the sheet are in the order of the images.
class Outputs {
 public:
  Outputs(const DetectOptions& options, const ModelFile& file, const std::vector<ListedImage>& images,
          const std::vector<fs::path>& pictures, WorkerPool& pool)
      : options_(options),
        file_(file),
        images_(images),
        pictures_(pictures),
        of_images_(images.size()),
        queue_(pool, file.config.input.max_pixels),
        results_(options.file(kResults)),
        progress_(static_cast<int64_t>(images.size()), 0, on_stderr("image")) {}

  // The detector's next image: the id-th of all, from 1.
  void expect(size_t image, ImagesAhead::Loaded loaded);
  void cannot_read(size_t image, const std::string& why);
  void take(Detector::Found found);
  // To the end of what is done, of all images or of those that were done when the user stopped it.
  void finish(bool stopped);

 private:
  struct OfImage {
    Size2d size{};
    std::shared_ptr<Image> pixels;
    std::vector<Detection> detections;
    size_t objects = 0;  // that reach the score
    std::string fault;
    Image small{};
    enum class Stage { Open, Drawing, Done, Told } stage = Stage::Open;
  };
  Category category(int label) const;
  std::vector<LabeledBox> boxes(const std::vector<Detected>& found) const;
  void done(std::vector<PictureQueue::Drawn> drawn);
  void tell(size_t image);
  void tell_done();
  void write_sheet_of_all();

  const DetectOptions& options_;
  const ModelFile& file_;
  const std::vector<ListedImage>& images_;
  const std::vector<fs::path>& pictures_;
  std::vector<OfImage> of_images_;
  std::vector<size_t> of_detector_;  // its images, as places in the list
  PictureQueue queue_;
  ResultsFile results_;
  Progress progress_;
  Size2d cell_{};
  size_t told_ = 0, unreadable_ = 0;
};

Category Outputs::category(int label) const {
  const auto& known = file_.categories;
  if (static_cast<size_t>(label) < known.size()) return known[static_cast<size_t>(label)];
  return {label, fmt::format("class {}", label)};
}

std::vector<LabeledBox> Outputs::boxes(const std::vector<Detected>& found) const {
  std::vector<LabeledBox> boxes;
  for (const Detected& d : found) {
    if (d.score < options_.score) continue;
    boxes.push_back({.x1 = d.x1,
                     .y1 = d.y1,
                     .x2 = d.x2,
                     .y2 = d.y2,
                     .label = d.label,
                     .text = category(d.label).name,
                     .note = fmt::format(" {:.2f}", d.score)});
  }
  return boxes;
}

void Outputs::expect(size_t image, ImagesAhead::Loaded loaded) {
  OfImage& of = of_images_[image];
  of.size = loaded.image.full;
  if (cell_.width == 0) cell_ = sheet_cell(of.size, /*width=*/320);
  if (loaded.image.divisor == 1) of.pixels = std::move(loaded.pixels);
  of_detector_.push_back(image);
}

void Outputs::cannot_read(size_t image, const std::string& why) {
  of_images_[image].fault = why;
  of_images_[image].stage = OfImage::Stage::Done;
  tell_done();
}

void Outputs::take(Detector::Found found) {
  const size_t image = of_detector_[found.number];
  OfImage& of = of_images_[image];
  for (const Detected& d : found.boxes)
    of.detections.push_back(coco_detection(static_cast<int64_t>(image) + 1, category(d.label).id, d));
  std::vector<LabeledBox> drawn = boxes(found.boxes);
  of.objects = drawn.size();
  found.image.image.reset();  // of.pixels are the last that hold it
  if (options_.no_draw) {
    of.pixels.reset();
    of.stage = OfImage::Stage::Done;
    return tell_done();
  }
  of.stage = OfImage::Stage::Drawing;
  done(queue_.add({.number = image,
                   .file = images_[image].file,
                   .picture = options_.out / pictures_[image],
                   .pixels = std::move(of.pixels),
                   .boxes = std::move(drawn),
                   .small = image < static_cast<size_t>(options_.sheet) ? cell_ : Size2d{}}));
}

void Outputs::done(std::vector<PictureQueue::Drawn> drawn) {
  for (PictureQueue::Drawn& one : drawn) {
    OfImage& of = of_images_[one.number];
    of.fault = std::move(one.fault);
    of.small = std::move(one.small);
    of.stage = OfImage::Stage::Done;
  }
  tell_done();
}

void Outputs::tell_done() {
  const size_t before = told_;
  for (; told_ < of_images_.size() && of_images_[told_].stage == OfImage::Stage::Done; ++told_) tell(told_);
  if (told_ == before) return;
  flush_output();
  progress_.update(static_cast<int64_t>(told_), {}, static_cast<int64_t>(told_ - before));
}

void Outputs::tell(size_t image) {
  OfImage& of = of_images_[image];
  const ListedImage& listed = images_[image];
  of.stage = OfImage::Stage::Told;
  progress_.clear();
  if (!of.fault.empty()) {
    ++unreadable_;
    fmt::print(stderr, "fovea: {}\n", of.fault);
  }
  if (of.size.width == 0) return;
  results_.add(of.detections, {listed.name, of.size});
  of.detections = {};
  if (!of.fault.empty()) return;
  const std::string picture = options_.no_draw ? "" : ", " + printable((options_.out / pictures_[image]).native());
  fmt::print("{}: {} objects{}\n", printable(listed.file.native()), of.objects, picture);
}

void Outputs::write_sheet_of_all() {
  std::vector<CaptionedPicture> sheet;
  for (size_t image = 0; image < of_images_.size() && image < static_cast<size_t>(options_.sheet); ++image)
    if (of_images_[image].small.width > 0)
      sheet.push_back({std::move(of_images_[image].small), images_[image].file.filename().string()});
  if (sheet.size() < 2) return;
  write_sheet(options_.file(kSheet), contact_sheet(sheet, /*columns=*/4, cell_));
  fmt::print("contact sheet: {}\n", printable(options_.file(kSheet).native()));
}

void Outputs::finish(bool stopped) {
  done(queue_.finish());
  size_t finished = told_;
  for (size_t image = told_; image < of_images_.size(); ++image) {
    if (of_images_[image].stage != OfImage::Stage::Done) continue;
    tell(image);
    ++finished;
  }
  progress_.clear();
  fmt::print("all detections: {} (image ids number the images in the order above, from 1)\n",
             printable(options_.file(kResults).native()));
  write_sheet_of_all();
  flush_output();
  if (stopped)
    throw Error(ErrorKind::Interrupted,
                fmt::format("interrupted after {} of {} images: what was found in these is in {}", finished,
                            of_images_.size(), printable(options_.out)));
  if (unreadable_ > 0)
    throw Error(ErrorKind::Data, fmt::format("{} of {} images could not be read", unreadable_, of_images_.size()));
}

void run_detect(const DetectOptions& options) {
  if (!options.no_draw) check_font();
  const std::vector<ListedImage> images = list_images(options.images, options.out);
  const std::vector<fs::path> pictures = picture_names(images, options.png ? ".png" : ".jpg", {kResults, kSheet});
  check_files(options, images, pictures);
  ModelFile file = open_model(options.weights, model_options(options.config));
  const PinnedThreads pinned;
  make_writable_folder(options.out);
  const FileLock alone(options.file(".lock"), "detection");
  const Unbroken until_written;
  Detector detector(*file.model, file.config.input, options.batch);
  const int workers = file.config.input.workers;
  WorkerPool pool(workers > 0 ? workers : std::clamp(usable_cores(), 1, 16));
  ImagesAhead ahead(images, file.config.input, pool);
  Outputs outputs(options, file, images, pictures, pool);
  const auto take = [&](std::vector<Detector::Found> found) {
    for (Detector::Found& one : found) outputs.take(std::move(one));
  };
  for (size_t image = 0; !stop_requested; ++image) {
    auto loaded = ahead.next();
    if (!loaded) break;
    if (!loaded->fault.empty()) {
      outputs.cannot_read(image, loaded->fault);
      continue;
    }
    LoadedImage for_detector = loaded->image;
    outputs.expect(image, std::move(*loaded));
    take(detector.add(std::move(for_detector)));
  }
  const bool stopped = stop_requested;
  if (!stopped) take(detector.finish());
  outputs.finish(stopped);
}

}  // namespace

void add_detect(CLI::App& app) {
  auto* command = app.add_subcommand(
      "detect", "Detect objects in images: write annotated images, and JSON in COCO's results format");
  const auto options = std::make_shared<DetectOptions>();
  add_config_options(*command, options->config);
  add_weights_options(*command, options->config);
  command->footer(
      "Examples:\n"
      "  fovea detect photo.jpg --weights RUN/best.safetensors --out found\n"
      "  fovea detect FOLDER --weights RUN/best.safetensors --out found --score 0.3");
  command
      ->add_option("images", options->images, "JPEG, PNG, WebP, BMP or TIFF files, or folders with them in any depth")
      ->required()
      ->check(CLI::ExistingPath);
  command
      ->add_option("--weights", options->weights,
                   "Checkpoint of Fovea, or torchvision's weights (safetensors, or PyTorch's .pth)")
      ->required()
      ->type_name("FILE");
  command
      ->add_option("--out", options->out,
                   "Output folder for annotated images and detections.json; it holds none of the images")
      ->required()
      ->type_name("DIR");
  command->add_option("--score", options->score, "Draw boxes with at least this score (the JSON has all)")
      ->capture_default_str()
      ->check(between(0, 1));
  command->add_option("--batch", options->batch, "Images per batch (default: 8 on a GPU, 1 on the CPU)")
      ->check(at_least(1));
  command->add_option("--sheet", options->sheet, "Number of images on the contact sheet")
      ->capture_default_str()
      ->check(at_least(0, /*most=*/1000));
  auto* png = command->add_flag("--png", options->png, "Write annotated images as PNG (default: JPEG, quality 90)");
  command->add_flag("--no-draw", options->no_draw, "Write detections.json alone: no annotated images, no contact sheet")
      ->excludes(png);
  command->callback([options] { run_detect(*options); });
}

}  // namespace fovea

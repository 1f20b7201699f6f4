#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <future>

#include "engine/printable.h"
#include "kernels/device/threads.h"
#include "tools/cli/bounds.h"
#include "tools/cli/commands.h"
#include "tools/data/formats/folder.h"
#include "tools/data/formats/format.h"
#include "tools/eval/coco_results.h"
#include "tools/eval/eval_report.h"
#include "tools/eval/evaluate.h"
#include "tools/eval/metrics_text.h"
#include "tools/eval/usual_results.h"
#include "tools/report/canvas.h"
#include "tools/report/progress.h"
#include "tools/text/file.h"
#include "tools/text/outputs.h"
#include "tools/text/tasks.h"

namespace fovea {

namespace {

struct EvalOptions {
  ConfigOptions config;
  std::string weights, data, split = "val", ground_truth, detections, images, json, report, save_detections;
  std::vector<std::string> ious, areas;
  std::vector<int> limits;
  bool voc = false, merge_classes = false, time = false;
  int batch = 0;
  OnBad bad_images = OnBad::Skip;
  std::optional<DatasetFormat> format;
};

struct Evaluated {
  TruthSet truth;
  Detections detections;
  std::optional<double> milliseconds;  // an image, of the network that was run, where that was asked for
};

void run_network(const EvalOptions& options, const Dataset& dataset, Evaluated& evaluated) {
  ModelFile file = open_model(options.weights, model_options(options.config));
  const PinnedThreads pinned;
  BadFiles bad_files(images_in(dataset), options.bad_images);
  add_bad_images(bad_files, dataset);
  Progress progress(static_cast<int64_t>(dataset.samples.size()), 0, on_stderr("image"));
  // The first tenth of the images, which make plans and records, has no part in the time of an image.
  size_t timed = 0;
  double started = 0;
  const auto update = [&](size_t done, size_t all) {
    if (started == 0 && 10 * done >= all)
      started = steady_seconds();
    else if (started > 0)
      ++timed;
    progress.update(static_cast<int64_t>(done), {}, 1);
  };
  const auto categories = announced_categories(options.weights, file, dataset);
  const auto found = detect_dataset(*file.model, dataset, categories, file.config.input, bad_files,
                                    {.batch = options.batch, .progress = update});
  evaluated.detections.assign(found.begin(), found.end());
  if (options.time && timed > 0)
    evaluated.milliseconds = 1000 * (steady_seconds() - started) / static_cast<double>(timed);
  progress.finish();
  if (bad_files.count() > 0) fmt::print(stderr, "fovea: skipped {} unreadable images\n", bad_files.count());
  if (const size_t kept = bad_files.kept().size(); kept > 0)
    fmt::print(stderr, "fovea: {} damaged images were partly used\n", kept);
}

void check(const EvalOptions& options) {
  const auto usage = [](const char* what) { return Error(ErrorKind::Usage, what); };
  if (!options.weights.empty() && !options.detections.empty())
    throw usage("--weights and --detections exclude each other: give one of them");
  if (!options.data.empty() && !options.ground_truth.empty())
    throw usage("--data and --ground-truth exclude each other: give one of them");
  if (options.weights.empty() && options.detections.empty())
    throw usage("eval needs either --weights (to run a network) or --detections (a COCO results file)");
  if (options.data.empty() && options.ground_truth.empty())
    throw usage("eval needs either --data (the folder of a dataset) or --ground-truth (a COCO annotation file)");
  if (options.time && options.weights.empty()) throw usage("--time measures a network: give its --weights");
  if (!options.weights.empty() && options.data.empty())
    throw usage("--weights needs images: give the dataset's folder with --data");
}

void check_files(const EvalOptions& options) {
  FilesInUse files;
  for (const std::string& input : {options.weights, options.detections, options.data, options.ground_truth})
    files.input(input);
  std::vector<std::filesystem::path> outputs{options.json, options.save_detections, options.report};
  if (!options.report.empty())
    for (const char* name : kReportFiles) outputs.push_back(std::filesystem::path(options.report) / name);
  for (const std::filesystem::path& output : outputs) {
    if (output.empty()) continue;
    files.output(output);
    for (const std::string& folder : {options.data, options.images})
      if (is_folder(folder)) require_outside(output, folder);
  }
  for (const std::string& file : {options.json, options.save_detections})
    if (!file.empty()) require_writable(file);
  if (!options.json.empty()) require_replaceable(options.json);
  if (!options.save_detections.empty()) require_own_results(options.save_detections);
  if (!options.report.empty()) {
    require_writable_folder(options.report);
    require_own_report(options.report);
  }
}

Dataset load(const EvalOptions& options) {
  const StatusLine shown("reading " + printable(options.split));
  return load_dataset(
      options.data, options.split,
      {.format = options.format, .images = options.images, .merge_classes = options.merge_classes, .whole = true});
}

Evaluated gather(const EvalOptions& options) {
  Evaluated evaluated;
  std::future<std::optional<Detections>> ahead;
  if (!options.detections.empty() && options.data.empty() && usual_workers() > 1)
    ahead = std::async([&] { return read_usual_results(options.detections, usual_workers()); });
  if (!options.data.empty()) {
    const Dataset dataset = load(options);
    if (const std::string text = dataset.report.text(); !text.empty()) fmt::print("{}", text);
    evaluated.truth = truth_of(dataset);
    if (!options.weights.empty()) run_network(options, dataset, evaluated);
  } else {
    evaluated.truth = read_coco_truth(options.ground_truth);
    evaluated.truth.image_root = options.images;
    for (const std::string& warning : evaluated.truth.warnings) fmt::print(stderr, "fovea: {}\n", warning);
  }
  if (!options.detections.empty()) {
    std::vector<std::string> warnings;
    evaluated.detections = ahead.valid()
                               ? read_coco_results(options.detections, evaluated.truth, &warnings, ahead.get())
                               : read_coco_results(options.detections, evaluated.truth, &warnings);
    for (const std::string& warning : warnings) fmt::print(stderr, "fovea: {}\n", warning);
  }
  return evaluated;
}

// What parse_settings() refuses begins with the setting's name, which is the option's.
EvalSettings settings_of(const EvalOptions& options) {
  try {
    return parse_settings(options.ious, options.limits, options.areas);
  } catch (const Error& error) {
    throw Error(error.kind(), std::string("--") + error.what());
  }
}

void eval(const EvalOptions& options) {
  check(options);
  check_files(options);
  if (!options.report.empty()) check_font();
  const EvalSettings settings = settings_of(options);
  const auto [truth, detections, milliseconds] = gather(options);
  if (!options.save_detections.empty()) write_coco_results(options.save_detections, detections);
  const CocoMetrics metrics = coco_metrics(truth.categories, truth.objects, detections, settings);
  std::optional<VocMetrics> voc;
  if (options.voc) voc = voc_metrics(truth.categories, truth.objects, detections);
  fmt::print("{}\n{}", table(metrics), class_table(metrics, voc));
  if (voc)
    fmt::print("VOC at IoU {:.2f}: AP11 {}, AP {}\n", voc->iou, value_text(voc->mean.eleven_points),
               value_text(voc->mean.area));
  if (milliseconds) fmt::print("{:.2f} ms per image\n", *milliseconds);
  if (!options.json.empty()) write_output(options.json, metrics_json(metrics, voc, milliseconds));
  if (!options.report.empty()) {
    write_eval_report(options.report, truth, detections, metrics);
    fmt::print("report: {}\n", printable((std::filesystem::path(options.report) / "report.html").native()));
  }
}

}  // namespace

void add_eval(CLI::App& app) {
  auto* command = app.add_subcommand("eval", "Compute COCO's metrics of a network, or of a file of detections");
  const auto options = std::make_shared<EvalOptions>();
  add_config_options(*command, options->config);
  add_weights_options(*command, options->config);
  command->footer(
      "Examples:\n"
      "  fovea eval --weights RUN/best.safetensors --data DIR --report REPORT\n"
      "  fovea eval --ground-truth instances.json --detections results.json --json metrics.json");
  command
      ->add_option("--weights", options->weights,
                   "Checkpoint of Fovea, or torchvision's weights (safetensors, or PyTorch's .pth)")
      ->type_name("FILE");
  command->add_option("--detections", options->detections, "COCO results file to evaluate instead of a network")
      ->type_name("FILE");
  command->add_option("--data", options->data, "Folder of the dataset, or its one file (COCO's JSON, YOLO's YAML)")
      ->type_name("DIR");
  add_split(*command, options->split, "Split to evaluate");
  command
      ->add_option("--ground-truth", options->ground_truth, "COCO annotation file to compare with instead of a dataset")
      ->type_name("FILE");
  command
      ->add_option("--images", options->images,
                   "Folder of the images, where they are not beside the annotations of --data, or to show those of "
                   "--ground-truth")
      ->type_name("DIR");
  command->add_option("--json", options->json, "Write the metrics to this file")->type_name("FILE");
  command
      ->add_option("--report", options->report,
                   "Write an HTML report that shows where the detector fails to this folder")
      ->type_name("DIR");
  command
      ->add_option("--save-detections", options->save_detections, "Write the detections to this file, as COCO results")
      ->type_name("FILE");
  command->add_option("--batch", options->batch, "Images per batch (default: 8 on a GPU, 1 on the CPU)")
      ->check(at_least(1));
  command->add_option("--ious", options->ious, "IoU thresholds, or first:last:step (default: COCO's 0.5:0.95:0.05)")
      ->type_name("IOU");
  command->add_option("--limits", options->limits, "Maximum detections per class and image (default: COCO's 1 10 100)");
  command
      ->add_option("--areas", options->areas,
                   "Area ranges in square pixels, as name=low:high (default: COCO's small, medium, large)")
      ->type_name("NAME=LOW:HIGH");
  command->add_flag("--voc", options->voc,
                    "Also compute Pascal VOC's AP at IoU 0.5: over 11 points, and as the area under the curve");
  command->add_flag("--time", options->time,
                    "Also print the time of an image, with reading it, and write it to --json, which then differs from "
                    "run to run");
  add_format(*command, options->format);
  add_merge_classes(*command, options->merge_classes);
  add_on_bad(*command, "--bad-images", options->bad_images,
             "Unreadable images: skip them, fail on the first, or keep the readable part of damaged ones",
             /*may_keep=*/true);
  command->callback([options] { eval(*options); });
}

}  // namespace fovea

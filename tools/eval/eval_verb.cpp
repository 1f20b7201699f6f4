#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>

#include "engine/safetensors.h"
#include "tools/data/form.h"
#include "tools/eval/coco_results.h"
#include "tools/eval/evaluate.h"
#include "tools/report/progress.h"
#include "tools/verbs.h"

namespace fovea {

namespace {

struct EvalOptions {
  ConfigOptions config;
  std::string weights, data, split = "val", json, detections, results;
  OnBad bad_images = OnBad::Skip;
  std::optional<Form> form;
};

std::vector<Detection> run_network(const EvalOptions& options, const Dataset& dataset) {
  ModelFile file = open_model(options.weights, options.config);
  BadFiles bad_files(images_in(dataset), options.bad_images);
  add_bad_images(bad_files, dataset);
  Progress progress(static_cast<int64_t>(dataset.samples.size()), 0, {.unit = "image"});
  auto detections = detect_dataset(*file.model, dataset, categories_for(file, dataset), file.config.input, bad_files,
                                   [&](size_t done, size_t) { progress.update(static_cast<int64_t>(done), {}, 1); });
  progress.finish();
  if (bad_files.count() > 0)
    fmt::print(stderr, "fovea: {} images could not be read and were left out\n", bad_files.count());
  if (const size_t kept = bad_files.kept().size(); kept > 0)
    fmt::print(stderr, "fovea: {} damaged images were used as far as they go\n", kept);
  return detections;
}

void eval(const EvalOptions& options) {
  const Dataset dataset = load_dataset(options.data, options.split, {.form = options.form});
  if (const std::string text = dataset.report.text(); !text.empty()) fmt::print("{}", text);
  if (options.weights.empty() == options.results.empty())
    throw Error(ErrorKind::Usage, "eval needs either --weights (run the network) or --results (a COCO results file)");
  const auto detections =
      options.results.empty() ? run_network(options, dataset) : read_coco_results(options.results, dataset);
  const CocoMetrics metrics = evaluate(dataset, detections);
  fmt::print("{}\n{}", table(metrics), class_table(metrics));
  if (!options.detections.empty()) write_coco_results(options.detections, detections);
  if (!options.json.empty()) write_file_atomically(options.json, metrics_json(metrics));
}

}  // namespace

void add_eval(CLI::App& app) {
  auto* verb = app.add_subcommand("eval", "COCO's metrics of a network, or of a results file, on a data set");
  const auto options = std::make_shared<EvalOptions>();
  add_config_options(*verb, options->config);
  verb->footer(
      "Examples:\n"
      "  fovea eval --weights RUN/best.safetensors --data DIR --json metrics.json\n"
      "  fovea eval --results detections.json --data DIR");
  verb->add_option("--weights", options->weights, "A checkpoint of fovea, or torchvision's weights as safetensors");
  verb->add_option("--results", options->results, "Evaluate this COCO results file instead of a network");
  verb->add_option("--data", options->data, "Folder of the data set")->required();
  verb->add_option("--split", options->split, "Which split: val, train, test …");
  verb->add_option("--json", options->json, "Write the metrics to this file");
  verb->add_option("--detections", options->detections, "Write the detections to this file, as COCO results");
  add_form(*verb, options->form);
  add_on_bad(*verb, "--bad-images", options->bad_images,
             "Unreadable images: skip them, error at the first, or keep what a damaged one still gives",
             /*may_keep=*/true);
  verb->callback([options] { eval(*options); });
}

}  // namespace fovea

// `fovea study distribution` and `fovea study curves`: figures 4 and 1 of the paper.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <span>

#include "engine/printable.h"
#include "kernels/device/threads.h"
#include "tools/cli/bounds.h"
#include "tools/cli/commands.h"
#include "tools/data/formats/folder.h"
#include "tools/data/formats/format.h"
#include "tools/report/progress.h"
#include "tools/study/distribution_report.h"
#include "tools/study/loss_curves.h"
#include "tools/text/outputs.h"

namespace fovea {

namespace {

namespace fs = std::filesystem;

struct StudyDistributionOptions {
  ConfigOptions config;
  std::string weights, data, split = "val", images, out;
  std::optional<DatasetFormat> format;
  bool merge_classes = false;
  OnBad bad_images = OnBad::Skip;
  std::vector<double> gammas{0, 0.5, 1, 2};
  int count = 0;
};

// Whether `files` can be written into the folder, before any work.
void check_study_files(const fs::path& out, std::span<const char* const> files,
                       std::initializer_list<std::string> inputs) {
  FilesInUse in_use;
  for (const std::string& input : inputs) in_use.input(input);
  in_use.output(out);
  for (const char* name : files) in_use.output(out / name);
  for (const std::string& input : inputs) require_outside(out, input);
  require_writable_folder(out);
  for (const char* name : files) require_replaceable(out / name);
  check_font();
}

std::vector<double> sorted_gammas(std::vector<double> gammas) {
  std::sort(gammas.begin(), gammas.end());
  if (std::adjacent_find(gammas.begin(), gammas.end()) != gammas.end())
    throw Error(ErrorKind::Usage, "--gamma names one value twice: give each once");
  if (gammas.size() > kMostGammas)
    throw Error(ErrorKind::Usage,
                fmt::format("--gamma has {} values: give at most {}, as many as a chart can tell apart", gammas.size(),
                            kMostGammas));
  return gammas;
}

// The images that are asked for, as the network knows them.
Dataset dataset_for(const StudyDistributionOptions& options, const ModelFile& file) {
  Dataset dataset = [&] {
    const StatusLine shown("reading " + printable(options.split));
    return load_dataset(
        options.data, options.split,
        {.format = options.format, .images = options.images, .merge_classes = options.merge_classes, .whole = true});
  }();
  if (const std::string text = dataset.report.text(); !text.empty()) fmt::print("{}", text);
  int64_t left_out = 0;
  dataset = labeled_for(dataset, announced_categories(options.weights, file, dataset), left_out);
  if (left_out > 0)
    fmt::print(stderr, "fovea: left out {} objects of classes that the weights do not know\n", left_out);
  const size_t all = dataset.samples.size(), count = static_cast<size_t>(options.count);
  if (count > 0 && count < all) {
    std::vector<Sample> chosen;
    for (size_t i = 0; i < count; ++i) chosen.push_back(std::move(dataset.samples[i * all / count]));
    dataset.samples = std::move(chosen);
    dataset.report.bad_images.clear();  // of the whole split, of which they were no large share
  }
  const auto has_object = [](const Sample& sample) {
    return std::any_of(sample.objects.begin(), sample.objects.end(), [](const Object& o) { return !o.crowd; });
  };
  if (std::none_of(dataset.samples.begin(), dataset.samples.end(), has_object))
    throw Error(ErrorKind::Data,
                fmt::format("{}: the {} images of {} have no object of a class that the weights know, "
                            "so there are no positives to compare with",
                            printable(options.data), dataset.samples.size(), printable(dataset.split)));
  return dataset;
}

LossDistribution run_over(ModelFile& file, const Dataset& dataset, OnBad bad_images) {
  const PinnedThreads pinned;
  BadFiles bad_files(images_in(dataset), bad_images);
  add_bad_images(bad_files, dataset);
  Progress progress(static_cast<int64_t>(dataset.samples.size()), 0, on_stderr("image"));
  LossDistribution distribution = loss_distribution(*file.model, dataset, file.config.input, bad_files,
                                                    [&](int64_t done) { progress.update(done, {}, 1); });
  progress.finish();
  if (bad_files.count() > 0) fmt::print(stderr, "fovea: skipped {} unreadable images\n", bad_files.count());
  if (const size_t kept = bad_files.kept().size(); kept > 0)
    fmt::print(stderr, "fovea: {} damaged images were partly used\n", kept);
  return distribution;
}

void study_distribution(const StudyDistributionOptions& options) {
  const std::vector<double> gammas = sorted_gammas(options.gammas);
  check_study_files(options.out, kDistributionFiles, {options.weights, options.data, options.images});
  ModelFile file = open_model(options.weights, model_options(options.config));
  const Dataset dataset = dataset_for(options, file);
  const LossDistribution distribution = run_over(file, dataset, options.bad_images);
  const DistributionReport report(
      fmt::format("{} on {} of {}", printable(options.weights), printable(dataset.split), printable(options.data)),
      distribution, gammas, file.config.model.loss);
  write_distribution(options.out, report);
  fmt::print("shares of the loss:\n{}", report.table());
  for (const std::string& sentence : report.sentences()) fmt::print("{}\n", sentence);
  fmt::print("written: index.html, distribution.csv, distribution.png and distribution.svg in {}\n",
             printable(options.out));
}

void study_curves(const std::string& out) {
  check_study_files(out, kLossCurveFiles, {});
  write_loss_curves(out, loss_curves());
  fmt::print("written: curves.csv, curves.png and curves.svg in {}\n", printable(out));
}

void add_study_curves(CLI::App& study) {
  auto* command = study.add_subcommand(
      "curves",
      "Draw the focal loss over the probability of the right answer, and its derivative: figure 1 of the paper");
  const auto out = std::make_shared<std::string>();
  command->add_option("--out", *out, "Output folder for curves.png, curves.svg and curves.csv")
      ->required()
      ->type_name("DIR");
  command->footer("Example:\n  fovea study curves --out STUDY");
  command->callback([out] { study_curves(*out); });
}

}  // namespace

void add_study_distribution(CLI::App& study) {
  auto* command = study.add_subcommand(
      "distribution", "Chart which elements have the loss of a trained network, at several γ: figure 4 of the paper");
  const auto options = std::make_shared<StudyDistributionOptions>();
  add_config_options(*command, options->config);
  add_weights_options(*command, options->config);
  command
      ->add_option("--weights", options->weights,
                   "Checkpoint of Fovea, or torchvision's weights (safetensors, or PyTorch's .pth)")
      ->required()
      ->type_name("FILE");
  command->add_option("--data", options->data, "Folder of the dataset, or its one file (COCO's JSON, YOLO's YAML)")
      ->required()
      ->type_name("DIR");
  add_split(*command, options->split, "Split whose images are used");
  command->add_option("--gamma", options->gammas, "Values of γ, e.g. 0,0.5,1,2: at most 6")
      ->delimiter(',')
      ->check(between(0, 10))
      ->default_str("0,0.5,1,2")
      ->type_name("GAMMA");
  command->add_option("--count", options->count, "Number of images, spread evenly over the split (default: all)")
      ->check(at_least(1));
  command->add_option("--out", options->out, "Output folder for index.html, the charts and distribution.csv")
      ->required()
      ->type_name("DIR");
  add_images(*command, options->images);
  add_format(*command, options->format);
  add_merge_classes(*command, options->merge_classes);
  add_on_bad(*command, "--bad-images", options->bad_images,
             "Unreadable images: skip them, fail on the first, or keep the readable part of damaged ones",
             /*may_keep=*/true);
  command->footer(
      "Example:\n  fovea study distribution --weights RUN/best.safetensors --data DIR --gamma 0,0.5,1,2 --out STUDY");
  command->callback([options] { study_distribution(*options); });
  add_study_curves(study);
}

}  // namespace fovea

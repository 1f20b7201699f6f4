// `fovea study`: the experiments of the paper on a dataset of one's own. Each training is a process of this program.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <iterator>

#include "engine/printable.h"
#include "tools/checkpoint/data_identity.h"
#include "tools/cli/bounds.h"
#include "tools/cli/commands.h"
#include "tools/cli/completion.h"
#include "tools/data/formats/folder.h"
#include "tools/data/formats/format.h"
#include "tools/report/canvas.h"
#include "tools/report/progress.h"
#include "tools/study/paper_studies.h"
#include "tools/study/run_study.h"
#include "tools/text/file.h"
#include "tools/train/trainer.h"

namespace fovea {

namespace {

using Words = std::vector<std::string>;

struct StudyCommand {
  ConfigOptions config;
  TrainOptions train;
  Words varied;
  std::optional<int64_t> steps;
  int seeds = 1, jobs = 1;
};

// What was typed, as a shell takes it.
std::string typed_command() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  const std::string all{std::istreambuf_iterator<char>(file), {}};
  Words words;
  for (size_t begin = 0, end = 0; begin < all.size(); begin = end + 1) {
    end = std::min(all.find('\0', begin), all.size());
    words.push_back(as_typed(printable(all.substr(begin, end - begin))));
  }
  if (!words.empty()) words[0] = "fovea";
  return fmt::format("{}", fmt::join(words, " "));
}

const char* word_of_policy(OnBad policy) {
  return policy == OnBad::Skip ? "skip" : policy == OnBad::Error ? "error" : "keep";
}

// Of the dataset, for the processes that train and evaluate.
void add_data_words(const TrainOptions& options, Words& words) {
  if (!options.images.empty()) words.insert(words.end(), {"--images", options.images});
  if (options.merge_classes) words.emplace_back("--merge-classes");
  for (const FormatEntry& entry : formats())
    if (options.format == entry.format) words.insert(words.end(), {"--format", entry.name});
  words.insert(words.end(), {"--bad-images", word_of_policy(options.bad_images)});
}

Words train_words(const StudyCommand& command, const RunFiles& files, bool resume) {
  const TrainOptions& options = command.train;
  Words words{"/proc/self/exe",
              "train",
              files.config,
              "--data",
              options.data,
              "--out",
              files.folder,
              "--device",
              command.config.device,
              "--bad-boxes",
              word_of_policy(options.bad_boxes)};
  add_data_words(options, words);
  if (!options.val.empty()) words.insert(words.end(), {"--val", options.val});
  if (command.config.allow_non_finite) words.emplace_back("--allow-non-finite");
  if (resume) {
    words.emplace_back("--resume");
  } else if (!options.init_from.empty()) {
    words.insert(words.end(), {"--init-from", options.init_from});
    if (!command.config.state_dict.empty()) words.insert(words.end(), {"--state-dict", command.config.state_dict});
    if (command.config.names) words.insert(words.end(), {"--names", traits_of(*command.config.names).word});
  }
  return words;
}

Words evaluate_words(const StudyCommand& command, const RunFiles& files) {
  const TrainOptions& options = command.train;
  Words words{"/proc/self/exe",
              "eval",
              "--weights",
              files.folder / "last.safetensors",
              "--data",
              options.val.empty() ? options.data : options.val,
              "--json",
              files.eval,
              "--time",
              "--device",
              command.config.device};
  add_data_words(options, words);
  return words;
}

struct StudiedData {
  std::string sentence, identity;
  size_t val_images;
};

StudiedData look_at_data(const TrainOptions& options) {
  const StatusLine shown("reading the dataset");
  const Dataset train = load_dataset(options.data, "train", options.load_options());
  const auto& of_val = options.val.empty() ? options.data : options.val;
  const Dataset val = load_dataset(of_val, "val", options.load_options());
  Words names;
  for (const Category& category : train.categories) names.push_back(printable(category.name));
  if (names.size() > 12) names.resize(12), names.emplace_back("…");
  return {fmt::format("Data: {}, {} images to train on; {}, {} images to validate on; {} classes ({}).",
                      printable(true_path(options.data).native()), train.samples.size(),
                      printable(true_path(of_val).native()), val.samples.size(), train.categories.size(),
                      fmt::join(names, ", ")),
          to_json({identity_of(train), identity_of(val)}), val.samples.size()};
}

std::map<std::string, std::string> facts_of(const StudyCommand& command, const StudiedData& data) {
  const TrainOptions& options = command.train;
  std::map<std::string, std::string> facts{{"data", data.identity}, {"bad images", word_of_policy(options.bad_images)}};
  if (!options.init_from.empty()) facts["weights"] = true_path(options.init_from);
  if (!command.config.state_dict.empty()) facts["weights under"] = command.config.state_dict;
  if (command.config.names) facts["names of weights"] = traits_of(*command.config.names).word;
  return facts;
}

void run_study_command(const std::string& name, const StudyCommand& command) {
  const TrainOptions& options = command.train;
  for (const auto& folder : {options.data, options.val, options.images}) require_outside(options.out, folder);
  Config config = resolve(command.config, preset("paper"));
  if (command.steps) set_steps(config, *command.steps);
  const Study study = name == "custom" ? custom_study(command.varied) : paper_study(name, config);
  runs_of(study, config, command.seeds);  // what makes no sense is refused before the data are read
  resolve_device(command.config.device);
  check_font();
  const StudiedData data = look_at_data(options);
  const StudyFolder folder(options.out, study, config, facts_of(command, data));
  const std::string start = options.init_from.empty() ? "All start from weights that their seed draws."
                                                      : fmt::format("All start from {}, as far as its tensors fit.",
                                                                    printable(options.init_from.native()));
  run_study(study, config, folder,
            {.seeds = command.seeds,
             .jobs = command.jobs,
             .command = typed_command(),
             .data = data.sentence,
             .start = start,
             .val_images = data.val_images,
             .train = [&](const RunFiles& files, bool resume) { return train_words(command, files, resume); },
             .evaluate = [&](const RunFiles& files, bool) { return evaluate_words(command, files); }});
}

void add_study_options(CLI::App& command, StudyCommand& options) {
  add_config_options(command, options.config);
  add_weights_options(command, options.config);
  TrainOptions& train = options.train;
  command.add_option("config", options.config.file, "Configuration file (TOML)")->check(CLI::ExistingFile);
  command.add_option("--data", train.data, "Folder of the dataset, or its one file (COCO's JSON, YOLO's YAML)")
      ->required()
      ->type_name("DIR");
  command
      .add_option("--val", train.val, "Folder or file of the dataset for validation, where --data has no split for it")
      ->type_name("DIR");
  command
      .add_option("--out", train.out,
                  "Folder of the study, for its page, its table and its runs; the same command goes on there")
      ->required()
      ->type_name("DIR");
  command
      .add_option("--seeds", options.seeds,
                  "Trainings of each variant, from the configuration's seed on: several tell which differences are "
                  "more than chance")
      ->capture_default_str()
      ->check(at_least(1, 1000));
  command.add_option("--jobs", options.jobs, "Trainings at a time, which share the cores")
      ->capture_default_str()
      ->check(at_least(1, 256));
  command
      .add_option("--steps", options.steps,
                  "Steps of each training (default: the configuration's); its schedule is stretched or shrunk to them")
      ->type_name("INT")
      ->check(at_least(1));
  command
      .add_option("--init-from", train.init_from,
                  "Start each training from these weights; tensors that do not fit are initialized anew")
      ->type_name("FILE");
  add_format(command, train.format);
  command.add_option("--images", train.images, "Folder of the images (default: looked for beside the annotations)")
      ->type_name("DIR");
  add_merge_classes(command, train.merge_classes);
  add_on_bad(command, "--bad-images", train.bad_images,
             "Unreadable images: skip and list them (fail above 1 %), fail on the first, or keep the readable part of "
             "damaged ones",
             /*may_keep=*/true);
  add_on_bad(command, "--bad-boxes", train.bad_boxes, "Invalid boxes: skip and list them, or fail on the first");
}

CLI::App* add_one_study(CLI::App& app, const std::string& name, const std::string& title, const std::string& settings) {
  auto* command = app.add_subcommand(name, title);
  const auto options = std::make_shared<StudyCommand>();
  if (name == "custom")
    command
        ->add_option("--vary", options->varied,
                     "A setting and its values, lists in brackets; several times: all combinations")
        ->required()
        ->type_name("KEY=VALUE,VALUE");
  add_study_options(*command, *options);
  command->footer(
      fmt::format("Examples:\n"
                  "  fovea study {0}{1} --preset demo --data DIR --out OUT --steps 200\n"
                  "  fovea study {0}{1} my.toml --data DIR --out OUT --seeds 3 --jobs 2",
                  name, settings));
  command->callback([name, options] { run_study_command(name, *options); });
  return command;
}

}  // namespace

void add_study(CLI::App& app) {
  auto* command = app.add_subcommand("study", "Repeat the experiments of the paper on a dataset, and draw its figures");
  command->require_subcommand(1);
  command->footer(
      "Examples:\n"
      "  fovea study gamma --preset demo --data DIR --out OUT --seeds 3\n"
      "  fovea study custom --vary train.schedule.base=0.0005,0.001,0.002 --preset demo --data DIR --out OUT\n"
      "  fovea study distribution --weights OUT/runs/gamma-2-seed1/best.safetensors --data DIR --out FIGURE");
  for (const PaperStudy& known : paper_studies()) add_one_study(*command, known.name, known.title, "");
  add_one_study(*command, "custom", "Any settings: trainings with all values of --vary",
                " --vary train.schedule.base=0.001,0.002");
  add_study_distribution(*command);
}

}  // namespace fovea

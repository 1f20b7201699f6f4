#include <CLI/CLI.hpp>
#include <csignal>

#include "tools/train/trainer.h"
#include "tools/verbs.h"

namespace fovea {

void add_train(CLI::App& app) {
  struct Options {
    ConfigOptions config;
    TrainOptions train;
    std::string seed;
    bool bad_images_error = false, bad_boxes_error = false;
  };
  auto* verb = app.add_subcommand(
      "train", "Train on a data set in COCO form: DIR/annotations/instances_{train,val}.json, DIR/train, DIR/val");
  const auto options = std::make_shared<Options>();
  add_config_options(*verb, options->config);
  verb->footer(
      "Examples:\n"
      "  fovea train --preset demo --data examples/blood_cells --out runs/cells\n"
      "  fovea train my.toml --data DIR --out RUN --set train.steps=20000 --init-from resnet50.safetensors\n"
      "  fovea train my.toml --data DIR --out RUN --resume");
  verb->add_option("config", options->config.file, "Configuration file (TOML)")->check(CLI::ExistingFile);
  verb->add_option("--data", options->train.data, "Folder of the data set")->required();
  verb->add_option("--out", options->train.out, "Folder of the run: configuration, log, checkpoints, chart")
      ->required();
  verb->add_option("--seed", options->seed, "Of initial weights, order and augmentation");
  verb->add_flag("--resume", options->train.resume, "Go on with the run in --out, bit for bit");
  verb->add_flag("--allow-config-change", options->train.allow_config_change,
                 "With --resume: go on although the configuration differs");
  verb->add_option("--init-from", options->train.init_from,
                   "Start from these weights; what does not fit starts anew, and is named");
  verb->add_flag("--bad-images-error", options->bad_images_error,
                 "End at the first unreadable image (else skip and list it; more than 1 % end the run)");
  verb->add_flag("--bad-boxes-error", options->bad_boxes_error,
                 "End at the first unusable box (else drop and list it)");
  verb->callback([options] {
    TrainOptions& train_options = options->train;
    if (train_options.resume && !train_options.init_from.empty())
      throw Error(ErrorKind::Usage,
                  "--resume goes on with everything, --init-from starts from weights only: give one of them");
    Config config = resolve(options->config, preset("paper"));
    if (!options->seed.empty()) apply_setting(config, "seed=" + options->seed);
    train_options.device = resolve_device(options->config.device);
    train_options.bad_images = options->bad_images_error ? OnBad::Error : OnBad::Skip;
    train_options.bad_boxes = options->bad_boxes_error ? OnBad::Error : OnBad::Skip;
    catch_stop_signals();
    std::signal(SIGPIPE, SIG_IGN);  // a closed stdout stops the run like Ctrl-C: saved
    train(config, train_options);
  });
}

}  // namespace fovea

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <optional>

#include "kernels/device/environment.h"
#include "kernels/error.h"
#include "tools/cli/bounds.h"
#include "tools/cli/commands.h"
#include "tools/train/start.h"
#include "tools/train/trainer.h"

namespace fovea {
namespace {

// CLI11's own way of reading a variable checks it for every command, and does not name it.
double rank_timeout_by_environment(double otherwise) {
  const char* text = environment("FOVEA_RANK_TIMEOUT");
  if (text == nullptr) return otherwise;
  std::string word = text;
  if (const std::string fault = above_zero()(word); !fault.empty())
    throw Error(ErrorKind::Usage, "FOVEA_RANK_TIMEOUT: " + fault);
  return std::stod(word);
}

}  // namespace

void add_train(CLI::App& app) {
  struct Options {
    ConfigOptions config;
    TrainOptions train;
    std::string seed, non_finite_limit;
    std::optional<uint64_t> cache;
  };
  auto* command = app.add_subcommand(
      "train", "Train a detector on a dataset with train and val splits (COCO, VOC, CSV or YOLO format)");
  const auto options = std::make_shared<Options>();
  add_config_options(*command, options->config);
  add_weights_options(*command, options->config);
  command->footer(
      "Examples:\n"
      "  fovea train --preset demo --data DIR --out RUN\n"
      "  fovea train my.toml --data DIR --out RUN --set train.steps=20000 --init-from resnet50.safetensors\n"
      "  fovea train my.toml --data DIR --out RUN --resume\n"
      "  mpirun -np 4 fovea train my.toml --data DIR --out RUN");
  command->add_option("config", options->config.file, "Configuration file (TOML)")->check(CLI::ExistingFile);
  command
      ->add_option("--data", options->train.data, "Folder of the dataset, or its one file (COCO's JSON, YOLO's YAML)")
      ->required()
      ->type_name("DIR");
  command
      ->add_option("--val", options->train.val,
                   "Folder or file of the dataset for validation, where --data has no split for it")
      ->type_name("DIR");
  command
      ->add_option("--out", options->train.out, "Folder of the run, for its configuration, log, checkpoints and chart")
      ->required()
      ->type_name("DIR");
  command
      ->add_option("--seed", options->seed,
                   "Seed of initial weights, image order and augmentation (default: the configuration's)")
      ->type_name("INT");
  command->add_flag("--resume", options->train.resume, "Resume the run in --out, bit for bit");
  command->add_flag("--allow-config-change", options->train.allow_config_change,
                    "With --resume: accept a changed configuration");
  command->add_flag("--allow-data-change", options->train.allow_data_change,
                    "With --resume: accept other classes, images or boxes");
  command
      ->add_option("--init-from", options->train.init_from,
                   "Start from these weights (safetensors, or PyTorch's .pth); tensors that do not fit are initialized "
                   "anew and listed")
      ->type_name("FILE");
  add_format(*command, options->train.format);
  command
      ->add_option("--images", options->train.images,
                   "Folder of the images (default: looked for beside the annotations)")
      ->type_name("DIR");
  add_merge_classes(*command, options->train.merge_classes);
  add_on_bad(*command, "--bad-images", options->train.bad_images,
             "Unreadable images: skip and list them (fail above 1 %), fail on the first, or keep the readable part of "
             "damaged ones",
             /*may_keep=*/true);
  command->add_option("--cache", options->cache, "Memory for decoded images, e.g. 8G (default: input.cache_mb)")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false))
      ->option_text("SIZE");
  add_on_bad(*command, "--bad-boxes", options->train.bad_boxes,
             "Invalid boxes: skip and list them, or fail on the first");
  auto* rank_timeout =
      command
          ->add_option("--rank-timeout", options->train.rank_timeout,
                       "Seconds to wait for a rank before all stop (default: FOVEA_RANK_TIMEOUT, or 300)")
          ->check(above_zero());
  command
      ->add_option("--on-nan", options->non_finite_limit,
                   "Non-finite steps to skip before the run fails (default: train.non_finite_limit)")
      ->type_name("INT");
  command->callback([options, rank_timeout] {
    TrainOptions& train_options = options->train;
    if (rank_timeout->count() == 0)
      train_options.rank_timeout = rank_timeout_by_environment(train_options.rank_timeout);
    if (train_options.resume && !train_options.init_from.empty())
      throw Error(ErrorKind::Usage,
                  "--resume continues a run and --init-from starts a new one from weights: use only one of them");
    if (!options->config.state_dict.empty() && train_options.init_from.empty())
      throw Error(ErrorKind::Usage, "--state-dict says where in the file of --init-from the weights are: give both");
    if (options->config.names && train_options.init_from.empty())
      throw Error(ErrorKind::Usage, "--names says whose names the file of --init-from has: give both");
    require_own_files(options->config.file, train_options);
    Config config = resolve(options->config, preset("paper"));
    if (!options->seed.empty()) apply_setting(config, "seed=" + options->seed);
    if (!options->non_finite_limit.empty())
      apply_setting(config, "train.non_finite_limit=" + options->non_finite_limit);
    if (options->cache) apply_setting(config, fmt::format("input.cache_mb={}", *options->cache >> 20));
    train_options.non_finite = options->config.non_finite();
    train_options.state_dict = options->config.state_dict;
    train_options.names = options->config.names;
    train_options.device = resolve_device(options->config.device);
    train(config, train_options);
  });
}

}  // namespace fovea

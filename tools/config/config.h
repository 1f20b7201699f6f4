// The configuration of a run: the network, its data and its training. One description of the fields (fields.h) serves
// the TOML files, the command line's --set key=value, checkpoints and the comparison of two configurations.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "engine/context.h"
#include "engine/optimizer.h"
#include "engine/schedule.h"
#include "model/config.h"

namespace fovea {

// What training does to images before they are resized (docs/augmentation.md); 0 = never.
struct AugmentConfig {
  double vertical_flip = 0;    // probability
  double crop = 0;             // probability of SSD's crop, which keeps objects
  double smallest_crop = 0.3;  // share of a side that a crop keeps at least
  double photometric = 0;      // strength, 1 = SSD's: brightness, contrast, saturation, hue
  double rotation = 0;         // degrees at most, either way
  double mosaic = 0;           // probability of four images in one
  double mixup = 0;            // probability of another image shining through
};

struct InputConfig {
  std::vector<int> short_side{
      800};                // of the resized image; several: one is drawn for each training image; the last one detects
  int long_side = 1333;    // the image is shrunk further where its longer side would exceed this
  int pad_to = 32;         // batches are padded to a multiple
  bool antialias = false;  // false: bilinear as torchvision; true: a filter as wide as the scale when shrinking
  double flip = 0.5;       // probability of a left-right flip in training
  std::vector<double> mean{0.485, 0.456, 0.406}, std{0.229, 0.224, 0.225};  // of pixels in 0 … 1
  int workers = 0;                   // decoding threads; 0: as many as cores, at most 8
  int prefetch = 4;                  // batches decoded ahead
  int prefetch_mb = 2048;            // of images decoded ahead, but for the batch that is waited for
  int cache_mb = 1024;               // decoded images kept in memory
  int64_t max_pixels = 100'000'000;  // larger images are refused by their header
  bool jpeg_scaling = true;          // JPEGs that are at least twice as large as needed are decoded at 1/2, 1/4 or 1/8
  int shape_buckets = 0;  // images of like aspect ratio share batches of so many shapes; 0: batches as they come
  AugmentConfig augment;
};

struct TrainConfig {
  int64_t steps = 90000;
  int batch = 16;                // images a step, of all ranks together
  bool sync_batch_norm = false;  // statistics over the batches of all ranks; else each rank's own in training
  int64_t log_every = 20;
  int64_t checkpoint_every = 1000;
  int64_t eval_every = 5000;  // 0: only at the end
  int eval_batch = 0;         // images at once in a validation; 0: what suits the device, at most as in a step
  OptimizerConfig optimizer;
  Schedule schedule;
  int64_t non_finite_limit =
      0;  // steps with a NaN or infinite gradient that are skipped before the run ends; 0: the first ends it
  bool record = true;  // steps of a shape that comes again are recorded and replayed
};

struct Config {
  ModelConfig model;
  InputConfig input;
  TrainConfig train;
  uint64_t seed = 0;
  Precision precision = Precision::Auto;
  kernels::ConvAlgorithm convolution = kernels::ConvAlgorithm::Auto;
  bool autotune = false;  // on a GPU: time cuDNN's candidates for each layer at first use, in place of its own guess
};

// paper, torchvision, torchvision_v2, r18, resnext50, vgg16, inception, demo, tiny. Throws Error(Usage) naming the
// nearest one.
Config preset(const std::string& name);
const std::vector<std::string>& preset_names();

// Overlays the keys that `toml` holds. Unknown keys and wrong types: Error(Usage) with `source`, line, and the nearest
// key.
// A key that is called otherwise now is taken, with a warning on stderr; of a checkpoint, which nobody edits, without.
enum class OldKeys : uint8_t { Warn, Take };
void apply_toml(Config& config, const std::string& text, const std::string& source, OldKeys old_keys = OldKeys::Warn);
void apply_file(Config& config, const std::filesystem::path& path);
// "train.steps=100", "model.head.norm=group".
void apply_setting(Config& config, const std::string& setting, const std::string& source = "setting");

// Every field as TOML, in the order of fields.h; apply_toml reads it back to the same configuration.
std::string to_toml(const Config& config);
// The fields' keys, in that order; the values of those that are one of a few words, or true and false.
struct SettingName {
  std::string key;
  std::vector<std::string> values;
};
std::vector<SettingName> setting_names();
// The value of a field as TOML; empty for a key that there is not.
std::string value_of(const Config& config, const std::string& key);
// Lines "key: a -> b" of the fields that differ.
std::vector<std::string> differences(const Config& a, const Config& b);

// Throws Error(Usage) where fields contradict each other or are out of range.
void validate(const Config& config);

// The learning rate of each step of the training: for its batch and its number of steps.
Schedule schedule_of(const Config& config);

}  // namespace fovea

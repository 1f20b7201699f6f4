// What somebody else's program does with libfovea: trains three steps, evaluates and detects. It is linked without a
// command line. Arguments: the folder of a dataset, that of the run to make, an image.
#include <fmt/format.h>

#include "tools/checkpoint/model_file.h"
#include "tools/data/formats/format.h"
#include "tools/detect/detector.h"
#include "tools/eval/evaluate.h"
#include "tools/train/trainer.h"

int main(int, char** arguments) {
  fovea::Config config = fovea::preset("tiny");
  config.train.steps = 3;
  fovea::train(config, {.data = arguments[1], .out = arguments[2]});
  const fovea::ModelFile file = fovea::open_model(std::string(arguments[2]) + "/last.safetensors");
  const fovea::Dataset val = fovea::load_dataset(arguments[1], "val");
  fovea::BadFiles bad_files(fovea::images_in(val));
  const auto found = detect_dataset(*file.model, val, categories_for(file, val), file.config.input, bad_files);
  fovea::Detector detector(*file.model, file.config.input);
  auto images = detector.add(fovea::load_image(arguments[3], file.config.input));  // some are found at once
  for (auto& image : detector.finish()) images.push_back(std::move(image));
  fmt::print("AP {:.3f}, {} boxes\n", evaluate(val, found).values[fovea::Ap], images.at(0).boxes.size());
}

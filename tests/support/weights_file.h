// A file of weights, of a tiny network that was not trained and finds something everywhere.
#pragma once
#include "tests/support/detection_scene.h"
#include "tools/checkpoint/checkpoint.h"

namespace fovea::test {

inline std::string write_weights(const std::filesystem::path& path) {
  DetectionScene scene;
  save_checkpoint(path, scene.model, nullptr, scene.config, {{1, "RBC"}, {2, "WBC"}, {3, "Platelets"}}, {});
  return path.string();
}

}  // namespace fovea::test

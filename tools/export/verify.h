// Whether an exported model finds what the network finds.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "tools/checkpoint/model_file.h"
#include "tools/data/bad_files.h"
#include "tools/data/dataset.h"
#include "tools/export/export_options.h"
#include "tools/export/runtime.h"

namespace fovea {

// Detections agree where their class is the same and they differ by no more.
inline constexpr float kSamePixels = 0.5f, kSameScore = 1e-3f;

struct Verification {
  std::string runtime;                    // RuntimeProcess::name()
  size_t images = 0, own = 0, other = 0;  // detections of the network, and of the exported model
  size_t agreeing = 0;                    // pairs
  double pixels = 0, score = 0;           // the largest differences of these
  double own_ap = 0, other_ap = 0;        // COCO's AP, or no_ground_truth

  double agreement() const {  // share of all detections
    return own + other == 0 ? 1 : 2 * static_cast<double>(agreeing) / static_cast<double>(own + other);
  }
  std::string text() const;
};

// Throws Error(Usage) where no runtime of these can run the model: its tail is TensorRT's alone.
void check_verified_tail(const ExportOptions& exported);

// Runs the network, and the model that the runtime has loaded, both on the same bytes of each image of the dataset,
// resized to fit into the input. `progress` is told how many images are done. Throws Error(Interrupted) where the user
// stops it, and what RuntimeProcess throws.
Verification verify(ModelFile& file, const ExportOptions& exported, const RuntimeProcess& runtime,
                    const Dataset& dataset, const std::vector<Category>& categories, BadFiles& bad_files,
                    const std::function<void(size_t)>& progress = {});

// Throws Error(Runtime) where less than 99.9 % of the detections agree (fp32 alone: others are rounded), or the APs are
// more than 0.001 apart.
void require_same(const Verification& verification, ExportPrecision precision);

}  // namespace fovea

// Detections as COCO's results list.
#pragma once
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/detect.h"
#include "model/size2d.h"
#include "tools/eval/boxes.h"
#include "tools/eval/truth_set.h"

namespace fovea {

// A box of a network, whose corners are given, as COCO has it: the corner of least x and y, width and height.
Detection coco_detection(int64_t image_id, int64_t category_id, const Detected& found);

// Also takes JSON Lines, and an object with the list under "annotations", "predictions", "detections" or "results".
// Reads in parts, on all cores. An entry with a file_name that is not that of its image_id in the ground truth goes to
// the image of that name: the same one, or the one of which either name is the end of the other ("b.jpg", "a/b.jpg"); a
// line for the user says so. Ids may be words: those of the ground truth, names of its images (with or without ending)
// and of its categories. Looks at all together (results_look.h). Throws ErrorKind::Data, naming the entry, when the
// file is missing or malformed, an image or category is none of the ground truth's, a file name is that of several
// images, a score is no finite number, or a box is not four finite numbers of which the size is not negative.
Detections read_coco_results(const std::filesystem::path& path, const TruthSet& truth,
                             std::vector<std::string>* warnings = nullptr);
// The same of a file that was read while the ground truth was (usual_results.h), if that could be done.
Detections read_coco_results(const std::filesystem::path& path, const TruthSet& truth,
                             std::vector<std::string>* warnings, std::optional<Detections> ahead);

// Results that grow image by image: a whole JSON list at every moment, also where the disk is full or the program ends.
class ResultsFile {
 public:
  // Throws ErrorKind::Runtime, as add() does, when it cannot be written. What was there is gone.
  explicit ResultsFile(std::filesystem::path path);
  ~ResultsFile();
  ResultsFile(const ResultsFile&) = delete;
  ResultsFile& operator=(const ResultsFile&) = delete;

  struct OfImage {
    std::string file_name;
    Size2d size;
  };
  // Each entry says the image's file name and size, besides what COCO's entries have.
  void add(std::span<const Detection> detections, const OfImage& image);

 private:
  std::filesystem::path path_;
  int file_;
  int64_t end_ = 1;  // where the next entry goes: behind the bracket, or the last entry
};

// Throws ErrorKind::Usage where there is a file that neither ResultsFile nor write_coco_results() has written.
void require_own_results(const std::filesystem::path& path);

// One entry a line; numbers with the digits that read back the same. Throws ErrorKind::Runtime when it cannot be
// written.
void write_coco_results(const std::filesystem::path& path, std::span<const Detection> detections);

}  // namespace fovea

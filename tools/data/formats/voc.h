// Datasets in Pascal VOC's format: an XML file an image.
//   VOCdevkit-like  Annotations/*.xml, JPEGImages/, ImageSets/Main/{train,val}.txt; also several years side by side
//   flat            {train,val}/ with *.xml beside the images; without split folders a set that is not split
// Boxes are x = xmin, y = ymin, width = xmax - xmin. Difficult objects are regions to ignore, as in VOC's own
// evaluation. Classes are numbered in the order of classes.txt (one name a line), or else of the alphabet.
#pragma once
#include "tools/data/formats/format.h"

namespace fovea {

// nullptr: the folder does not look like one.
std::unique_ptr<DatasetReader> open_voc(const std::filesystem::path& folder, const LoadOptions& options);

}  // namespace fovea

// The lists of a COCO annotation file as they stand there, before anything is checked against anything else.
#pragma once
#include "tools/data/formats/raw_dataset.h"

namespace fovea {

// The file passes through some 30 MB of memory, whatever its size; besides there is what the lists hold: about 100
// bytes an annotation. Throws ErrorKind::Data with the file and the byte offset or key.
RawDataset read_coco_file(const std::filesystem::path& path);

}  // namespace fovea

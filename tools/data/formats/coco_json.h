// The lists of a COCO annotation file as they stand there, before anything is checked against anything else.
#pragma once
#include "tools/data/formats/raw_dataset.h"

namespace fovea {

// What a file is read for. Training needs the name and size of every image, and leaves to make_dataset() what is wrong
// with an annotation. An evaluation needs what pycocotools does: ids, of which no two are alike, and boxes, each of
// four finite numbers; an area may be negative; images and categories need no more than their ids. Ids that are words
// are numbered, and a line for the user says so; with IntegerIds they are refused, and "7" is one, too.
enum class CocoUse : uint8_t { Training, Evaluation, IntegerIds };

// The file passes through some 10 MB of memory, whatever its size; besides there is what the lists hold: about 100
// bytes an annotation. Throws ErrorKind::Data with the file and the byte offset or key.
RawDataset read_coco_file(const std::filesystem::path& path, CocoUse use = CocoUse::Training);

}  // namespace fovea

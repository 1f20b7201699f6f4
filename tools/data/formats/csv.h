// Datasets in CSV files: one a split, with lines path,x1,y1,x2,y2,class as keras-retinanet reads them (all but the path
// empty: an image without objects), or with a heading that names the columns (csv_columns.h); and the class map
// classes.csv with lines name,id. The files lie in the folder itself, in one folder a split beside the images
// (Roboflow's _annotations.csv), or in annotations/ or data/. Without a class map classes are numbered in the order of
// the alphabet.
#pragma once
#include "tools/data/formats/csv_table.h"  // IWYU pragma: export
#include "tools/data/formats/format.h"

namespace fovea {

// `path`: the folder, or one of the files. nullptr: it does not look like one.
std::unique_ptr<DatasetReader> open_csv(const std::filesystem::path& path, const LoadOptions& options);

// A line on the file, or on one in the folder that is called like a split's, but does not hold its columns; empty where
// there is none.
std::string csv_without_boxes(const std::filesystem::path& folder);

}  // namespace fovea

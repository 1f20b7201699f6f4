// Datasets in keras-retinanet's CSV format: a file a split with lines path,x1,y1,x2,y2,class (all but the path empty:
// an image without objects; paths from the file's folder), and the class map classes.csv with lines name,id. Without a
// class map classes are numbered in the order of the alphabet. Fields may be quoted (RFC 4180).
#pragma once
#include "tools/data/formats/format.h"

namespace fovea {

// nullptr: the folder does not look like one.
std::unique_ptr<DatasetReader> open_csv(const std::filesystem::path& folder, const LoadOptions& options);

struct CsvRecord {
  std::vector<std::string> fields;
  int line;  // on which it begins
};
// The records of a CSV file; empty lines are left out. Throws ErrorKind::Data with file and line where a quote is not
// closed, or stands where none may.
std::vector<CsvRecord> read_csv(const std::filesystem::path& path);

}  // namespace fovea

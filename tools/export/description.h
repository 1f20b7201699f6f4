// What a program must know to run an exported model: classes, inputs, outputs, thresholds, anchors.
#pragma once
#include <string>
#include <vector>

#include "model/network_graph.h"
#include "tools/config/config.h"
#include "tools/data/dataset.h"
#include "tools/export/export_options.h"

namespace fovea {

// A word for each choice, as the command line and the description have them.
const char* name_of(ExportTail tail);
const char* name_of(ExportPrecision precision);
const char* name_of(ExportInput input);

// As JSON (docs/deployment.md). `categories`: of the labels, or none where the weights do not say.
std::string export_description(const ExportOptions& options, const Config& config,
                               const std::vector<Category>& categories, const NetworkGraph& network);

}  // namespace fovea

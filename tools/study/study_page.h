// The page of a study: the paper's table with the numbers of the user's data, what they say of the paper's claims, and
// the trainings' curves.
#pragma once
#include <string>
#include <vector>

#include "tools/report/chart.h"
#include "tools/study/run_result.h"

namespace fovea {

struct StudyPage {
  const Study& study;
  const std::vector<StudyRun>& runs;
  const std::vector<RunResult>& results;  // of each run
  std::string command;                    // that made it
  std::string data;                       // what is trained and validated on, in a sentence
  std::string start;                      // the weights that the trainings start from, in a sentence
};

// One HTML file that needs nothing beside it.
std::string study_page(const StudyPage& page);

// Loss and validation AP of all trainings over the steps, a color a variant.
Chart curves_chart(const StudyPage& page);
// Figure 2 of the paper: AP over the time of an image, a line for each label of the first column.
Chart speed_chart(const StudyPage& page, const std::vector<VariantResult>& variants);

// The same table as text, for a terminal.
std::string study_table(const Study& study, const std::vector<VariantResult>& variants);

}  // namespace fovea

// `fovea doctor`: what this machine has and lacks, a line each.
#include "tools/device/doctor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>

#include "engine/files.h"
#include "kernels/error.h"
#include "tools/cli/commands.h"
#include "tools/device/build.h"

namespace fovea {
namespace {

std::string doctor_text(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& finding : findings) {
    text += fmt::format("{:<12}{}: {}\n", name_of(finding.mark), finding.what, finding.text);
    if (!finding.mend.empty()) text += fmt::format("{:<12}  -> {}\n", "", finding.mend);
  }
  return text;
}

std::string doctor_json(const std::vector<Finding>& findings) {
  std::string list;
  for (const Finding& finding : findings)
    list += fmt::format("{}\n  {{\"what\": {}, \"mark\": {}, \"text\": {}, \"mend\": {}}}", list.empty() ? "" : ",",
                        json_quoted(finding.what), json_quoted(name_of(finding.mark)), json_quoted(finding.text),
                        finding.mend.empty() ? "null" : json_quoted(finding.mend));
  return fmt::format("{{\"program\": {},\n \"findings\": [{}]}}\n", json_quoted(program_name()), list);
}

void doctor(bool json) {
  const std::vector<Finding> findings = findings_of(machine_facts());
  if (json)
    fmt::print("{}", doctor_json(findings));
  else
    fmt::print("{}\n\n{}", program_name(), doctor_text(findings));
  std::vector<std::string> broken;
  for (const Finding& finding : findings)
    if (finding.mark == Mark::Broken) broken.push_back(finding.what);
  if (!broken.empty()) throw Error(ErrorKind::Runtime, fmt::format("broken here: {}", fmt::join(broken, ", ")));
}

}  // namespace

void add_doctor(CLI::App& app) {
  auto* command =
      app.add_subcommand("doctor", "Show what this machine has, what is missing or slow, and what mends it");
  const auto json = std::make_shared<bool>(false);
  command->add_flag("--json", *json, "Print the same as JSON");
  command->footer(
      "Marks:\n"
      "  ok          it is there and works\n"
      "  not needed  this machine does as well without it\n"
      "  slow        it works, and would be faster\n"
      "  missing     it is not there; something else does its work, or none\n"
      "  broken      it is there and cannot be used, e.g. a GPU without cuDNN; the exit code is 1\n\n"
      "Examples:\n"
      "  fovea doctor\n"
      "  fovea doctor --json > doctor.json");
  command->callback([json] { doctor(*json); });
}

}  // namespace fovea

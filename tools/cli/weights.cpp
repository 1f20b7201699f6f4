// `fovea weights`: published weights that people start from. Only `get` uses the network.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <sstream>

#include "engine/files.h"
#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/cli/commands.h"
#include "tools/cli/completion.h"
#include "tools/weights/check_weights.h"
#include "tools/weights/fetch_weights.h"
#include "tools/weights/known_weights.h"

namespace fovea {
namespace {

std::string url_of(const KnownWeights& known) { return fmt::format("{}/{}", kWeightsUrl, known.file); }

std::string network_options(const KnownWeights& known) {
  return fmt::format("--preset {}{}{}", known.preset, *known.settings != '\0' ? " --set " : "", known.settings);
}
std::string start_line(const KnownWeights& known, const std::string& file) {
  return fmt::format("fovea train --data DIR --out RUN --init-from {} {}", file, network_options(known));
}
std::string detect_line(const KnownWeights& known, const std::string& file) {
  return fmt::format("fovea detect photo.jpg --out FOUND --weights {} {}", file, network_options(known));
}

std::string trained_on(const KnownWeights& known) {
  return known.detector ? fmt::format("{}, AP {:.1f}", known.data, known.accuracy)
                        : fmt::format("{}, top-1 {:.1f} %", known.data, known.accuracy);
}

std::string weights_table() {
  std::string text = fmt::format("{:<25}  {:>5}  {:<25}  {}\n", "name", "MiB", "trained on", "file");
  for (const KnownWeights& known : known_weights())
    text += fmt::format("{:<25}  {:>5.1f}  {:<25}  {}\n", known.name, known.mib, trained_on(known), known.file);
  return text + fmt::format(
                    "\nThe files are at {}/; their names hold the beginning of their SHA-256.\n"
                    "fovea weights list NAME   prints the license, and the line that starts from it\n"
                    "fovea weights get NAME    fetches the file and checks it\n",
                    kWeightsUrl);
}

std::string weights_details(const KnownWeights& known) {
  std::string text = fmt::format(
      "{}\n  network     {}\n  trained on  {}, as torchvision states it\n  file        {}, {:.1f} MiB\n  SHA-256     "
      "{}…\n"
      "  URL         {}\n  license     {}\n  start       {}\n",
      known.name, known.network, trained_on(known), known.file, known.mib, known.hash(), url_of(known), kWeightsLicense,
      start_line(known, known.file));
  if (known.detector) text += fmt::format("  detect      {}\n", detect_line(known, known.file));
  return text;
}

std::string weights_json(const std::vector<const KnownWeights*>& chosen) {
  std::string list;
  for (const KnownWeights* known : chosen) {
    std::vector<std::string> settings;
    std::istringstream words(known->settings);
    for (std::string word; words >> word;) settings.push_back(json_quoted(word));
    list += fmt::format(
        "{}\n  {{\"name\": {}, \"file\": {}, \"url\": {}, \"mib\": {}, \"sha256_begins\": {}, \"network\": {}, "
        "\"data\": {}, \"accuracy\": {}, \"detector\": {}, \"preset\": {}, \"settings\": [{}], \"start\": {}, "
        "\"detect\": {}}}",
        list.empty() ? "" : ",", json_quoted(known->name), json_quoted(known->file), json_quoted(url_of(*known)),
        known->mib, json_quoted(known->hash()), json_quoted(known->network), json_quoted(known->data), known->accuracy,
        known->detector, json_quoted(known->preset), fmt::join(settings, ", "),
        json_quoted(start_line(*known, known->file)),
        known->detector ? json_quoted(detect_line(*known, known->file)) : "null");
  }
  return fmt::format("{{\"license\": {},\n \"weights\": [{}]}}\n", json_quoted(kWeightsLicense), list);
}

void list_weights(const std::vector<std::string>& names, bool json) {
  std::vector<const KnownWeights*> chosen;
  for (const std::string& name : names) chosen.push_back(&find_weights(name));
  if (chosen.empty() && !json) {
    fmt::print("{}", weights_table());
    return;
  }
  if (chosen.empty())
    for (const KnownWeights& known : known_weights()) chosen.push_back(&known);
  if (json) {
    fmt::print("{}", weights_json(chosen));
    return;
  }
  for (const KnownWeights* known : chosen) fmt::print("{}{}", known == chosen[0] ? "" : "\n", weights_details(*known));
}

// All files, then what is wrong with some.
void check_files(const std::vector<std::string>& files) {
  std::vector<std::string> faults;
  for (const std::string& file : files) {
    try {
      fmt::print("{}\n", check_weights(file));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::Data) throw;
      faults.emplace_back(error.what());
    }
  }
  if (files.size() > 1 && !faults.empty())
    throw Error(ErrorKind::Data, fmt::format("{} of {} files are not what they should be:\n  {}", faults.size(),
                                             files.size(), fmt::join(faults, "\n  ")));
  if (!faults.empty()) throw Error(ErrorKind::Data, faults[0]);
}

struct GetOptions {
  std::vector<std::string> names;
  std::string out = ".", mirror = kWeightsUrl;
};

void get_weights(const GetOptions& options) {
  std::vector<const KnownWeights*> chosen;
  for (const std::string& name : options.names) chosen.push_back(&find_weights(name));
  require_weights_address(options.mirror);
  for (const KnownWeights* known : chosen) {
    const FetchedWeights fetched = fetch_weights(*known, options.out, options.mirror);
    const std::string file = printable(fetched.file.native());
    fmt::print("{}: {}; its SHA-256 is right\nstart from it: {}\n", file,
               fetched.was_there ? "is already there" : "fetched", start_line(*known, as_typed(file)));
  }
}

void add_weights_list(CLI::App& weights) {
  auto* command = weights.add_subcommand(
      "list",
      "List published weights to start from: size, what they were trained on, file; of one also the license, "
      "and the line that starts from it");
  const auto names = std::make_shared<std::vector<std::string>>();
  const auto json = std::make_shared<bool>(false);
  command->add_option("names", *names, "Describe these")->type_name("NAME");
  command->add_flag("--json", *json, "Print the same as JSON");
  command->footer("Examples:\n  fovea weights list\n  fovea weights list resnet50");
  command->callback([names, json] { list_weights(*names, *json); });
}

void add_weights_check(CLI::App& weights) {
  auto* command = weights.add_subcommand(
      "check", "Check files of weights by their SHA-256; exit with 3 if one is not what it should be");
  const auto files = std::make_shared<std::vector<std::string>>();
  command->add_option("files", *files, "Downloaded files: known ones, and others whose names end in -XXXXXXXX.pth")
      ->type_name("FILE")
      ->required();
  command->footer("Example:\n  fovea weights check resnet50-0676ba61.pth");
  command->callback([files] { check_files(*files); });
}

void add_weights_get(CLI::App& weights) {
  auto* command = weights.add_subcommand("get", "Fetch published weights over the network, and check them");
  const auto options = std::make_shared<GetOptions>();
  command->add_option("names", options->names, "Names of `fovea weights list`, or of files in it")
      ->type_name("NAME")
      ->required();
  command->add_option("--out", options->out, "Folder for the files (default: the current folder)")->type_name("DIR");
  command
      ->add_option("--mirror", options->mirror,
                   "Where the files are (default: where they are published): https://…, http://… or file:///…")
      ->type_name("URL")
      ->envname("FOVEA_WEIGHTS_URL");
  command->footer("Example:\n  fovea weights get resnet50 --out weights");
  command->callback([options] { get_weights(*options); });
}

}  // namespace

void add_weights(CLI::App& app) {
  auto* command = app.add_subcommand("weights", "List, check or fetch published weights to start from");
  command->require_subcommand(1);
  command->footer(
      "Examples:\n"
      "  fovea weights list\n"
      "  fovea weights get resnet50\n"
      "  fovea weights check resnet50-0676ba61.pth");
  add_weights_list(*command);
  add_weights_check(*command);
  add_weights_get(*command);
}

}  // namespace fovea

// `fovea data convert` and `fovea data split`: the dataset again, in another format or with other splits.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/analysis/stratify.h"
#include "tools/cli/commands.h"
#include "tools/cli/data_folder.h"
#include "tools/data/formats/folder.h"
#include "tools/data/formats/writable_set.h"
#include "tools/report/progress.h"
#include "tools/report/table.h"
#include "tools/text/file.h"
#include "tools/text/stop.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

struct ConvertOptions {
  DataFolder data;
  std::string out;
  std::optional<DatasetFormat> to;
  OnBad bad_images = OnBad::Skip;
  WriteOptions write;
  double val = 0.2;
};

void add_options(CLI::App& command, ConvertOptions& options) {
  add_data_folder(command, options.data);
  command.add_option("out", options.out, "Output folder: new or empty, and outside the dataset")
      ->required()
      ->type_name("DIR");
  std::vector<std::string> names;
  for (const FormatEntry& entry : formats())
    if (entry.writable) names.emplace_back(entry.name);
  command
      .add_option_function<std::string>(
          "--to",
          [&options](const std::string& name) {
            for (const FormatEntry& entry : formats())
              if (name == entry.name) options.to = entry.format;
          },
          "Output format")
      ->check(CLI::IsMember(names));
  command.add_flag("--copy", options.write.copy,
                   "Copy the images (default: hard links where the file system supports them)");
  command.add_flag("--clip", options.write.clip, "Clip boxes to their image (default: keep them as annotated)");
  add_on_bad(command, "--bad-images", options.bad_images,
             "Unreadable images: skip them (fail above 1 %), or fail on the first");
}

std::vector<Dataset> load(const ConvertOptions& options, OpenDataset& data) {
  require_outside(options.out, options.data.path);
  std::vector<Dataset> splits = load_splits(data, options.data);
  print_reports(splits);
  return splits;
}

WritableSet gather_readable(const ConvertOptions& options, std::vector<Dataset> splits) {
  int64_t images = 0;
  for (const Dataset& split : splits) images += images_in(split);
  BadFiles bad_files(images, options.bad_images);
  Progress progress(images, 0, on_stderr("checking image"));
  WritableSet set = gather(std::move(splits), bad_files, [&](int64_t done) { progress.update(done, {}, 1); });
  progress.clear();
  for (const auto& [name, why] : bad_files.reasons()) fmt::print("left out: {}\n", why);
  return set;
}

int64_t images_in(const WritableSet& set) {
  int64_t images = 0;
  for (const WritableSplit& split : set.splits) images += static_cast<int64_t>(split.images.size());
  return images;
}

// What a dataset that was not written to its end has left in its folder, which was new or empty.
void remove_unfinished(const fs::path& out, bool was_there) {
  std::error_code failure;
  std::vector<fs::path> made;
  if (was_there)
    for (fs::directory_iterator entry(out, failure), end; !failure && entry != end; entry.increment(failure))
      made.push_back(entry->path());
  else
    made.push_back(out);
  for (const fs::path& path : made)
    if (std::error_code kept; fs::remove_all(path, kept) == static_cast<std::uintmax_t>(-1)) failure = kept;
  if (failure)
    fmt::print(stderr, "fovea: {}: cannot be removed: {}; remove it before the next try\n", printable(out.native()),
               failure.message());
}

std::vector<std::string> write_whole(const ConvertOptions& options, const WritableSet& set, DatasetFormat format) {
  const bool was_there = is_there(options.out), usable = !was_there || is_empty_folder(options.out);
  const Unbroken until_removed;
  const Interruptible may_end;
  Progress progress(images_in(set), 0, on_stderr("writing image"));
  WriteOptions write = options.write;
  write.progress = [&, done = int64_t{0}]() mutable {
    end_if_requested();
    progress.update(++done, {}, 1);
  };
  try {
    std::vector<std::string> notes = write_dataset(set, format, options.out, write);
    end_if_requested();
    progress.clear();
    return notes;
  } catch (...) {
    progress.clear();
    if (usable) remove_unfinished(options.out, was_there);
    throw;
  }
}

void write(const ConvertOptions& options, const WritableSet& set, DatasetFormat format) {
  for (const std::string& note : write_whole(options, set, format)) fmt::print("{}\n", note);
  for (const WritableSplit& split : set.splits)
    fmt::print("{}: {} images written to {} as {}\n", split.name, split.images.size(), printable(options.out),
               entry_of(format).name);
}

void convert(const ConvertOptions& options) {
  if (!options.to) throw Error(ErrorKind::Usage, "convert needs --to coco, voc, csv or yolo");
  OpenDataset data = open_dataset(options.data.path, options.data.load_options());
  write(options, gather_readable(options, load(options, data)), *options.to);
}

// Images with objects of each class, by split.
std::string class_table(const WritableSet& set) {
  std::vector<std::string> header{"images with"};
  for (const WritableSplit& split : set.splits) header.push_back(split.name);
  Table table(header);
  for (size_t label = 0; label < set.categories.size(); ++label) {
    std::vector<std::string> row{printable(set.categories[label].name)};
    for (const WritableSplit& split : set.splits)
      row.push_back(std::to_string(std::count_if(split.images.begin(), split.images.end(), [&](auto& image) {
        const auto& objects = image.sample.objects;
        return std::any_of(objects.begin(), objects.end(),
                           [&](const Object& o) { return o.label == static_cast<int>(label); });
      })));
    table.add(row);
  }
  return table.text();
}

void split(const ConvertOptions& options) {
  if (!(options.val > 0 && options.val < 1)) throw Error(ErrorKind::Usage, "--val must be between 0 and 1, e.g. 0.2");
  OpenDataset data = open_dataset(options.data.path, options.data.load_options());
  const auto format = options.to ? options.to : std::optional(data.format);
  if (!entry_of(*format).writable)
    throw Error(ErrorKind::Usage, fmt::format("{}: the format {} is read only: add --to coco, voc, csv or yolo",
                                              printable(options.data.path), entry_of(*format).name));
  WritableSet readable = gather_readable(options, load(options, data));
  Progress progress(images_in(readable), 0, on_stderr("reading image"));
  const WritableSet set =
      split_anew(std::move(readable), options.val, [&](int64_t done) { progress.update(done, {}, 1); });
  progress.clear();
  write(options, set, *format);
  fmt::print("{}", class_table(set));
}

}  // namespace

void add_data_convert(CLI::App& data) {
  auto* command = data.add_subcommand("convert", "Write the dataset in another format");
  const auto options = std::make_shared<ConvertOptions>();
  add_options(*command, *options);
  command->footer("Examples:\n  fovea data convert DIR --to coco OUT\n  fovea data convert DIR --to yolo OUT --clip");
  command->callback([options] { convert(*options); });
}

void add_data_split(CLI::App& data) {
  auto* command = data.add_subcommand(
      "split", "Split the dataset into train and val by image content, the same way on every machine");
  const auto options = std::make_shared<ConvertOptions>();
  add_options(*command, *options);
  command->add_option("--val", options->val, "Share of each class's images that goes to val")->capture_default_str();
  command->footer("Example:\n  fovea data split DIR --val 0.2 OUT");
  command->callback([options] { split(*options); });
}

}  // namespace fovea

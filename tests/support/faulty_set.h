// A dataset with a fault, and what the program does with it: training and `data check` alike, and the user's files
// stay as they were.
#pragma once
#include <algorithm>

#include "tests/support/made_set.h"
#include "tests/support/training_folder.h"

namespace fovea::test {

inline std::ptrdiff_t lines_in(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

inline std::string name_of(DatasetFormat format) { return entry_of(format).name; }

struct FaultySet : TrainingFolder {
  explicit FaultySet(const Files& files, const std::string& name = "data") {
    data = folder.path() / name;
    write_files(data, files);
    before = contents(data);
  }

  // After the test itself has changed a file.
  void keep_as_it_is() { before = contents(data); }

  // Both end with code 3; training says so in so many lines, with these words, and leaves no checkpoint.
  void check_refused(const std::vector<std::string>& words, const Arguments& more = {}, std::ptrdiff_t lines = 1) {
    const auto trained = train(more), checked = check(more);
    CAPTURE(trained.out, trained.err, checked.out, checked.err);
    CHECK(trained.exit_code == 3);
    CHECK(checked.exit_code == 3);
    CHECK_THAT(trained.err, Catch::StartsWith("fovea: "));
    CHECK(lines_in(trained.err) == lines);
    for (const std::string& word : words) {
      CHECK_THAT(trained.err, Catch::Contains(word));
      CHECK_THAT(checked.out + checked.err, Catch::Contains(word));
    }
    CHECK_FALSE(fs::exists(run("run") / "last.safetensors"));
    check_unchanged();
  }

  // Both end with code 0, without complaint; training says these words.
  void check_taken(const std::vector<std::string>& words, const Arguments& more = {}) {
    const auto trained = train(more), checked = check(more);
    CAPTURE(trained.out, trained.err, checked.out, checked.err);
    CHECK(trained.exit_code == 0);
    CHECK(checked.exit_code == 0);
    CHECK(trained.err.empty());
    for (const std::string& word : words) CHECK_THAT(trained.out, Catch::Contains(word));
    CHECK_THAT(checked.out, Catch::Contains("training accepts this dataset"));
    CHECK(fs::exists(run("run") / "last.safetensors"));
    said = trained.out;
    check_unchanged();
  }

  // Of the training; `data check` lists the same.
  std::string listed(const char* file) const {
    const std::string text = read_text(run("run") / file);
    CHECK(lines_in(read_text(run("lists") / file)) == lines_in(text));
    CHECK_THAT(text, Catch::StartsWith("# made by Fovea\n"));
    return text.substr(text.find('\n') + 1);
  }

  std::string log() const { return read_text(run("run") / "log.jsonl"); }

  std::string said;  // by the training that was taken last

 private:
  ProcessResult train(const Arguments& more) {
    fs::remove_all(run("run"));
    const Arguments settings{"--device", "cpu", "--set", "train.steps=1", "--set", "train.log_every=1"};
    return run_fovea(arguments("run", joined(settings, more)));
  }

  // With those of training's options that say how to read the dataset.
  ProcessResult check(const Arguments& more) {
    fs::remove_all(run("lists"));
    Arguments all{"data", "check", data.string(), "--preset", "tiny", "--out", run("lists").string()};
    for (size_t i = 0; i + 1 < more.size(); i += 2)
      if (more[i] != "--set") all.insert(all.end(), {more[i], more[i + 1]});
    return run_fovea(all);
  }

  void check_unchanged() const { CHECK((contents(data) == before)); }

  std::map<std::string, std::vector<uint8_t>> before;
};

}  // namespace fovea::test

// What goes on beside a validation: the next images of the training are read and decoded.
#include <sys/inotify.h>
#include <unistd.h>

#include "tests/support/catch.h"
#include "tests/support/training_folder.h"
#include "tools/image/image_file.h"

using namespace fovea;
using namespace fovea::test;

namespace {

// Which files of some folders are opened, in order.
class OpenedFiles {
 public:
  explicit OpenedFiles(const std::vector<fs::path>& folders) {
    REQUIRE(watch_ >= 0);
    for (const fs::path& folder : folders)
      REQUIRE(inotify_add_watch(watch_, folder.c_str(), IN_OPEN | IN_ONLYDIR) >= 0);
  }
  ~OpenedFiles() { close(watch_); }
  OpenedFiles(const OpenedFiles&) = delete;
  OpenedFiles& operator=(const OpenedFiles&) = delete;

  std::vector<std::string> names() const {
    std::vector<std::string> all;
    alignas(inotify_event) char buffer[1 << 14];
    for (ssize_t size = read(watch_, buffer, sizeof buffer); size > 0; size = read(watch_, buffer, sizeof buffer))
      for (ssize_t at = 0; at < size;) {
        const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
        if (event->len > 0) all.emplace_back(event->name);  // else the folder itself
        at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
      }
    return all;
  }

 private:
  int watch_ = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
};

// So many large images of noise (in fact one), which take far longer to decode than a step of the tiny network takes.
void write_images(const fs::path& data, const std::string& split, int count) {
  constexpr int width = 1800, height = 1200;
  const fs::path image_file = data / "noise.png";
  if (!fs::exists(image_file)) {
    Image image{width, height, std::vector<uint8_t>(size_t{3} * width * height)};
    uint32_t state = 1;
    for (uint8_t& value : image.rgb) value = static_cast<uint8_t>((state = state * 1664525 + 1013904223) >> 28);
    fs::create_directories(data);
    write_png(image_file, image);
  }
  std::string images, boxes;
  fs::create_directories(data / split);
  for (int i = 1; i <= count; ++i) {
    const std::string name = fmt::format("{}_{}.png", split, i);
    fs::create_hard_link(image_file, data / split / name);
    const char* comma = i == 1 ? "" : ",";
    images += fmt::format(R"({}{{"id":{},"file_name":"{}","width":{},"height":{}}})", comma, i, name, width, height);
    boxes += fmt::format(R"({}{{"id":{},"image_id":{},"category_id":1,"bbox":[100,100,600,600]}})", comma, i, i);
  }
  write_text(
      data / "annotations" / ("instances_" + split + ".json"),
      fmt::format(R"({{"images":[{}],"annotations":[{}],"categories":[{{"id":1,"name":"cat"}}]}})", images, boxes));
}

}  // namespace

TEST_CASE("training goes on to read and decode its next images while it validates, and drops none of them",
          "[train][loader]") {
  // Two batches may be ahead. When a step takes one, the images of another may be read, which takes its four decodings:
  // far longer than the step, so that most of them fall into the validation behind it. That decodes six times as many,
  // so that the training is ahead by more than a batch before it ends, even with a fifth of the validation's CPU time.
  constexpr int kSteps = 4, kBatch = 4, kValidation = 24;
  const TrainingFolder trainings;
  write_images(trainings.data, "train", kSteps * kBatch);
  write_images(trainings.data, "val", kValidation);
  const OpenedFiles opened({trainings.data / "train", trainings.data / "val"});
  Arguments settings;
  for (const std::string& setting :
       {fmt::format("train.steps={}", kSteps), fmt::format("train.batch={}", kBatch), std::string("train.eval_every=1"),
        std::string("input.prefetch=2"), std::string("input.workers=1"), std::string("input.cache_mb=0"),
        std::string("input.short_side=64"), std::string("input.long_side=96")})
    settings.insert(settings.end(), {"--set", setting});
  const auto trained = run_fovea(trainings.arguments("run", settings));
  CAPTURE(trained.out, trained.err);
  REQUIRE(trained.exit_code == 0);

  int of_training = 0, of_validation = 0, beside = 0;  // beside: between the first and last image of a validation
  int most_ahead = 0;
  std::string order;
  const auto names = opened.names();
  for (size_t i = kSteps * kBatch + kValidation; i < names.size(); ++i) {  // loading has looked at the head of each
    const std::string& name = names[i];
    order += name[0];
    const bool trains = name.starts_with("train_");
    (trains ? of_training : of_validation) += 1;
    if (!trains || of_validation % kValidation == 0) continue;
    ++beside;
    most_ahead = std::max(most_ahead, of_training - (of_validation / kValidation + 1) * kBatch);
  }
  CAPTURE(beside, order);
  CHECK(beside >= 2);
  CHECK(most_ahead > kBatch);  // beyond the batch that will be waited for
  CHECK(most_ahead <= 2 * kBatch);
  CHECK(of_training == kSteps * kBatch);  // what was read ahead was used, not read again
  CHECK(of_validation == kSteps * kValidation);
}

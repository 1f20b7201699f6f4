// Writes a dataset and detections of it, as large as asked for, from a seed: gt.json and dt.json, in COCO's forms.
//
// Half of the detections are near an object of their image, most of these of its class and with a higher score; the
// rest lie anywhere. Objects are of COCO's sizes, 1 % of them (--crowds) crowds; areas are those of masks, less than
// the box.
#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "benchmarks/command_line.h"
#include "kernels/error.h"

namespace {

struct Options {
  int64_t images = 5000;
  int detections = 100, classes = 80, objects = 7, crowds = 1;
  uint64_t seed = 1;
  std::string out;
};

struct Box {
  double x, y, w, h;
  int label;
};

class File {
 public:
  explicit File(const std::filesystem::path& path) : name_(path.string()), file_(std::fopen(path.c_str(), "wb")) {
    if (!file_) throw fovea::Error(fovea::ErrorKind::Runtime, name_ + ": cannot be written");
  }
  template <class... Args>
  void print(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
    if (text_.size() > size_t{1} << 20) flush();
  }
  void close() {
    flush();
    if (std::fclose(file_.release()) != 0) fail();
  }

 private:
  struct Close {
    void operator()(FILE* file) const { std::fclose(file); }
  };
  [[noreturn]] void fail() const {
    throw fovea::Error(fovea::ErrorKind::Runtime, name_ + ": could not be written to its end");
  }
  void flush() {
    if (std::fwrite(text_.data(), 1, text_.size(), file_.get()) != text_.size()) fail();
    text_.clear();
  }
  std::string name_, text_;
  std::unique_ptr<FILE, Close> file_;
};

class Generator {
 public:
  explicit Generator(const Options& options) : options_(options), random_(options.seed) {}

  void write() {
    File truth(std::filesystem::path(options_.out) / "gt.json"), found(std::filesystem::path(options_.out) / "dt.json");
    truth.print("{{\"categories\": [");
    for (int k = 0; k < options_.classes; ++k)
      truth.print("{}{{\"id\": {}, \"name\": \"class {}\"}}", k ? ", " : "", k + 1, k + 1);
    truth.print("],\n\"images\": [");
    for (int64_t i = 1; i <= options_.images; ++i)
      truth.print("{}\n{{\"id\": {}, \"file_name\": \"{:012}.jpg\", \"width\": 640, \"height\": 480}}",
                  i > 1 ? "," : "", i, i);
    truth.print("],\n\"annotations\": [");
    found.print("[");
    for (int64_t i = 1; i <= options_.images; ++i) write_image(truth, found, i);
    truth.print("]}}\n");
    found.print("]\n");
    truth.close();
    found.close();
  }

 private:
  double uniform(double low, double high) {
    return low + (high - low) * static_cast<double>(random_() >> 11) * 0x1p-53;
  }
  int below(int count) { return static_cast<int>(random_() % static_cast<uint64_t>(count)); }

  Box random_box() {
    const double side = 8 * std::pow(50.0, uniform(0, 1)), ratio = std::pow(2.0, uniform(-1, 1));
    const double w = std::min(side * ratio, 640.0), h = std::min(side / ratio, 480.0);
    return {uniform(0, 640 - w), uniform(0, 480 - h), w, h, below(options_.classes)};
  }

  Box near(const Box& box) {
    const double spread = uniform(0, 0.3);
    const auto shifted = [&](double by) { return uniform(-spread, spread) * by; };
    return {box.x + shifted(box.w), box.y + shifted(box.h), box.w + shifted(box.w), box.h + shifted(box.h),
            below(5) ? box.label : below(options_.classes)};
  }

  void write_image(File& truth, File& found, int64_t image) {
    std::vector<Box> objects;
    for (int i = below(2 * options_.objects + 1); i > 0; --i) {
      const Box box = objects.emplace_back(random_box());
      truth.print(
          "{}\n{{\"id\": {}, \"image_id\": {}, \"category_id\": {}, \"bbox\": [{:.2f}, {:.2f}, {:.2f}, {:.2f}], ",
          annotations_ ? "," : "", annotations_ + 1, image, box.label + 1, box.x, box.y, box.w, box.h);
      truth.print("\"area\": {:.3f}, \"iscrowd\": {}}}", box.w * box.h * uniform(0.5, 1),
                  below(100) < options_.crowds ? 1 : 0);
      ++annotations_;
    }
    for (int i = 0; i < options_.detections; ++i) {
      const bool close = !objects.empty() && below(2);
      const Box box =
          close ? near(objects[static_cast<size_t>(below(static_cast<int>(objects.size())))]) : random_box();
      found.print(
          "{}{{\"image_id\": {}, \"category_id\": {}, \"bbox\": [{:.3f}, {:.3f}, {:.3f}, {:.3f}], \"score\": {:.6f}}}",
          first_ ? "" : ", ", image, box.label + 1, box.x, box.y, box.w, box.h, uniform(0, close ? 1 : 0.6));
      first_ = false;
    }
  }

  Options options_;
  std::mt19937_64 random_;
  int64_t annotations_ = 0;
  bool first_ = true;
};

}  // namespace

int main(int argc, char** argv) {
  using fovea::bench::Option;
  Options options;
  const std::vector<Option> command_line{
      {"--images", &options.images, "of the set", Option::Positive},
      {"--detections", &options.detections, "of each image", Option::NotNegative},
      {"--classes", &options.classes, "of the set", Option::Positive},
      {"--objects", &options.objects, "of each image, in the mean", Option::NotNegative},
      {"--crowds", &options.crowds, "of a hundred objects, in the mean", Option::NotNegative},
      {"--seed", &options.seed, "of what is drawn"},
      {"--out", &options.out, "folder, which is made", Option::Required}};
  return fovea::bench::command(argc, argv, "Writes gt.json and dt.json for benchmarks of the evaluation", command_line,
                               [&] {
                                 std::filesystem::create_directories(options.out);
                                 Generator(options).write();
                               });
}

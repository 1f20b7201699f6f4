#include "tools/data/loading/loader.h"

#include <set>

#include "kernels/error.h"
#include "tests/support/catch.h"
#include "tests/support/process.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/test_data.h"
#include "tests/support/training_data.h"
#include "tools/data/loading/augment.h"
#include "tools/data/loading/batch.h"

using namespace fovea;

namespace {

const AugmentConfig kEverything{.vertical_flip = 0.5,
                                .crop = 0.7,
                                .smallest_crop = 0.3,
                                .photometric = 1,
                                .rotation = 10,
                                .mosaic = 0.4,
                                .mixup = 0.3};

// A dataset of these files, each named so many times, with a box in the middle half.
struct Repeated {
  const char* file;
  int width, height, times;
};
Dataset data_of(const std::vector<Repeated>& files) {
  Dataset data{.split = "train", .image_root = test::test_data("hard_cases"), .categories = {{1, "card"}}};
  for (const Repeated& file : files)
    for (int i = 0; i < file.times; ++i) {
      const auto w = static_cast<float>(file.width), h = static_cast<float>(file.height);
      const auto id = static_cast<int64_t>(data.samples.size()) + 1;
      data.samples.push_back({id,
                              file.file,
                              file.width,
                              file.height,
                              {Object{.x1 = w / 4, .y1 = h / 4, .x2 = 3 * w / 4, .y2 = 3 * h / 4, .label = 0}}});
    }
  return data;
}
Dataset photographs() {
  return data_of({{"baseline_rgb.jpg", 378, 504, 5},
                  {"panorama_4000x40.jpg", 4000, 40, 4},
                  {"tall_40x4000.jpg", 40, 4000, 3},
                  {"exif_orientation6.jpg", 378, 504, 3},
                  {"alpha_rgba.png", 189, 252, 3},
                  {"one_pixel.png", 1, 1, 1}});
}

struct Seen {  // all that a training step can see of an image
  int64_t id;
  std::vector<uint8_t> rgb;
  int width, height, divisor;
  Size2d size, slot;
  bool flip;
  std::vector<std::array<float, 4>> boxes;
  bool operator==(const Seen&) const = default;
};
Seen seen(const LoadedImage& image) {
  Seen out{image.sample->id,    image.image->rgb, image.image->width,
           image.image->height, image.divisor,    image.size,
           image.slot,          image.flip,       {}};
  for (const Object& o : image.objects) out.boxes.push_back({o.x1, o.y1, o.x2, o.y2});
  return out;
}
std::vector<Seen> load(const Dataset& data, const InputConfig& input, const LoaderOptions& options, int batches) {
  BadFiles bad_files(1000);
  Loader loader(data, input, options, bad_files);
  std::vector<Seen> all;
  for (int i = 0; i < batches; ++i)
    for (const LoadedImage& image : loader.next()) all.push_back(seen(image));
  return all;
}

}  // namespace

TEST_CASE("loader: order and augmentation are the same for any number of threads, cache and prefetch",
          "[loader][determinism]") {
  const Dataset data = photographs();
  InputConfig input{.short_side = {48, 64}, .long_side = 96, .workers = 1, .prefetch = 1, .cache_mb = 0};
  input.augment = kEverything;
  input.shape_buckets = GENERATE(0, 3);
  const LoaderOptions options{.batch = 4, .seed = 3, .batches = 10};
  const auto expected = load(data, input, options, 10);
  REQUIRE(expected.size() == 40);
  for (const auto& [workers, prefetch, prefetch_mb, cache_mb] :
       {std::array{2, 4, 100, 0}, {5, 3, 100, 100}, {3, 8, 0, 1}}) {
    input.workers = workers;
    input.prefetch = prefetch;
    input.prefetch_mb = prefetch_mb;
    input.cache_mb = cache_mb;
    CHECK((load(data, input, options, 10) == expected));
  }
  LoaderOptions later = options;
  later.first_batch = 6;  // as a resumed run
  const auto rest = load(data, input, later, 4);
  CHECK((rest == std::vector<Seen>(expected.begin() + 24, expected.end())));
  LoaderOptions other = options;
  other.seed = 4;
  CHECK_FALSE((load(data, input, other, 10) == expected));
}

namespace {

// Whether images of so many bytes come to lie ahead of their use within a minute.
bool come_ahead(Loader& loader, size_t bytes) {
  const auto start = std::chrono::steady_clock::now();
  while (loader.memory().ahead < bytes && std::chrono::steady_clock::now() - start < std::chrono::minutes(1))
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return loader.memory().ahead >= bytes;
}

}  // namespace

TEST_CASE("loader: images ahead of their use stay within the limit, but for the batch that is waited for", "[loader]") {
  const Dataset data = data_of({{"baseline_rgb.jpg", 378, 504, 40}});
  const size_t image = size_t{3} * 378 * 504;
  BadFiles bad_files(1000);
  // `images` ahead, which is as far as threads may run, before each batch is taken; what lay ahead at most.
  const auto most = [&](int prefetch_mb, int cache_mb, int batch, int images) {
    InputConfig input{.short_side = {400}, .workers = 3, .prefetch = 100};
    input.prefetch_mb = prefetch_mb;
    input.cache_mb = cache_mb;
    Loader loader(data, input, {.batch = batch, .batches = 12}, bad_files);
    for (int i = 0; i < 12; ++i) {
      REQUIRE(come_ahead(loader, static_cast<size_t>(std::min(images, (12 - i) * batch)) * image));
      CHECK(loader.next().size() == static_cast<size_t>(batch));
    }
    const LoaderMemory memory = loader.memory();
    CHECK(memory.ahead == 0);
    CHECK(memory.cached <= size_t(cache_mb) << 20);
    CHECK(memory.cached + image > std::min(size_t(cache_mb) << 20, 40 * image));
    return memory.most_ahead;
  };
  CHECK(most(0, 0, 2, 2) == 2 * image);
  CHECK(most(2, 0, 1, 3) == 3 * image);  // of 558 KiB each
  CHECK(most(2, 4, 6, 6) == 6 * image);
}

namespace {

double luma(const Image& image, int x, int y) {
  const uint8_t* pixel = &image.rgb[3 * (static_cast<size_t>(y) * image.width + x)];
  return 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2];
}
bool clamped(const Image& image, int x, int y) {
  const uint8_t* pixel = &image.rgb[3 * (static_cast<size_t>(y) * image.width + x)];
  return std::any_of(pixel, pixel + 3, [](uint8_t value) { return value == 0 || value == 255; });
}

// A JPEG decoded to a `divisor`-th holds the means of blocks: libjpeg's small transforms leave out the frequencies
// whose mean over a block is 0. That holds for brightness; color is stored coarser, and smoothed where it is decoded
// in full. In either image brightness is rounded once (0.5, the transform's own error included 0.6) and red, green and
// blue once each after that (0.5): 1.1 each, so the two are up to 2.2 apart, where nothing was cut off at 0 or 255.
void check_means_of_blocks(const Image& full, const Image& small, int divisor) {
  int compared = 0, blocks = 0;
  double worst = 0;
  for (int y = 0; y < full.height / divisor; ++y)
    for (int x = 0; x < full.width / divisor; ++x, ++blocks) {
      double mean = 0;
      bool cut = clamped(small, x, y);
      for (int i = 0; i < divisor * divisor; ++i) {
        const int column = x * divisor + i % divisor, row = y * divisor + i / divisor;
        mean += luma(full, column, row) / (divisor * divisor);
        cut = cut || clamped(full, column, row);
      }
      if (cut) continue;
      ++compared;
      worst = std::max(worst, std::abs(luma(small, x, y) - mean));
    }
  CAPTURE(compared, blocks, worst);
  CHECK(worst <= 2.2);
  CHECK(compared * 2 > blocks);
}

}  // namespace

TEST_CASE("loader: an image gets the size that torchvision gives it", "[loader]") {
  struct Case {
    Size2d image;
    int short_side, long_side;
    Size2d size;
  };
  for (const Case& of : std::vector<Case>{{{504, 378}, 128, 192, {170, 128}},
                                          {{427, 640}, 128, 192, {128, 191}},
                                          {{375, 500}, 128, 192, {128, 170}},
                                          {{607, 220}, 128, 192, {191, 69}},
                                          {{375, 500}, 800, 1333, {800, 1066}},
                                          {{333, 500}, 600, 1000, {600, 900}},
                                          {{1080, 1920}, 608, 1333, {608, 1080}},
                                          {{1, 4000}, 800, 1333, {1, 1333}}}) {  // torchvision fails: no height is left
    CAPTURE(of.image.height, of.image.width);
    CHECK(resized(of.image, of.short_side, of.long_side) == of.size);
  }
}

TEST_CASE("loader: a JPEG much larger than needed is decoded smaller, and its boxes come to the same place",
          "[loader]") {
  const Dataset data = data_of({{"baseline_rgb.jpg", 378, 504, 1}});
  InputConfig input{.short_side = {90}, .long_side = 400, .flip = 0, .workers = 1};
  BadFiles bad_files(1000);
  Context context;
  std::vector<Image> decoded;
  const auto staged = [&](bool scaling) {
    input.jpeg_scaling = scaling;
    Loader loader(data, input, {.batch = 1, .batches = 1}, bad_files);
    const auto loaded = loader.next();
    CHECK(loaded[0].divisor == (scaling ? 4 : 1));
    CHECK(loaded[0].image->width == (scaling ? 95 : 378));
    CHECK(loaded[0].size == resized({504, 378}, 90, 400));
    decoded.push_back(*loaded[0].image);
    return stage(context, loaded, input);
  };
  const DeviceBatch full = staged(false), small = staged(true);
  const auto boxes = full.truth.boxes.to_host<float>(), scaled = small.truth.boxes.to_host<float>();
  const auto sizes = full.image_sizes.to_host<float>(), factors = full.image_scale.to_host<float>(),
             scaled_factors = small.image_scale.to_host<float>();
  CHECK(sizes == small.image_sizes.to_host<float>());
  // 378 pixels are 94.5 of four; the decoded 95 reach half a pixel beyond, so that everything lies up to 0.5/95 of the
  // width nearer to the left.
  for (size_t i = 0; i < 4; ++i) {
    CHECK(std::abs(boxes[i] - scaled[i]) <= boxes[i] * 0.5f / 95);
    // Back in the file's pixels the box is where it was annotated.
    const float annotated[] = {378 / 4.f, 504 / 4.f, 3 * 378 / 4.f, 3 * 504 / 4.f};
    CHECK(std::abs(boxes[i] * factors[1 - i % 2] - annotated[i]) < 1e-3f);
    CHECK(std::abs(scaled[i] * scaled_factors[1 - i % 2] - annotated[i]) < 1e-3f);
  }
  CHECK(full.images.shape() == small.images.shape());
  check_means_of_blocks(decoded[0], decoded[1], 4);
}

TEST_CASE("loader: a JPEG that is not decoded smaller gives the network the same pixels", "[loader]") {
  const Dataset data = data_of({{"baseline_rgb.jpg", 378, 504, 1}});
  InputConfig input{.short_side = {300}, .long_side = 400, .flip = 0, .workers = 1};
  BadFiles bad_files(1000);
  Context context;
  const auto pixels = [&](bool scaling) {
    input.jpeg_scaling = scaling;
    Loader loader(data, input, {.batch = 1, .batches = 1}, bad_files);
    const auto loaded = loader.next();
    CHECK(loaded[0].divisor == 1);
    return stage(context, loaded, input).images.to_host<float>();
  };
  const auto plain = pixels(false);
  CHECK(std::any_of(plain.begin(), plain.end(), [](float value) { return value != 0; }));
  CHECK((pixels(true) == plain));
}

TEST_CASE("loader: a JPEG is decoded smaller only where the largest size, and the smallest crop, leave enough of it",
          "[loader]") {
  InputConfig input{.short_side = {100, 200, 150}, .long_side = 1000};
  CHECK(jpeg_divisor({390, 400}, input) == 1);
  CHECK(jpeg_divisor({400, 400}, input) == 2);
  CHECK(jpeg_divisor({799, 3000}, input) == 2);
  CHECK(jpeg_divisor({800, 3000}, input) == 4);
  CHECK(jpeg_divisor({1600, 1600}, input) == 8);
  CHECK(jpeg_divisor({100000, 100}, input) == 8);  // 1000 × 1 is needed
  input.augment.crop = 0.1;
  input.augment.smallest_crop = 0.25;
  CHECK(jpeg_divisor({1590, 1590}, input) == 1);
  CHECK(jpeg_divisor({1600, 1600}, input) == 2);
  input.jpeg_scaling = false;
  CHECK(jpeg_divisor({16000, 16000}, input) == 1);
}

TEST_CASE("loader: shape buckets give few shapes, every image once an epoch, for any number of ranks",
          "[loader][rank]") {
  const Dataset data = data_of({{"baseline_rgb.jpg", 378, 504, 41},
                                {"panorama_4000x40.jpg", 4000, 40, 17},
                                {"tall_40x4000.jpg", 40, 4000, 9},
                                {"alpha_rgba.png", 189, 252, 5}});
  InputConfig input{.short_side = {48, 64}, .long_side = 96, .pad_to = 16, .workers = 2};
  input.shape_buckets = 3;
  input.augment.crop = GENERATE(0.0, 0.5);
  const int batch = 8, epochs = 4, samples = 72, batches = samples * epochs / batch;
  const auto all = load(data, input, {.batch = batch, .seed = 5, .batches = batches}, batches);
  REQUIRE(all.size() == static_cast<size_t>(samples * epochs));
  for (int epoch = 0; epoch < epochs; ++epoch) {
    std::set<int64_t> ids;
    for (int i = 0; i < samples; ++i) ids.insert(all[epoch * samples + i].id);
    CHECK(ids.size() == static_cast<size_t>(samples));
  }
  std::set<std::pair<int, int>> shapes;
  int pure = 0;
  for (int b = 0; b < batches; ++b) {
    const Seen* images = &all[b * batch];
    std::set<int> ratios;
    for (int i = 0; i < batch; ++i) {
      CHECK(images[i].slot == images[0].slot);
      CHECK((images[i].size.height <= images[i].slot.height && images[i].size.width <= images[i].slot.width));
      const Sample& s = data.samples[images[i].id - 1];
      ratios.insert(s.width / s.height - s.height / s.width);
    }
    shapes.emplace(images[0].slot.height, images[0].slot.width);
    pure += ratios.size() == 1;
  }
  CHECK(pure * 10 >= batches * 7);
  CHECK(shapes.size() <= 2 * (3 + 3));  // of each scale the three buckets', and of two or all of them together
  for (const int ranks : {2, 4}) {
    std::vector<std::vector<Seen>> parts;
    for (int rank = 0; rank < ranks; ++rank)
      parts.push_back(
          load(data, input, {.batch = batch / ranks, .share = {rank, ranks}, .seed = 5, .batches = batches}, batches));
    std::vector<Seen> joined;
    const size_t own = batch / ranks;
    for (size_t b = 0; b < static_cast<size_t>(batches); ++b)
      for (const auto& part : parts) joined.insert(joined.end(), part.begin() + b * own, part.begin() + (b + 1) * own);
    CHECK((joined == all));
  }
}

TEST_CASE("fault: damaged images are used as far as they go where that is asked for, and listed", "[loader][fault]") {
  const Dataset data =
      data_of({{"baseline_rgb.jpg", 378, 504, 3}, {"truncated_60pct.jpg", 378, 504, 1}, {"zero_byte.jpg", 9, 9, 1}});
  const InputConfig input{.short_side = {400}, .workers = 2};
  const test::TemporaryFolder folder;
  BadFiles kept(1000, OnBad::Keep), skipped(1000);
  const auto count = [&](BadFiles& bad_files) {
    Loader loader(data, input, {.batch = 5, .training = false}, bad_files);
    return loader.next().size();
  };
  CHECK(count(kept) == 4);
  CHECK(kept.count() == 1);
  CHECK(kept.kept().count("truncated_60pct.jpg") == 1);
  kept.write(folder.path() / "bad_images.txt");
  CHECK_THAT(test::read_text(folder.path() / "bad_images.txt"),
             Catch::Contains("zero_byte.jpg\t") && Catch::Contains("truncated_60pct.jpg\tpartly used: "));
  CHECK(count(skipped) == 3);
  CHECK(skipped.count() == 2);
  CHECK(skipped.kept().empty());
}

TEST_CASE("loader: a sample is shown as training would see it", "[loader]") {
  const Dataset data = photographs();
  InputConfig input{.short_side = {64}, .long_side = 96, .flip = 0.5, .workers = 1};
  input.augment = kEverything;
  BadFiles bad_files(1000);
  ImageSource pictures(data, input, bad_files, 0);
  const int count = static_cast<int>(data.samples.size());
  const auto loaded = load(data, input, {.batch = count, .seed = 8, .batches = 1}, 1);
  int flipped = 0;
  for (const Seen& image : loaded) {
    const LabeledImage shown = augmented_sample(pictures, input, 8, 0, static_cast<uint32_t>(image.id - 1));
    flipped += image.flip;
    if (image.flip)
      CHECK(flipped_horizontally(shown).image->rgb == image.rgb);
    else
      CHECK(shown.image->rgb == image.rgb);
    CHECK(shown.objects.size() == image.boxes.size());
  }
  CHECK((flipped > 0 && flipped < count));
}

TEST_CASE("loader: fovea data show --augment draws images as training sees them", "[loader]") {
  const test::TemporaryFolder folder;
  const auto out = folder.path() / "pictures";
  const auto shown = [&](const std::string& setting) {
    const auto result = test::run_fovea({"data", "show", test::kCells.string(), "--count", "2", "--augment", "2",
                                         "--set", setting, "--set", "input.flip=0", "--out", out.string()});
    CAPTURE(result.out, result.err);
    CHECK(result.exit_code == 0);
    CHECK_THAT(result.out, Catch::Contains("written: 4 pictures and contact_sheet.png"));
    std::vector<std::vector<uint8_t>> pictures;
    std::vector<std::filesystem::path> names;
    for (const auto& entry : std::filesystem::directory_iterator(out)) names.push_back(entry.path());
    std::sort(names.begin(), names.end());
    REQUIRE(names.size() == 5);  // the sheet, and of each image its epochs 0 and 1
    for (const auto& name : names) pictures.push_back(read_image(name).rgb);
    return pictures;
  };
  const auto plain = shown("input.augment.rotation=0"), turned = shown("input.augment.rotation=10");
  size_t same = 0, changed = 0;
  for (size_t i = 0; i + 1 < plain.size(); ++i) {
    same += plain[i] == plain[i + 1];
    changed += plain[i] != turned[i];
  }
  CHECK(same == 2);  // without augmentation an image's epochs are alike
  CHECK(changed >= 4);
}

// The C API on a GPU: pixels in its memory, and which device is taken.
#include <cuda_runtime_api.h>

#include "tests/api/scene.h"
#include "tests/standin/standin.h"
#include "tests/support/scoped.h"

using namespace fovea;
using namespace fovea::test;
using Catch::StartsWith;

namespace {

fovea_model_options on_gpu(const ApiScene& scene) {
  fovea_model_options options = scene.options();
  options.device = FOVEA_DEVICE_CUDA;
  return options;
}

// An image in the device's memory, with rows that have a gap, as BGRA; written by a stream of its own.
struct ImageOnGpu {
  explicit ImageOnGpu(const Image& image) : row(4 * static_cast<size_t>(image.width) + 12) {
    bytes.assign(row * static_cast<size_t>(image.height), 7);
    for (size_t y = 0; y < static_cast<size_t>(image.height); ++y)
      for (size_t x = 0; x < static_cast<size_t>(image.width); ++x)
        for (size_t c = 0; c < 3; ++c)
          bytes[y * row + 4 * x + 2 - c] = image.rgb[3 * (y * static_cast<size_t>(image.width) + x) + c];
    REQUIRE(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess);
    REQUIRE(cudaMalloc(&memory, bytes.size()) == cudaSuccess);
    REQUIRE(cudaHostAlloc(&staged, bytes.size(), cudaHostAllocDefault) == cudaSuccess);
    std::copy(bytes.begin(), bytes.end(), static_cast<uint8_t*>(staged));
    pixels = in_c(image);
    pixels.data = static_cast<const uint8_t*>(memory);
    pixels.row_stride = static_cast<int64_t>(row);
    pixels.format = FOVEA_PIXELS_BGRA;
    pixels.memory = FOVEA_MEMORY_CUDA;
    pixels.stream = stream;
  }
  ~ImageOnGpu() {
    cudaStreamSynchronize(stream);
    cudaFree(memory);
    cudaFreeHost(staged);
    cudaStreamDestroy(stream);
  }
  ImageOnGpu(const ImageOnGpu&) = delete;
  ImageOnGpu& operator=(const ImageOnGpu&) = delete;

  void write() const {
    REQUIRE(cudaMemcpyAsync(memory, staged, bytes.size(), cudaMemcpyDefault, stream) == cudaSuccess);
  }

  size_t row;
  std::vector<uint8_t> bytes;
  cudaStream_t stream = nullptr;
  void *memory = nullptr, *staged = nullptr;
  fovea_pixels pixels{};
};

}  // namespace

TEST_CASE("standin: pixels in a GPU's memory are read there, after the stream that writes them", "[standin][api]") {
  ApiScene scene;
  constexpr size_t kImages = 5;
  const ModelHandle model = scene.load(on_gpu(scene));
  const ResultHandle from_host = ApiScene::detect(model, scene.pixels(kImages));
  REQUIRE(boxes_of(from_host, 0).size() > 10);
  const Scoped order(standin::set_adverse_order,
                     true);  // what does not wait for the stream finds what was there before
  std::vector<std::unique_ptr<ImageOnGpu>> images;
  std::vector<fovea_pixels> pixels = scene.pixels(kImages);
  for (const size_t n : {0, 2, 3}) {  // the others come from the host, in the same batches
    images.push_back(std::make_unique<ImageOnGpu>(scene.image(n)));
    pixels[n] = images.back()->pixels;
  }
  for (int call = 0; call < 3; ++call) {  // as it is, recorded, replayed
    for (const auto& image : images) image->write();
    const ResultHandle result = ApiScene::detect(model, pixels);
    for (size_t n = 0; n < kImages; ++n) CHECK(same(boxes_of(result, n), boxes_of(from_host, n)));
  }
}

TEST_CASE("standin: pixels that are on the GPU alone are copied nowhere", "[standin][api]") {
  ApiScene scene;
  const ModelHandle model = scene.load(on_gpu(scene));
  const ImageOnGpu image(scene.image(0));
  image.write();
  for (int call = 0; call < 3; ++call) ApiScene::detect(model, {image.pixels});
  standin::reset_report();
  ApiScene::detect(model, {image.pixels});
  CHECK(standin::report().calls.at("cudaMemcpyAsync") == 2);  // sizes, results
}

TEST_CASE("standin: pixels that are not in the memory of the model's GPU are refused", "[standin][api][fault]") {
  ApiScene scene;
  const ModelHandle model = scene.load(on_gpu(scene));
  fovea_pixels pixels = scene.pixels(1)[0];
  pixels.memory = FOVEA_MEMORY_CUDA;
  fovea_result* made = nullptr;
  CHECK(fovea_detect_pixels(model.get(), &pixels, 1, nullptr, &made) == FOVEA_ERROR_USAGE);
  CHECK_THAT(last_error(), StartsWith("images[0].data is not in the memory of GPU 0"));
  CHECK(made == nullptr);
}

TEST_CASE("standin: a GPU that nobody asked for is used where it has passed its check, and the log says how that went",
          "[standin][api]") {
  ApiScene scene;
  fovea_model_options options = scene.options();
  options.device = FOVEA_DEVICE_AUTO;
  std::string lines;
  options.log = [](int32_t, const char* message, void* user) { *static_cast<std::string*>(user) += message; };
  options.log_user = &lines;
  setenv("XDG_CACHE_HOME", scene.folder.path().c_str(), 1);
  const ModelHandle model = scene.load(options);
  unsetenv("XDG_CACHE_HOME");
  fovea_model_info info;
  fovea_model_info_init(&info);
  require_ok(fovea_model_get_info(model.get(), &info));
  CAPTURE(lines);
  // By the program of this build, which is linked to the real runtime: without a GPU it fails.
  REQUIRE_THAT(lines, StartsWith("checking the GPU once: "));
  const bool passed = lines.find(" passed in ") != std::string::npos;
  CHECK(info.device == (passed ? FOVEA_DEVICE_CUDA : FOVEA_DEVICE_CPU));
  CHECK((lines.find("using the CPU") != std::string::npos) == !passed);
}

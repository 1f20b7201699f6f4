// Many threads with one model, many models, and what the C API leaves of a caller's thread as it was.
#include <omp.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "tests/api/scene.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;

TEST_CASE("api: eight threads with one model find what one finds, bit for bit", "[api][threads]") {
  constexpr size_t kThreads = 8, kImages = 7;
  constexpr int kCalls = 6;
  ApiScene scene;
  const auto expected = scene.expected(kImages);
  const auto pixels = scene.pixels(kImages);
  const ModelHandle model = scene.load();
  std::atomic<int> wrong = 0, right = 0;
  std::vector<std::thread> threads;
  for (size_t thread = 0; thread < kThreads; ++thread)
    threads.emplace_back([&, thread] {  // Catch's assertions are for one thread
      for (int call = 0; call < kCalls; ++call) {
        // Each other images, of other sizes, and in calls of other lengths.
        const size_t first = (thread + static_cast<size_t>(call)) % kImages;
        const size_t count = std::min<size_t>(1 + thread % 3, kImages - first);
        fovea_result* made = nullptr;
        if (fovea_detect_pixels(model.get(), &pixels[first], count, nullptr, &made) != FOVEA_OK) {
          ++wrong;
          continue;
        }
        const ResultHandle result(made);
        for (size_t n = 0; n < count; ++n) {
          fovea_image_result found;
          fovea_image_result_init(&found);
          const bool ok = fovea_result_get_image(made, n, &found) == FOVEA_OK &&
                          same({found.detections, found.detections + found.count}, expected[first + n]);
          ++(ok ? right : wrong);
        }
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(right > static_cast<int>(kThreads) * kCalls);
}

TEST_CASE("api: each thread has the message of its own last error", "[api][threads]") {
  ApiScene scene;
  const ModelHandle model = scene.load();
  CHECK(fovea_model_get_class(model.get(), 1000, nullptr, nullptr) == FOVEA_ERROR_USAGE);
  std::string before, after;
  std::thread([&] {
    before = last_error();
    const fovea_status status = fovea_model_get_class(model.get(), 2000, nullptr, nullptr);
    after = status == FOVEA_ERROR_USAGE ? last_error() : "";
  }).join();
  CHECK(before.empty());
  CHECK_THAT(after, Contains("2000"));
  CHECK_THAT(last_error(), Contains("1000"));
}

TEST_CASE("api: models are made, used beside each other and freed, over and over", "[api][threads]") {
  ApiScene scene;
  const auto expected = scene.expected(2);
  for (int round = 0; round < 5; ++round) {
    const ModelHandle a = scene.load(), b = scene.load(), unused = scene.load();
    const ResultHandle of_a = ApiScene::detect(a, scene.pixels(2)), of_b = ApiScene::detect(b, scene.pixels(2));
    for (size_t n = 0; n < 2; ++n) {
      CHECK(same(boxes_of(of_a, n), expected[n]));
      CHECK(same(boxes_of(of_b, n), expected[n]));
    }
  }
}

TEST_CASE("api: a model's number of threads is its own", "[api][threads]") {
  ApiScene scene;
  const int before = omp_get_max_threads();
  fovea_model_options options = scene.options();
  options.threads = before + 1;
  const ModelHandle model = scene.load(options);
  ApiScene::detect(model, scene.pixels(1));
  CHECK(omp_get_max_threads() == before);
  fovea_model_info info;
  fovea_model_info_init(&info);
  require_ok(fovea_model_get_info(model.get(), &info));
  CHECK(info.threads == before + 1);
}

TEST_CASE("api: a process made by fork() is told that it cannot use its parent's model, and can free it",
          "[api][fault]") {
  ApiScene scene;
  ModelHandle model = scene.load();
  const auto pixels = scene.pixels(1);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    fovea_result* result = nullptr;
    const bool refused = fovea_detect_pixels(model.get(), pixels.data(), 1, nullptr, &result) == FOVEA_ERROR_USAGE &&
                         last_error().find("fork") != std::string::npos;
    const bool freed = fovea_model_free(model.release()) == FOVEA_OK;
    _exit(refused && freed ? 0 : 1);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(same(boxes_of(ApiScene::detect(model, pixels), 0), scene.expected(1)[0]));
}

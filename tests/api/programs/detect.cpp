// A C++ program that knows nothing but fovea.hpp. Arguments: weights with three classes, an image file.
#include <cstdio>
#include <cstdlib>
#include <fovea/fovea.hpp>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

static_assert(!std::is_copy_constructible_v<fovea::Detector> && std::is_nothrow_move_constructible_v<fovea::Detector>);

// What points into a detector or an evaluation cannot be asked of one that is gone with the statement.
template <class Of>
concept Detects = requires(Of&& of) { std::forward<Of>(of).file("photo.jpg"); };
template <class Of>
concept HasClasses = requires(Of&& of) { std::forward<Of>(of).classes(); };
template <class Of>
concept HasArrays = requires(Of&& of) { std::forward<Of>(of).precision(); };
static_assert(Detects<const fovea::Detector&> && !Detects<fovea::Detector>);
static_assert(HasClasses<const fovea::Detector&> && !HasClasses<fovea::Detector>);
static_assert(HasArrays<const fovea::Evaluation&> && !HasArrays<fovea::Evaluation>);

namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "not so: %s\n", what);
  std::exit(1);
}

// The message of the error that it throws, of this kind.
template <class Body>
std::string refusal(fovea::Status status, const Body& body) {
  try {
    body();
  } catch (const fovea::Error& error) {
    require(error.status() == status, "the error is of the expected kind");
    return error.what();
  }
  require(false, "there is an error");
  return "";
}

// A call's callback ends it, throws through it, or lets it be.
void check_callbacks(const fovea::Detector& detector, const std::vector<fovea::Pixels>& images) {
  std::size_t heard = 0;
  fovea::DetectOptions options;
  options.go_on = [&](std::size_t done, std::size_t of) { return heard = done, of == 2; };
  require(detector(images, options).size() == 2 && heard == 2, "the callback hears of both images");
  options.go_on = [](std::size_t done, std::size_t) { return done < 1; };
  require(refusal(fovea::Status::Interrupted, [&] { detector(images, options); }).find("1 of 2 images done") !=
              std::string::npos,
          "a call that is ended says how far it was");
  options.go_on = [](std::size_t, std::size_t) -> bool { throw std::out_of_range("mine"); };
  bool thrown = false;
  try {
    detector(images, options);
  } catch (const std::out_of_range&) {
    thrown = true;
  }
  require(thrown, "what the callback throws comes out");
}

}  // namespace

int main(int count, char** arguments) {
  require(count == 3, "there are two arguments");
  require(fovea::version() == FOVEA_VERSION, "header and library have one version");
  require(refusal(fovea::Status::Data, [] { fovea::Detector("no such file"); }).find("no such file") == 0,
          "a file that is not there is named");

  std::vector<std::string> log;
  const fovea::ModelOptions options{.device = fovea::Device::Cpu,
                                    .settings = {"convolution=direct", "input.deviation=[0.229, 0.224, 0.225]"},
                                    .log = [&](fovea::LogLevel level, std::string_view line) {
                                      require(level == fovea::LogLevel::Info, "a new name is no warning");
                                      log.emplace_back(line);
                                    }};
  fovea::Detector loaded(arguments[1], options);
  fovea::Detector other(arguments[1], options);
  require(log.size() == 2 && log[0].find("is now called input.std") != std::string::npos, "both say what is renamed");
  other = std::move(loaded);
  const fovea::Detector detector = std::move(other);
  require(detector.info().classes == 3 && detector.classes().size() == 3, "it has three classes");
  require(detector.classes()[2].name == "Platelets" && detector.classes()[2].id == 3, "the last one is Platelets");

  std::size_t found = 0;
  for (const auto& d : detector.file(arguments[2])) {
    require(d.name == detector.classes()[static_cast<std::size_t>(d.label)].name, "a detection has its class's name");
    ++found;
  }
  require(found > 0, "something is found");
  std::ifstream in(arguments[2], std::ios::binary);
  const std::vector<char> text{std::istreambuf_iterator<char>(in), {}};
  const std::vector<std::uint8_t> bytes(text.begin(), text.end());
  require(detector.encoded(bytes).size() == found, "the file's bytes give what the file gives");

  std::vector<std::uint8_t> rgb(std::size_t{3} * 70 * 50);
  for (std::size_t i = 0; i < rgb.size(); ++i) rgb[i] = static_cast<std::uint8_t>(i * i >> 3);
  const fovea::Pixels image{.data = rgb, .width = 70, .height = 50};
  std::size_t objects = 0;
  for (auto& d : detector(image)) objects += d.score > 0 ? 1 : 0;
  require(objects > 0, "something is found in pixels");
  const auto best = detector(image, {.max_detections = 1});
  require(best.size() == 1 && best.width == 70 && best.height == 50, "one detection where one is asked for");
  const std::vector<fovea::Pixels> batch{image, image};
  require(detector(batch).at(1).size() == objects, "a batch gives what its images give");

  fovea::Pixels more = image;
  more.height = 51;
  require(refusal(fovea::Status::Usage, [&] { detector(more); }).starts_with("images[0].data has 10500 bytes"),
          "a view that is too short is refused");
  more.height = -1;
  require(refusal(fovea::Status::Usage, [&] { detector(more); }).starts_with("images[0].height is -1"),
          "a negative height is refused");
  check_callbacks(detector, batch);
  require(refusal(fovea::Status::Usage, [&] { detector.file(std::string("a\0b", 3)); })
              .starts_with("paths[0] has a zero byte"),
          "a path with a zero byte in it is refused");
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread)
    threads.emplace_back([&] { require(detector(image).size() == objects, "each thread finds as many"); });
  for (std::thread& thread : threads) thread.join();
  std::printf("fovea %s: %zu detections\n", fovea_version(), found);
}

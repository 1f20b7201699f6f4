// What `fovea info` says of a network. Its figures are checked where they are computed.
#include <regex>

#include "tests/support/catch.h"
#include "tests/support/process.h"

using namespace fovea;
using namespace fovea::test;

namespace {

// The number that `pattern` catches in a text; 0 where it is not there.
double number_in(const std::string& text, const std::string& pattern) {
  std::smatch found;
  return std::regex_search(text, found, std::regex(pattern)) ? std::stod(found.str(1)) : 0;
}

struct Listed {
  const char *preset, *network;
  int size;
  std::vector<const char*> rows;  // patterns
};
const Listed kListed[] = {{"vgg16",
                           "VGG-16",
                           64,
                           {R"(backbone\.body\.0\.weight +64x64x3 +3x3/1 +64x64x64 +0\.007 )",    // 64²·27·64
                            R"(backbone\.body\.28\.weight +4x4x512 +3x3/1 +4x4x512 +0\.038 )"}},  // 16·9·512²
                          {"inception",
                           "Inception v3",
                           128,
                           {R"(Conv2d_1a_3x3\.conv\.weight +128x128x3 +3x3/2 +63x63x32 +0\.003 )",  // 63²·27·32
                            R"(Mixed_6b\.branch7x7_2\.conv\.weight +6x6x128 +1x7/1 +6x6x128 )",
                            R"(Mixed_7c\.branch3x3_2b\.conv\.weight +2x2x384 +3x1/1 +2x2x384 )"}},
                          {"resnext50",
                           "ResNeXt-50 32x4d",
                           64,
                           {R"(layer1\.0\.conv2\.weight +16x16x128 +3x3/1 in 32 groups +16x16x128 +0\.001 )",
                            R"(layer4\.0\.conv2\.weight +4x4x1024 +3x3/2 in 32 groups +2x2x1024 +0\.001 )"}}};

}  // namespace

TEST_CASE("info lists the layers of each kind of backbone, and their bounds", "[info]") {
  for (const Listed& listed : kListed) {
    CAPTURE(listed.preset);
    const auto result = run_fovea({"info", "--preset", listed.preset, "--size", std::to_string(listed.size), "--layers",
                                   "--roofline", "--device", "cpu"});
    CAPTURE(result.out, result.err);
    CHECK(result.exit_code == 0);
    CHECK(result.out.find(std::string("network: ") + listed.network + ", 80 classes") != std::string::npos);
    for (const char* row : listed.rows) {
      CAPTURE(row);
      CHECK(std::regex_search(result.out, std::regex(row)));
    }
    const double macs = number_in(result.out, R"(: ([0-9.]+) GMAC forward)"),
                 flop = number_in(result.out, R"(detection without its last step: ([0-9.]+) GFLOP)");
    CHECK(macs > 0);
    CHECK(flop == Approx(2 * macs).margin(0.1));                              // printed with two decimals, and with one
    CHECK(number_in(result.out, R"(training: ([0-9.]+) GFLOP)") > 2 * flop);  // frozen are two stages of five
  }
}

TEST_CASE("settings that a kind of backbone has not are refused in one line", "[info][fault]") {
  const std::pair<const char*, const char*> refused[] = {
      {"model.backbone.groups=32", "only kind resnext has groups"},
      {"model.backbone.depth=50", "of kind vgg it is 11, 13, 16, 19"},
      {"model.backbone.kind=vggg", "must be one of resnet, resnext, vgg, inception"},
      {"model.backbone.blocks=3", "unknown setting"}};
  for (const auto& [setting, why] : refused) {
    const auto result = run_fovea({"info", "--config", "--preset", "vgg16", "--set", setting});
    CAPTURE(setting, result.err);
    CHECK(result.exit_code == 2);
    CHECK(result.out.empty());
    CHECK(result.err.find(why) != std::string::npos);
    CHECK(result.err.find('\n') == result.err.size() - 1);
  }
}

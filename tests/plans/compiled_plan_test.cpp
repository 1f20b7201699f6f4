// Plans whose kernels cuDNN compiles when they are built, on a stand-in driver (tests/standin_driver) that accepts
// them: run by CTest with that driver on LD_LIBRARY_PATH.
#include <fmt/format.h>

#include <cstdlib>
#include <fstream>

#include "kernels/conv/cuda/cudnn_runtime.h"
#include "kernels/conv/cuda/plan_file.h"
#include "tests/support/catch.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/variable.h"

using namespace fovea;
using namespace fovea::conv::cuda;
using namespace fovea::cudnn;

namespace {

std::string content(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

const ConvShape k3x3{16, 100, 100, 256, 256, 3, 3, 1, 1, 1}, k3x3Strided{16, 100, 100, 256, 256, 3, 3, 2, 1, 1},
    k1x1{16, 200, 200, 64, 256, 1, 1, 1, 0, 1};

}  // namespace

TEST_CASE("plan: fused gradients compile, to kernels of Ampere's kind, and come back from their bytes",
          "[plans][driver]") {
  const test::TemporaryFolder folder;
  const auto log = folder.path() / "kernels";
  const test::Variable logged("FOVEA_STANDIN_DRIVER_LOG", log.string());
  for (const GraphKey& key : {GraphKey{ConvPass::BackwardData, k3x3, DType::BF16, true, false, false},
                              {ConvPass::BackwardData, k1x1, DType::BF16, true, false, true},
                              {ConvPass::BackwardData, k3x3Strided, DType::BF16, false, false, true}}) {
    CAPTURE(text_of(key));
    std::filesystem::remove(log);
    ConvGraph graph(device(), key);
    REQUIRE(graph.candidates() > 0);
    REQUIRE(graph.build(0));
    CHECK(graph.info().kind == KernelKind::Compiled);
    const std::string kernels = content(log);
    CHECK(kernels.find("convBwdData") != std::string::npos);
    CHECK(kernels.find("sm80") != std::string::npos);
    const auto bytes = graph.serialize();
    fmt::print("{}: {} of {} candidates, {} bytes, {}", text_of(key), graph.info().engine, graph.candidates(),
               bytes.size(), kernels);
    CHECK(ConvGraph::load(device(), key, graph.info(), bytes).has_value());
  }
}

TEST_CASE("plan: a ReLU without a bias would be a compiled kernel, behind one it is Hopper's", "[plans][driver]") {
  ConvGraph graph(device(), {ConvPass::Forward, k3x3, DType::BF16, true, true, true});
  REQUIRE(graph.build(0));
  CHECK(graph.info().kind == KernelKind::Hopper);
  // ReLU without a bias: no kernel of Hopper's, which is why there is always a bias.
  const ConvGraph without(device(), {ConvPass::Forward, k3x3, DType::BF16, false, false, true});
  REQUIRE(without.candidates() > 0);
  CHECK(without.look(0).kind == KernelKind::Compiled);
}

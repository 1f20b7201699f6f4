// Notices go to whoever listens on the thread that has them.
#include "kernels/notice.h"

#include <string>
#include <thread>
#include <vector>

#include "tests/support/catch.h"

using namespace fovea;

namespace {

struct Heard {
  std::vector<std::string> lines;
  NoticeListener listener{[this](NoticeLevel level, const std::string& line) {
    lines.push_back((level == NoticeLevel::Warning ? "warning " : "info ") + line);
  }};
};

}  // namespace

TEST_CASE("a notice goes to the innermost listener of its thread", "[notice]") {
  Heard outer;
  notice("a");
  {
    Heard inner;
    warn("b");
    CHECK(inner.lines == std::vector<std::string>{"warning b"});
    std::vector<std::string> elsewhere;
    std::thread([&] {
      Heard other;
      notice("c");
      elsewhere = other.lines;
    }).join();
    CHECK(elsewhere == std::vector<std::string>{"info c"});
    CHECK(inner.lines.size() == 1);
  }
  OpenNotice open("d ");
  CHECK(outer.lines == std::vector<std::string>{"info a"});
  open.end("e");
  CHECK(outer.lines == std::vector<std::string>{"info a", "info d e"});
}

#include "tools/report/notices.h"

#include <fmt/format.h>

namespace fovea {

void tell_when_recordings_go(Context& context) {
  context.recordings.set_notice([] {
    fmt::print(
        stderr,
        "fovea: the GPU's memory does not suffice for recordings: it goes on without them, slower, with the same "
        "numbers; a smaller batch or input size leaves room for them\n");
  });
}

}  // namespace fovea

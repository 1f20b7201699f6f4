#include "tools/report/notices.h"

#include <fmt/format.h>

namespace fovea {

void tell_when_recordings_go(Context& context) {
  context.recordings.set_notice([] {
    fmt::print(stderr,
               "fovea: GPU memory is too small for recorded steps: continuing without them, slower but with the same "
               "results; a smaller batch or input size makes room for them\n");
  });
}

}  // namespace fovea

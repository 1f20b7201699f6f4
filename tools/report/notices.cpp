#include "tools/report/notices.h"

#include <fmt/format.h>

#include "engine/printable.h"
#include "kernels/notice.h"

namespace fovea {

void tell_when_recordings_go(Context& context) {
  context.recordings.set_notice([] {
    notice(
        "GPU memory is too small for recorded steps: continuing without them, slower but with the same results; a "
        "smaller batch or input size makes room for them");
  });
}

void tell_of_missing_characters(std::u32string_view characters) {
  notice(
      fmt::format("pictures show boxes for characters that no font has: {}; set FOVEA_FONT to a font file (.ttf, .otf, "
                  ".ttc) that has them",
                  printable(encoded(characters.substr(0, 8)))));
}

}  // namespace fovea

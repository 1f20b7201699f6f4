// What people are told once, on stderr.
#pragma once
#include "engine/context.h"

namespace fovea {

// Has it said when recordings were given up for their memory.
void tell_when_recordings_go(Context& context);

}  // namespace fovea

// What people are told once, on stderr.
#pragma once
#include <string_view>

#include "engine/context.h"

namespace fovea {

// Has it said when recordings were given up for their memory.
void tell_when_recordings_go(Context& context);

// Says which characters (the first eight) pictures show as boxes, and what helps.
void tell_of_missing_characters(std::u32string_view characters);

}  // namespace fovea

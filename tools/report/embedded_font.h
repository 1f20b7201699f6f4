// The font that every program with this library has in itself: DejaVu Sans, or what FOVEA_FONT_FILE named at build
// time.
#pragma once
#include <cstdint>
#include <span>

namespace fovea {

std::span<const uint8_t> embedded_font();

}  // namespace fovea

// Which Fovea this is. The build writes the values (cmake/write_version.cmake).
#pragma once

namespace fovea {

extern const char* const kVersion;     // "0.1.0"
extern const char* const kCommit;      // "288e4f412a", "288e4f412a, changed", or "" where nobody knows it
extern const char* const kVersionDay;  // of the commit: "2026-11-28"

}  // namespace fovea

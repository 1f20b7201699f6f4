// The identity of a file's content.
#pragma once
#include <cstdint>
#include <span>
#include <string>

namespace fovea {

// XXH3-128, as 32 hexadecimal digits: the same on every machine.
std::string content_hash(std::span<const uint8_t> bytes);

}  // namespace fovea

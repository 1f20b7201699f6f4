// FNV-1a: hashes of names and small contents, the same on every machine.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fovea {

// Of what `hash` is of, followed by these bytes.
inline uint64_t fnv1a(const void* data, size_t bytes, uint64_t hash = 0xcbf29ce484222325) {
  for (size_t i = 0; i < bytes; ++i) hash = (hash ^ static_cast<const unsigned char*>(data)[i]) * 0x100000001b3;
  return hash;
}

inline uint32_t fnv1a_32(std::string_view text) {
  uint32_t hash = 2166136261u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return hash;
}

}  // namespace fovea

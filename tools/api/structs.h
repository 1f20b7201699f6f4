// Structs of the caller's, who may have been compiled with an older or newer fovea.h.
#pragma once
#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>

#include "tools/api/fovea.h"
#include "tools/api/status.h"

namespace fovea::api {

// Throws where `size` cannot be that of such a struct in any version: from `first`, its size in the first one.
inline size_t checked_size(size_t size, size_t first, const std::string& name, const char* type) {
  constexpr size_t kMost = 4096;  // more than any version will have; what was not initialized is mostly more
  if (size < first || size > kMost) bad_argument(fmt::format("{}.size is {}: set it to sizeof({})", name, size, type));
  return size;
}

// A struct as this version has it: fields that the caller's version lacks are 0. Fields that this one does not know
// must be 0.
template <class Struct>
Struct own_struct(const Struct& given, size_t first, const std::string& name, const char* type) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(&given);
  const size_t size = checked_size(given.size, first, name, type);
  if (std::any_of(bytes + std::min(size, sizeof(Struct)), bytes + size, [](auto byte) { return byte != 0; }))
    throw Refused(FOVEA_ERROR_UNSUPPORTED,
                  fmt::format("{} sets a field that libfovea {} does not know: use a newer one, or leave it 0", name,
                              fovea_version()));
  Struct own{};
  std::memcpy(static_cast<void*>(&own), bytes, std::min(size, sizeof(Struct)));
  own.size = sizeof(Struct);
  return own;
}

// `own` into a struct of the caller's: as much of it as that has; what it has beyond becomes 0.
template <class Struct>
void write_struct(Struct& given, Struct own, size_t first, const std::string& name, const char* type) {
  const size_t size = checked_size(given.size, first, name, type);
  own.size = size;
  auto* bytes = reinterpret_cast<unsigned char*>(&given);
  std::memcpy(bytes, &own, std::min(size, sizeof(Struct)));
  if (size > sizeof(Struct)) std::memset(bytes + sizeof(Struct), 0, size - sizeof(Struct));
}

}  // namespace fovea::api

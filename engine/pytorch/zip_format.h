// Signatures and sizes of the parts of a zip file (APPNOTE.TXT of PKWARE, 4.3).
#pragma once
#include <cstdint>

namespace fovea::pytorch::zip {

inline constexpr uint32_t kLocalHeader = 0x04034b50, kDirectoryEntry = 0x02014b50, kEnd = 0x06054b50,
                          kEnd64 = 0x06064b50, kEnd64Locator = 0x07064b50;
inline constexpr uint64_t kLocalBytes = 30, kEntryBytes = 46, kEndBytes = 22, kEnd64Bytes = 56, kLocatorBytes = 20;
inline constexpr uint32_t kIn64 = 0xffffffff;  // the number is in the entry's ZIP64 field
inline constexpr uint16_t kField64 = 1, kStored = 0;

}  // namespace fovea::pytorch::zip

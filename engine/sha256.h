// SHA-256 (FIPS 180-4), by which files made elsewhere say what is in them. Small and of its own, since no library that
// the program is linked to has it.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace fovea {

// Of bytes that come piece by piece.
class Sha256 {
 public:
  void add(std::span<const std::byte> bytes);
  // Of all bytes so far, in 64 hexadecimal digits. More may be added after it.
  std::string digits() const;

 private:
  void add_block(const std::byte* block);

  std::array<uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::byte, 64> rest_{};  // less than a block: the first size_ % 64 of these
  uint64_t size_ = 0;                 // bytes in all
};

std::string sha256(std::span<const std::byte> bytes);

}  // namespace fovea

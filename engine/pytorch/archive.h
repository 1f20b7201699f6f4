// A zip file as PyTorch writes it since 1.6: entries that are stored, not compressed, so that tensors are used where
// they lie in the mapped file. A library (libzip) reads entries into memory of its own: whole tensors would be copied
// once more, and packages would have to bring one library more for the hundred lines below. The checksum is zlib's,
// which libpng needs in any case.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace fovea::pytorch {

struct ArchiveEntry {
  uint64_t header, size, stored_size;  // bytes; `header`: where the entry's own header begins
  uint32_t checksum;                   // CRC-32
  uint16_t flags, method;
};

class Archive {
 public:
  // Reads the directory at the end of the file, also in the form for files above 4 GiB (ZIP64). `file_name`: printable,
  // for errors. Throws Error(Data) where there is none (a file that was cut off), or one that is damaged.
  Archive(std::string_view file, std::string file_name);

  const std::map<std::string, ArchiveEntry, std::less<>>& entries() const { return entries_; }
  // The bytes of the entry of this name, whose checksum is not yet verified. Throws Error(Data) where there is no such
  // entry, or one that is compressed, encrypted, or outside the file.
  std::span<const std::byte> at(const std::string& name) const;
  // Throws Error(Data) where the entry's bytes are not those that were written. Nothing can be told where PyTorch was
  // told to write no checksums (torch.serialization.set_crc32_options).
  void verify(const std::string& name) const;

 private:
  void read_directory();
  const ArchiveEntry& read_entry(uint64_t& place);

  std::string_view file_;
  std::string file_name_;
  std::map<std::string, ArchiveEntry, std::less<>> entries_;
  bool has_checksums_ = false;
};

}  // namespace fovea::pytorch

// Writes a zip file as PyTorch does (archive.h reads it): entries that are stored, not compressed, in one folder, each
// beginning at a multiple of 64 bytes, so that tensors are used where they lie.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

namespace fovea::pytorch {

class ArchiveWriter {
 public:
  using Bytes = std::span<const std::byte>;

  // Numbers above `widest` are written in 64 bits (ZIP64); it is less than the format's own only in tests.
  explicit ArchiveWriter(uint64_t widest = 0xfffffffe) : widest_(widest) {}

  // `content` is not copied: it must last until the parts are written.
  void add(const std::string& name, Bytes content);
  // As above, keeping the text.
  void add_text(const std::string& name, std::string text);
  // The file, one part behind the other: they last as long as this object does.
  std::vector<Bytes> finish();

 private:
  struct Entry {
    std::string name;
    uint64_t begin, size;
    uint32_t checksum;
  };
  void append(Bytes part);
  bool is_wide(const Entry& entry) const { return entry.size > widest_ || entry.begin > widest_; }
  std::string common_fields(const Entry& entry, const std::string& extra) const;
  std::string local_header(const Entry& entry) const;
  std::string directory_entry(const Entry& entry) const;

  uint64_t widest_, written_ = 0;
  std::vector<Entry> entries_;
  std::deque<std::string> texts_;
  std::vector<Bytes> parts_;
};

}  // namespace fovea::pytorch

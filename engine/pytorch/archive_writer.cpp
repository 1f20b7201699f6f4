#include "engine/pytorch/archive_writer.h"

#include <zlib.h>

#include <cstring>

#include "engine/pytorch/zip_format.h"

namespace fovea::pytorch {
namespace {

constexpr const char* kFolder = "archive/";          // as torch.save() calls it
constexpr uint16_t kVersion = 20, kVersion64 = 45;   // of the format, that a reader needs
constexpr uint16_t kMidnight = 0, kFirstDay = 0x21;  // 1980-01-01: the same content gives the same file
constexpr uint64_t kAlignment = 64;

template <class T>
void put(std::string& text, T number) {
  text.append(reinterpret_cast<const char*>(&number), sizeof(T));
}

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

// The numbers of an entry in 64 bits.
std::string field_64(std::initializer_list<uint64_t> numbers) {
  std::string field;
  put(field, zip::kField64);
  put(field, static_cast<uint16_t>(numbers.size() * sizeof(uint64_t)));
  for (const uint64_t number : numbers) put(field, number);
  return field;
}

uint32_t number_32(uint64_t number, bool wide) { return wide ? zip::kIn64 : static_cast<uint32_t>(number); }

}  // namespace

// What the entry's own header and that in the directory have in common, one field behind the other.
std::string ArchiveWriter::common_fields(const Entry& entry, const std::string& extra) const {
  const bool wide = is_wide(entry);
  std::string fields;
  put(fields, wide ? kVersion64 : kVersion);
  put(fields, uint16_t{0});  // flags
  put(fields, zip::kStored);
  put(fields, kMidnight);
  put(fields, kFirstDay);
  put(fields, entry.checksum);
  for (int stored = 0; stored < 2; ++stored) put(fields, number_32(entry.size, wide));
  put(fields, static_cast<uint16_t>(entry.name.size()));
  put(fields, static_cast<uint16_t>(extra.size()));
  return fields;
}

std::string ArchiveWriter::local_header(const Entry& entry) const {
  std::string extra = is_wide(entry) ? field_64({entry.size, entry.size}) : "";
  // PyTorch's field of its own, "FB", is as long as the alignment needs.
  const uint64_t end = entry.begin + zip::kLocalBytes + entry.name.size() + extra.size() + 4;
  const uint64_t padding = (kAlignment - end % kAlignment) % kAlignment;
  extra += "FB";
  put(extra, static_cast<uint16_t>(padding));
  extra.append(padding, 'Z');
  std::string header;
  put(header, zip::kLocalHeader);
  return header + common_fields(entry, extra) + entry.name + extra;
}

std::string ArchiveWriter::directory_entry(const Entry& entry) const {
  const bool wide = is_wide(entry);
  const std::string extra = wide ? field_64({entry.size, entry.size, entry.begin}) : "";
  std::string header;
  put(header, zip::kDirectoryEntry);
  put(header, wide ? kVersion64 : kVersion);  // of who wrote it
  header += common_fields(entry, extra);
  put(header, uint16_t{0});  // comment
  put(header, uint16_t{0});  // disk
  put(header, uint16_t{0});  // attributes
  put(header, uint32_t{0});
  put(header, number_32(entry.begin, wide));
  return header + entry.name + extra;
}

void ArchiveWriter::append(Bytes part) {
  parts_.push_back(part);
  written_ += part.size();
}

void ArchiveWriter::add(const std::string& name, Bytes content) {
  const auto checksum =
      static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(content.data()), content.size()));
  entries_.push_back({kFolder + name, written_, content.size(), checksum});
  append(bytes_of(texts_.emplace_back(local_header(entries_.back()))));
  append(content);
}

void ArchiveWriter::add_text(const std::string& name, std::string text) {
  add(name, bytes_of(texts_.emplace_back(std::move(text))));
}

std::vector<ArchiveWriter::Bytes> ArchiveWriter::finish() {
  const uint64_t place = written_, count = entries_.size();
  std::string directory;
  for (const Entry& entry : entries_) directory += directory_entry(entry);
  const uint64_t bytes = directory.size(), end = place + bytes;
  constexpr uint64_t kMostEntries = 0xfffe;
  const bool wide = end > widest_ || count > kMostEntries;
  if (wide) {
    put(directory, zip::kEnd64);
    put(directory, zip::kEnd64Bytes - 12);  // of what follows
    for (int made_by = 0; made_by < 2; ++made_by) put(directory, kVersion64);
    for (int disk = 0; disk < 2; ++disk) put(directory, uint32_t{0});
    for (const uint64_t number : {count, count, bytes, place}) put(directory, number);
    put(directory, zip::kEnd64Locator);
    put(directory, uint32_t{0});  // disk
    put(directory, end);
    put(directory, uint32_t{1});  // disks
  }
  put(directory, zip::kEnd);
  for (int disk = 0; disk < 2; ++disk) put(directory, uint16_t{0});
  for (int of_disk = 0; of_disk < 2; ++of_disk) put(directory, wide ? uint16_t{0xffff} : static_cast<uint16_t>(count));
  put(directory, number_32(bytes, wide));
  put(directory, number_32(place, wide));
  put(directory, uint16_t{0});  // comment
  append(bytes_of(texts_.emplace_back(std::move(directory))));
  return parts_;
}

}  // namespace fovea::pytorch

#include "engine/pytorch/archive.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "engine/printable.h"
#include "engine/pytorch/damage.h"
#include "engine/pytorch/zip_format.h"

namespace fovea::pytorch {

using namespace zip;

namespace {

constexpr uint64_t kLongestComment = 0xffff;
constexpr uint16_t kEncrypted = 1;

// The number at `place`, which must be inside.
template <class T>
T number_at(std::string_view file, uint64_t place) {
  T value;
  std::memcpy(&value, file.data() + place, sizeof(T));
  return value;
}

bool has(std::string_view file, uint64_t place, uint64_t bytes) {
  return place <= file.size() && bytes <= file.size() - place;
}

// Where the record that ends the file begins; npos: nowhere.
size_t find_end(std::string_view file) {
  if (file.size() < kEndBytes) return file.npos;
  const uint64_t last = file.size() - kEndBytes, first = last - std::min(last, kLongestComment);
  for (uint64_t place = last + 1; place-- > first;)
    if (number_at<uint32_t>(file, place) == kEnd) return place;
  return file.npos;
}

// Takes the numbers that did not fit into 32 bits from the entry's ZIP64 field.
bool widen(ArchiveEntry& entry, std::string_view extra) {
  while (extra.size() >= 4) {
    const auto kind = number_at<uint16_t>(extra, 0), bytes = number_at<uint16_t>(extra, 2);
    extra.remove_prefix(4);
    if (bytes > extra.size()) return false;
    std::string_view field = extra.substr(0, bytes);
    extra.remove_prefix(bytes);
    if (kind != kField64) continue;
    for (uint64_t* number : {&entry.size, &entry.stored_size, &entry.header}) {
      if (*number != kIn64) continue;
      if (field.size() < 8) return false;
      *number = number_at<uint64_t>(field, 0);
      field.remove_prefix(8);
    }
  }
  return true;
}

}  // namespace

Archive::Archive(std::string_view file, std::string file_name) : file_(file), file_name_(std::move(file_name)) {
  read_directory();
}

void Archive::read_directory() {
  const size_t end = find_end(file_);
  if (end == file_.npos)
    refuse_damaged(file_name_, "the directory at its end is missing; it was cut off: download or copy it again");
  uint64_t count = number_at<uint16_t>(file_, end + 10), bytes = number_at<uint32_t>(file_, end + 12),
           place = number_at<uint32_t>(file_, end + 16);
  if (end >= kLocatorBytes && number_at<uint32_t>(file_, end - kLocatorBytes) == kEnd64Locator) {
    const auto end64 = number_at<uint64_t>(file_, end - kLocatorBytes + 8);
    if (!has(file_, end64, kEnd64Bytes) || number_at<uint32_t>(file_, end64) != kEnd64)
      refuse_damaged(file_name_, "its directory (ZIP64) is damaged");
    count = number_at<uint64_t>(file_, end64 + 32);
    bytes = number_at<uint64_t>(file_, end64 + 40);
    place = number_at<uint64_t>(file_, end64 + 48);
  }
  if (!has(file_, place, bytes) || count > bytes / kEntryBytes)
    refuse_damaged(file_name_, "its directory lies outside the file; it was cut off: download or copy it again");
  uint64_t stored = 0;
  for (uint64_t i = 0; i < count; ++i)
    if (__builtin_add_overflow(stored, read_entry(place).stored_size, &stored) || stored > file_.size())
      refuse_damaged(file_name_, "its entries overlap");
}

const ArchiveEntry& Archive::read_entry(uint64_t& place) {
  if (!has(file_, place, kEntryBytes) || number_at<uint32_t>(file_, place) != kDirectoryEntry)
    refuse_damaged(file_name_, "its directory is damaged");
  ArchiveEntry entry{.header = number_at<uint32_t>(file_, place + 42),
                     .size = number_at<uint32_t>(file_, place + 24),
                     .stored_size = number_at<uint32_t>(file_, place + 20),
                     .checksum = number_at<uint32_t>(file_, place + 16),
                     .flags = number_at<uint16_t>(file_, place + 8),
                     .method = number_at<uint16_t>(file_, place + 10)};
  const uint64_t name_bytes = number_at<uint16_t>(file_, place + 28), extra = number_at<uint16_t>(file_, place + 30),
                 comment = number_at<uint16_t>(file_, place + 32);
  place += kEntryBytes;
  if (!has(file_, place, name_bytes + extra + comment) || !widen(entry, file_.substr(place + name_bytes, extra)))
    refuse_damaged(file_name_, "its directory is damaged");
  std::string name(file_.substr(place, name_bytes));
  place += name_bytes + extra + comment;
  has_checksums_ = has_checksums_ || entry.checksum != 0;
  const auto [kept, is_new] = entries_.emplace(std::move(name), entry);
  if (!is_new) refuse_damaged(file_name_, fmt::format("it has two entries '{}'", printable(kept->first)));
  return kept->second;
}

std::span<const std::byte> Archive::at(const std::string& name) const {
  const auto damaged = [&](const char* why) {
    refuse_damaged(file_name_, fmt::format("its entry '{}' {}", printable(name), why));
  };
  const auto found = entries_.find(name);
  if (found == entries_.end()) damaged("is missing");
  const ArchiveEntry& entry = found->second;
  if ((entry.flags & kEncrypted) != 0) damaged("is encrypted");
  if (entry.method != kStored)
    damaged(
        "is compressed, as PyTorch never does and a zip program did: unpack it, and pack it without compression "
        "(zip -0 -r FILE FOLDER)");
  if (entry.size != entry.stored_size || !has(file_, entry.header, kLocalBytes) ||
      number_at<uint32_t>(file_, entry.header) != kLocalHeader)
    damaged("is damaged");
  const uint64_t begin = entry.header + kLocalBytes + number_at<uint16_t>(file_, entry.header + 26) +
                         number_at<uint16_t>(file_, entry.header + 28);
  if (!has(file_, begin, entry.size)) damaged("lies outside the file; was it cut off?");
  return std::as_bytes(std::span(file_)).subspan(begin, entry.size);
}

void Archive::verify(const std::string& name) const {
  const std::span<const std::byte> bytes = at(name);
  const uLong sum = crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  if (has_checksums_ && sum != entries_.at(name).checksum)
    refuse_damaged(file_name_, fmt::format("its entry '{}' is damaged: its checksum does not match", printable(name)));
}

}  // namespace fovea::pytorch

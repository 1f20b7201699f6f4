#include "engine/safetensors.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <simdjson.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <xxhash.h>

#include "engine/file_kind.h"
#include "engine/files.h"
#include "engine/printable.h"
#include "kernels/error.h"
#include "kernels/launch/bfloat16.h"

namespace fovea {

namespace {

constexpr uint64_t kMaxHeader = 100'000'000;

struct DTypeName {
  const char* name;
  size_t bytes;
};
constexpr DTypeName kDTypes[] = {{"F64", 8}, {"F32", 4},     {"F16", 2},     {"BF16", 2}, {"C64", 8}, {"I64", 8},
                                 {"I32", 4}, {"I16", 2},     {"I8", 1},      {"U64", 8},  {"U32", 4}, {"U16", 2},
                                 {"U8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"BOOL", 1}};

// 0: a dtype that is not known, which matters only for a tensor that is read.
size_t bytes_of(const std::string& dtype) {
  for (const auto& known : kDTypes)
    if (dtype == known.name) return known.bytes;
  return 0;
}

// Of the others values cannot be taken.
bool is_readable(const std::string& dtype) { return bytes_of(dtype) > 0 && dtype != "C64" && !dtype.starts_with("F8"); }

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& why) {
  throw Error(ErrorKind::Data,
              fmt::format("{}: not a valid safetensors file: {}", printable(path.native()), printable(why)));
}

struct Mapping {
  std::shared_ptr<const std::byte> data;
  size_t bytes;
};

Mapping map_file(const std::filesystem::path& path) {
  struct stat status{};
  // Before it is opened: the open of a pipe waits for its other end.
  if (stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) refuse(path, "it is not a regular file");
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) throw cannot_read(path, errno);
  if (fstat(file, &status) != 0) status.st_size = 0;
  const auto bytes = static_cast<size_t>(status.st_size);
  if (bytes < 10) {
    close(file);
    refuse(path, fmt::format("{} bytes are too few for a header", bytes));
  }
  void* address = mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file, 0);
  close(file);
  if (address == MAP_FAILED) fail_with_errno(path, "mmap");
  return {{static_cast<const std::byte*>(address),
           [bytes](const std::byte* p) { munmap(const_cast<std::byte*>(p), bytes); }},
          bytes};
}

std::string checksum(std::span<const std::byte> data) {
  return fmt::format("{:016x}", XXH3_64bits(data.data(), data.size()));
}

float half_to_float(uint16_t half) {
  const int exponent = (half >> 10) & 31, fraction = half & 1023;
  const float sign = (half & 0x8000) != 0 ? -1.f : 1.f;
  if (exponent == 31) return fraction != 0 ? NAN : sign * INFINITY;
  return sign * (exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                               : std::ldexp(static_cast<float>(fraction + 1024), exponent - 25));
}

template <class From, class T>
void convert(std::span<const std::byte> data, std::vector<T>& out) {
  for (size_t i = 0; i < out.size(); ++i) {
    From value;
    std::memcpy(&value, data.data() + i * sizeof(From), sizeof(From));
    out[i] = static_cast<T>(value);  // NOLINT(bugprone-signed-char-misuse): I8 is a number here
  }
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : path_(path) {
  const Mapping mapping = map_file(path);
  mapping_ = mapping.data;
  uint64_t length;
  std::memcpy(&length, mapping_.get(), 8);
  const std::string_view whole(reinterpret_cast<const char*>(mapping_.get()), mapping.bytes);
  if (const std::string kind = kind_of_other_file(whole); !kind.empty())
    throw Error(ErrorKind::Data, fmt::format("{}: is {}", printable(path.native()), kind));
  if (length > kMaxHeader)
    refuse(path, fmt::format("the header claims {} bytes, more than the limit of {}", length, kMaxHeader));
  if (length < 2 || length > mapping.bytes - 8)
    refuse(path,
           fmt::format("the header of {} bytes does not fit into the file of {}; truncated?", length, mapping.bytes));
  const std::string_view header(reinterpret_cast<const char*>(mapping_.get()) + 8, length);
  if (header[0] != '{') refuse(path, "the header does not start with '{'");
  parse_header(header, {mapping_.get() + 8 + length, mapping.bytes - 8 - length});
  verify_checksums();
}

void SafetensorsFile::parse_header(std::string_view header, std::span<const std::byte> payload) {
  simdjson::dom::parser parser;
  simdjson::dom::object root;
  if (const auto error = parser.parse(header.data(), header.size()).get_object().get(root))
    refuse(path_, fmt::format("the header is not a JSON object: {}", simdjson::error_message(error)));
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (const auto [key, value] : root) {
    const std::string name(key);
    if (name == "__metadata__") {
      simdjson::dom::object entries;
      if (value.get_object().get(entries)) refuse(path_, "__metadata__ is not an object");
      for (const auto [k, v] : entries) {
        std::string_view text;
        if (v.get_string().get(text)) refuse(path_, fmt::format("metadata '{}' is not a string", k));
        metadata_[std::string(k)] = std::string(text);
      }
      continue;
    }
    StoredTensor tensor;
    std::string_view dtype;
    simdjson::dom::array shape, offsets;
    if (value["dtype"].get_string().get(dtype) || value["shape"].get_array().get(shape) ||
        value["data_offsets"].get_array().get(offsets))
      refuse(path_, fmt::format("tensor '{}' lacks dtype, shape or data_offsets", name));
    tensor.dtype = std::string(dtype);
    const bool known = bytes_of(tensor.dtype) > 0;
    uint64_t bytes = known ? bytes_of(tensor.dtype) : 1, begin = 0, end = 0;
    for (const auto dimension : shape) {
      uint64_t size = 0;
      const bool fits = !dimension.get_uint64().get(size) && !__builtin_mul_overflow(bytes, size, &bytes);
      if (known && (!fits || bytes > payload.size()))
        refuse(path_, fmt::format("tensor '{}' has a shape larger than the file; truncated?", name));
      tensor.shape.push_back(static_cast<int64_t>(size));
    }
    if (offsets.size() != 2 || offsets.at(0).get_uint64().get(begin) || offsets.at(1).get_uint64().get(end))
      refuse(path_, fmt::format("tensor '{}' has unusable data_offsets", name));
    if (begin > end || end > payload.size())
      refuse(path_, fmt::format("tensor '{}' lies outside the file (bytes {} to {} of {}); truncated?", name, begin,
                                end, payload.size()));
    if (known && end - begin != bytes)
      refuse(path_, fmt::format("tensor '{}' has {} bytes, its shape needs {}", name, end - begin, bytes));
    tensor.data = payload.subspan(begin, end - begin);
    ranges.emplace_back(begin, end);
    if (!tensors_.emplace(name, std::move(tensor)).second) refuse(path_, fmt::format("tensor '{}' occurs twice", name));
  }
  std::sort(ranges.begin(), ranges.end());
  uint64_t reached = 0;
  for (const auto& [begin, end] : ranges) {
    if (begin != reached)
      refuse(path_, fmt::format("tensors overlap or leave a gap at byte {}", std::min(begin, reached)));
    reached = end;
  }
  if (reached != payload.size())
    refuse(path_, fmt::format("{} bytes follow the last tensor", payload.size() - reached));
}

void SafetensorsFile::verify_checksums() const {
  const auto entry = metadata_.find("xxh3");
  if (entry == metadata_.end()) return;
  simdjson::dom::parser parser;
  simdjson::dom::object sums;
  if (parser.parse(entry->second).get_object().get(sums)) refuse(path_, "the checksums are not a JSON object");
  for (const auto& [name, tensor] : tensors_) {
    std::string_view expected;
    if (sums[name].get_string().get(expected)) refuse(path_, fmt::format("tensor '{}' has no checksum", name));
    if (expected != checksum(tensor.data))
      refuse(path_, fmt::format("tensor '{}' is damaged: its checksum does not match", name));
  }
}

const StoredTensor& SafetensorsFile::at(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) refuse(path_, fmt::format("it has no tensor '{}'", name));
  return found->second;
}

template <class T>
std::vector<T> SafetensorsFile::read(const std::string& name) const {
  const StoredTensor& tensor = at(name);
  const std::string& dtype = tensor.dtype;
  if (!is_readable(dtype))
    refuse(path_, fmt::format("tensor '{}' has the dtype '{}', which is not supported", name, dtype));
  std::vector<T> out(tensor.data.size() / bytes_of(dtype));
  if (dtype == "F64")
    convert<double>(tensor.data, out);
  else if (dtype == "F32")
    convert<float>(tensor.data, out);
  else if (dtype == "I64")
    convert<int64_t>(tensor.data, out);
  else if (dtype == "I32")
    convert<int32_t>(tensor.data, out);
  else if (dtype == "I16")
    convert<int16_t>(tensor.data, out);
  else if (dtype == "I8")
    convert<int8_t>(tensor.data, out);
  else if (dtype == "U64")
    convert<uint64_t>(tensor.data, out);
  else if (dtype == "U32")
    convert<uint32_t>(tensor.data, out);
  else if (dtype == "U16")
    convert<uint16_t>(tensor.data, out);
  else if (dtype == "U8" || dtype == "BOOL")
    convert<uint8_t>(tensor.data, out);
  else {
    std::vector<uint16_t> bits(out.size());
    std::memcpy(bits.data(), tensor.data.data(), tensor.data.size());
    for (size_t i = 0; i < out.size(); ++i) {
      bfloat16 brain;
      brain.bits = bits[i];
      out[i] = static_cast<T>(dtype == "BF16" ? static_cast<float>(brain) : half_to_float(bits[i]));
    }
  }
  return out;
}
template std::vector<double> SafetensorsFile::read(const std::string&) const;
template std::vector<float> SafetensorsFile::read(const std::string&) const;
template std::vector<int32_t> SafetensorsFile::read(const std::string&) const;
template std::vector<int64_t> SafetensorsFile::read(const std::string&) const;
template std::vector<uint8_t> SafetensorsFile::read(const std::string&) const;

namespace {

// What the reader would refuse is not written: the file would be lost to everybody.
void require_valid_header(const std::filesystem::path& path, const std::string& header) {
  const std::string name = printable(path.native());
  if (!simdjson::validate_utf8(header))
    throw Error(ErrorKind::Data, fmt::format("{}: not written: a name in its header is not UTF-8", name));
  if (header.size() > kMaxHeader)
    throw Error(ErrorKind::Data,
                fmt::format("{}: not written: its header would have {} bytes, more than the limit of {}", name,
                            header.size(), kMaxHeader));
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, const std::map<std::string, StoredTensor>& tensors,
                       std::map<std::string, std::string> metadata) {
  std::string sums = "{", body;
  uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    sums += fmt::format("{}{}:\"{}\"", sums.size() > 1 ? "," : "", json_quoted(name), checksum(tensor.data));
    body += fmt::format(",{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{},{}]}}", json_quoted(name),
                        tensor.dtype, fmt::join(tensor.shape, ","), offset, offset + tensor.data.size());
    offset += tensor.data.size();
  }
  metadata["xxh3"] = sums + "}";
  std::string header = "{\"__metadata__\":{";
  for (const auto& [key, value] : metadata)
    header += fmt::format("{}{}:{}", header.back() == '{' ? "" : ",", json_quoted(key), json_quoted(value));
  header += "}" + body + "}";
  require_valid_header(path, header);
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const uint64_t length = header.size();
  std::vector<std::span<const std::byte>> parts{std::as_bytes(std::span(&length, 1)), std::as_bytes(std::span(header))};
  for (const auto& [name, tensor] : tensors) parts.push_back(tensor.data);
  write_file_atomically(path, parts);
}

}  // namespace fovea

#include "engine/safetensors.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cstring>

#include <xxhash.h>

#include "engine/file_kind.h"
#include "engine/files.h"
#include "engine/printable.h"
#include "kernels/error.h"

namespace fovea {

namespace {

constexpr uint64_t kMaxHeader = 100'000'000;

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& why) {
  throw Error(ErrorKind::Data,
              fmt::format("{}: not a valid safetensors file: {}", printable(path.native()), printable(why)));
}

std::string checksum(std::span<const std::byte> data) {
  return fmt::format("{:016x}", XXH3_64bits(data.data(), data.size()));
}

using Tensors = std::map<std::string, StoredTensor>;
using Metadata = std::map<std::string, std::string>;

void parse_header(const std::filesystem::path& path, std::string_view header, std::span<const std::byte> payload,
                  Tensors& tensors, Metadata& metadata) {
  simdjson::dom::parser parser;
  simdjson::dom::object root;
  if (const auto error = parser.parse(header.data(), header.size()).get_object().get(root))
    refuse(path, fmt::format("the header is not a JSON object: {}", simdjson::error_message(error)));
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (const auto [key, value] : root) {
    const std::string name(key);
    if (name == "__metadata__") {
      simdjson::dom::object entries;
      if (value.get_object().get(entries)) refuse(path, "__metadata__ is not an object");
      for (const auto [k, v] : entries) {
        std::string_view text;
        if (v.get_string().get(text)) refuse(path, fmt::format("metadata '{}' is not a string", k));
        metadata[std::string(k)] = std::string(text);
      }
      continue;
    }
    StoredTensor tensor;
    std::string_view dtype;
    simdjson::dom::array shape, offsets;
    if (value["dtype"].get_string().get(dtype) || value["shape"].get_array().get(shape) ||
        value["data_offsets"].get_array().get(offsets))
      refuse(path, fmt::format("tensor '{}' lacks dtype, shape or data_offsets", name));
    tensor.dtype = std::string(dtype);
    const bool known = bytes_of_dtype(tensor.dtype) > 0;
    uint64_t bytes = known ? bytes_of_dtype(tensor.dtype) : 1, begin = 0, end = 0;
    for (const auto dimension : shape) {
      uint64_t size = 0;
      const bool fits = !dimension.get_uint64().get(size) && !__builtin_mul_overflow(bytes, size, &bytes);
      if (known && (!fits || bytes > payload.size()))
        refuse(path, fmt::format("tensor '{}' has a shape larger than the file; truncated?", name));
      tensor.shape.push_back(static_cast<int64_t>(size));
    }
    if (offsets.size() != 2 || offsets.at(0).get_uint64().get(begin) || offsets.at(1).get_uint64().get(end))
      refuse(path, fmt::format("tensor '{}' has unusable data_offsets", name));
    if (begin > end || end > payload.size())
      refuse(path, fmt::format("tensor '{}' lies outside the file (bytes {} to {} of {}); truncated?", name, begin, end,
                               payload.size()));
    if (known && end - begin != bytes)
      refuse(path, fmt::format("tensor '{}' has {} bytes, its shape needs {}", name, end - begin, bytes));
    tensor.data = payload.subspan(begin, end - begin);
    ranges.emplace_back(begin, end);
    if (!tensors.emplace(name, std::move(tensor)).second) refuse(path, fmt::format("tensor '{}' occurs twice", name));
  }
  std::sort(ranges.begin(), ranges.end());
  uint64_t reached = 0;
  for (const auto& [begin, end] : ranges) {
    if (begin != reached)
      refuse(path, fmt::format("tensors overlap or leave a gap at byte {}", std::min(begin, reached)));
    reached = end;
  }
  if (reached != payload.size()) refuse(path, fmt::format("{} bytes follow the last tensor", payload.size() - reached));
}

void verify_checksums(const std::filesystem::path& path, const Tensors& tensors, const Metadata& metadata) {
  const auto entry = metadata.find("xxh3");
  if (entry == metadata.end()) return;
  simdjson::dom::parser parser;
  simdjson::dom::object sums;
  if (parser.parse(entry->second).get_object().get(sums)) refuse(path, "the checksums are not a JSON object");
  for (const auto& [name, tensor] : tensors) {
    std::string_view expected;
    if (sums[name].get_string().get(expected))
      refuse(path, fmt::format("tensor '{}' has no checksum (if another program added it, that program has to drop the "
                               "metadata 'xxh3')",
                               name));
    if (expected != checksum(tensor.data))
      refuse(path,
             fmt::format("tensor '{}' is damaged: its checksum does not match (if another program changed it, that "
                         "program has to drop the metadata 'xxh3')",
                         name));
  }
}

}  // namespace

TensorFile read_safetensors(const std::filesystem::path& path, const MappedFile& file) {
  if (file.size == 0) throw Error(ErrorKind::Data, fmt::format("{}: is empty", printable(path.native())));
  if (file.size < 10) refuse(path, fmt::format("{} bytes are too few for a header", file.size));
  if (const std::string kind = kind_of_other_file(file.text()); !kind.empty())
    throw Error(ErrorKind::Data, fmt::format("{}: is {}", printable(path.native()), kind));
  uint64_t length;
  std::memcpy(&length, file.memory.get(), 8);
  if (length > kMaxHeader)
    refuse(path, fmt::format("the header claims {} bytes, more than the limit of {}", length, kMaxHeader));
  if (length < 2 || length > file.size - 8)
    refuse(path, fmt::format("the header of {} bytes does not fit into the file of {}; truncated?", length, file.size));
  const std::string_view header = file.text().substr(8, length);
  if (header[0] != '{') refuse(path, "the header does not start with '{'");
  Tensors tensors;
  Metadata metadata;
  parse_header(path, header, file.bytes().subspan(8 + length), tensors, metadata);
  verify_checksums(path, tensors, metadata);
  return {path, "safetensors", file.memory, std::move(tensors), std::move(metadata)};
}

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
    require(tensor.strides.empty(), "a view with strides is written as if it had none");
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

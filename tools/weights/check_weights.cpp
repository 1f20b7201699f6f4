#include "tools/weights/check_weights.h"

#include <fmt/format.h>

#include <cmath>

#include "engine/files.h"
#include "engine/printable.h"
#include "engine/sha256.h"
#include "engine/tensor_file.h"
#include "kernels/error.h"
#include "tools/report/progress.h"
#include "tools/text/file.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

constexpr double kBytesOfMiB = 1 << 20;

uint64_t size_of(const fs::path& file) {
  std::error_code failure;
  const uint64_t size = fs::file_size(file, failure);
  if (failure) throw cannot_read(file, failure.value());
  return size;
}

const KnownWeights* known_by_file(std::string_view name) {
  for (const KnownWeights& known : known_weights())
    if (name == known.file) return &known;
  return nullptr;
}

// Why it cannot be opened as weights; empty: it can.
std::string why_unreadable(const fs::path& file) {
  if (size_of(file) == 0) return "is empty";
  try {
    open_tensor_file(file);
    return "";
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::Data) throw;
    const std::string why = error.what(), name = printable(file.native()) + ": ";
    return why.starts_with(name) ? why.substr(name.size()) : why;
  }
}

[[noreturn]] void fail_check(const fs::path& file, const std::string& why) {
  throw Error(ErrorKind::Data, printable(file.native()) + ": " + why);
}

}  // namespace

std::string hash_of_file(const fs::path& file) {
  const FileHandle opened = open_file(file);
  const auto to_mib = [](uint64_t bytes) {
    return static_cast<int64_t>(std::ceil(static_cast<double>(bytes) / kBytesOfMiB));
  };
  ProgressOptions options = on_stderr("MiB");
  options.rate = "MiB/s";
  Progress progress(to_mib(size_of(file)), 0, options);
  Sha256 hash;
  std::vector<std::byte> buffer(size_t{1} << 20);
  uint64_t size = 0;
  while (const size_t count = std::fread(buffer.data(), 1, buffer.size(), opened.get())) {
    hash.add(std::span(buffer).first(count));
    size += count;
    progress.update(to_mib(size), {}, 1);
  }
  if (std::ferror(opened.get()) != 0) throw cannot_read(file, errno);
  progress.clear();
  return hash.digits();
}

const KnownWeights* known_by_hash(std::string_view hash) {
  for (const KnownWeights& known : known_weights())
    if (hash.starts_with(known.hash())) return &known;
  return nullptr;
}

std::string mib_text(uint64_t bytes) { return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / kBytesOfMiB); }

std::string why_other(const fs::path& file, const KnownWeights* known) {
  constexpr double kRounding = 0.001;  // of the sizes in the table
  const double size = static_cast<double>(size_of(file)) / kBytesOfMiB;
  if (known != nullptr && size < known->mib - kRounding) {
    const std::string why = why_unreadable(file);
    const bool cut_off = why.empty() || why.find("cut off") != why.npos;
    return fmt::format("has {:.1f} of {:.1f} MiB{}", size, known->mib, cut_off ? ": it was cut off" : " and " + why);
  }
  const std::string why = why_unreadable(file);
  return why.empty() ? "the file was changed, or is another one" : why;
}

std::string check_weights(const fs::path& file) {
  const std::string hash = hash_of_file(file), name = file.filename().native();
  const auto promised = hash_in_name(name);
  const KnownWeights* const found = known_by_hash(hash);
  if (promised && !hash.starts_with(*promised)) {
    const std::string begin = fmt::format("its SHA-256 begins with {}, not with {}: ", hash.substr(0, promised->size()),
                                          printable(*promised));
    fail_check(file, begin + (found != nullptr ? fmt::format("it is {} ({})", found->name, found->file)
                                               : why_other(file, known_by_file(name))));
  }
  if (found == nullptr)
    if (const std::string why = why_unreadable(file); !why.empty()) fail_check(file, why);
  const std::string start = printable(file.native()) + ": ";
  if (found != nullptr) return fmt::format("{}is {}, as published: SHA-256 {}", start, found->name, hash);
  if (promised) return fmt::format("{}is what its name says: SHA-256 {}", start, hash);
  return fmt::format("{}is not in the list, so nothing is known of what it should be: SHA-256 {}", start, hash);
}

}  // namespace fovea

#include "tools/weights/fetch_weights.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>

#include "engine/files.h"
#include "engine/printable.h"
#include "engine/sha256.h"
#include "kernels/error.h"
#include "tools/report/progress.h"
#include "tools/text/advice.h"
#include "tools/text/file.h"
#include "tools/text/file_lock.h"
#include "tools/text/outputs.h"
#include "tools/weights/check_weights.h"
#include "tools/weights/download.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

constexpr const char* kSameCommand = "the same command goes on from there";

// FILE.part: what came so far, and its hash.
class PartialFile {
 public:
  explicit PartialFile(fs::path path) : path_(std::move(path)), file_(std::fopen(path_.c_str(), "a+b"), std::fclose) {
    if (!file_) throw cannot_write(path_);
    std::vector<std::byte> buffer(size_t{1} << 20);
    if (std::fseek(file_.get(), 0, SEEK_SET) != 0) throw cannot_read(path_, errno);
    while (const size_t count = std::fread(buffer.data(), 1, buffer.size(), file_.get()))
      count_in(std::span(buffer).first(count));
    if (std::ferror(file_.get()) != 0) throw cannot_read(path_, errno);
  }

  void append(std::span<const std::byte> bytes) {
    if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) throw cannot_write(path_);
    count_in(bytes);
  }
  void restart() {
    if (std::fflush(file_.get()) != 0 || ftruncate(fileno(file_.get()), 0) != 0) throw cannot_write(path_);
    hash_ = {};
    size_ = 0;
  }
  // A full disk may show only here.
  void close() {
    const bool written = std::fflush(file_.get()) == 0 && fsync(fileno(file_.get())) == 0;
    if (std::fclose(file_.release()) != 0 || !written) throw cannot_write(path_);
  }
  void remove() const { std::remove(path_.c_str()); }

  const fs::path& path() const { return path_; }
  uint64_t size() const { return size_; }
  std::string hash() const { return hash_.digits(); }
  bool is(const KnownWeights& known) const { return hash().starts_with(known.hash()); }

 private:
  void count_in(std::span<const std::byte> bytes) {
    hash_.add(bytes);
    size_ += bytes.size();
  }

  fs::path path_;
  FileHandle file_;
  Sha256 hash_;
  uint64_t size_ = 0;
};

int64_t whole_mib(double mib) { return static_cast<int64_t>(std::ceil(mib)); }
int64_t mib_of(uint64_t bytes) { return whole_mib(static_cast<double>(bytes) / (1 << 20)); }

DownloadResult continue_download(PartialFile& part, const std::string& url, const KnownWeights& known) {
  Progress progress(whole_mib(known.mib), mib_of(part.size()), {.out = stderr, .unit = "MiB", .rate = "MiB/s"});
  int64_t shown = mib_of(part.size());
  const auto take = [&](std::span<const std::byte> bytes) {
    part.append(bytes);
    const int64_t now = mib_of(part.size());
    if (now > shown) progress.update(now, {}, now - shown);
    shown = now;
  };
  try {
    DownloadResult result = download({.url = url, .from = part.size(), .take = take});
    progress.finish();
    return result;
  } catch (...) {
    progress.clear();
    throw;
  }
}

std::string host_of(const std::string& url) {
  const size_t begin = url.find("://") + 3;
  return printable(url.substr(begin, url.find('/', begin) - begin));
}

// One line: what happened, and how the file is got all the same.
[[noreturn]] void fail_fetch(const DownloadResult& result, const std::string& url, const fs::path& target,
                             const PartialFile& part, const KnownWeights& known) {
  const std::string from = printable(url), to = printable(target.native());
  const std::string kept = part.size() == 0 ? std::string("nothing of it came; the same command tries again")
                                            : fmt::format("{} has {} of {:.1f}; {}", printable(part.path().native()),
                                                          mib_text(part.size()), known.mib, kSameCommand);
  const std::string otherwise =
      fmt::format("fetch {} by other means and put it at {}, or {}", from, to, advise(advice::kUseMirror));
  using enum DownloadEnd;
  switch (result.end) {
    case Interrupted:
      throw Error(ErrorKind::Interrupted, "interrupted: " + kept);
    case Broken:
      throw Error(ErrorKind::Runtime, fmt::format("{}: the connection broke ({}): {}", from, result.why, kept));
    case Refused:
      throw Error(ErrorKind::Runtime, fmt::format("{}: cannot be fetched ({})", from, result.why));
    case NotTrusted:
      throw Error(ErrorKind::Runtime,
                  fmt::format("the certificate of {} is not trusted ({}): install ca-certificates, name a file of "
                              "certificates in SSL_CERT_FILE, or {}",
                              host_of(url), result.why, otherwise));
    case NoLibrary:
      throw Error(ErrorKind::Runtime, fmt::format("{} (Debian's package libcurl4, since Debian 13 libcurl4t64): "
                                                  "install it, or {}",
                                                  result.why, otherwise));
    default:
      throw Error(ErrorKind::Runtime, fmt::format("cannot reach {} ({}): {}", host_of(url), result.why, otherwise));
  }
}

// Fills the part; it is whole then, whatever it holds.
void fetch_into(PartialFile& part, const std::string& url, const fs::path& target, const KnownWeights& known) {
  if (part.size() > 0 && part.is(known)) return;  // ended before it got its name
  uint64_t from = part.size();
  DownloadResult result = continue_download(part, url, known);
  if (result.end == DownloadEnd::NotResumed) {
    part.restart();
    from = 0;
    result = continue_download(part, url, known);
  }
  if (result.end == DownloadEnd::Whole) return;
  if (result.end == DownloadEnd::Unreachable && part.size() > from) result.end = DownloadEnd::Broken;
  part.close();
  if (part.size() == 0) part.remove();
  fail_fetch(result, url, target, part, known);
}

[[noreturn]] void fail_wrong(const PartialFile& part, const std::string& url, const KnownWeights& known) {
  const std::string why = why_other(part.path(), &known);
  part.remove();
  throw Error(ErrorKind::Data,
              fmt::format("{}: what came is not {}: its SHA-256 begins with {}, not with {}: {} (it was removed)",
                          printable(url), known.name, part.hash().substr(0, known.hash().size()), known.hash(), why));
}

}  // namespace

void require_weights_address(const std::string& base) {
  for (const char* scheme : {"https://", "http://", "file://"})
    if (base.starts_with(scheme)) return;
  throw Error(ErrorKind::Usage,
              fmt::format("'{}' is no address of weights: write https://…, http://… or file:///…", printable(base)));
}

FetchedWeights fetch_weights(const KnownWeights& known, const fs::path& folder, const std::string& base) {
  const fs::path target = folder == "." ? fs::path(known.file) : folder / known.file;
  if (is_there(target)) {
    if (is_file(target) && hash_of_file(target).starts_with(known.hash())) return {target, true};
    throw Error(ErrorKind::Usage, fmt::format("{}: is there already, and is not {}: move it, or {}",
                                              printable(target.native()), known.name, advise(advice::kOtherFolder)));
  }
  make_writable_folder(folder);
  const Unbroken to_its_end;
  const FileLock lock(folder / (std::string(known.file) + ".part.lock"), "download");
  PartialFile part(target.native() + ".part");
  const std::string url = base.substr(0, base.find_last_not_of('/') + 1) + "/" + known.file;
  fetch_into(part, url, target, known);
  part.close();
  if (!part.is(known)) fail_wrong(part, url, known);
  if (std::rename(part.path().c_str(), target.c_str()) != 0) throw cannot_write(target);
  return {target, false};
}

}  // namespace fovea

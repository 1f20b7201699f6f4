#include "tools/analysis/image_scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "engine/printable.h"
#include "kernels/device/threads.h"
#include "kernels/error.h"
#include "tools/data/formats/folder.h"
#include "tools/image/image_file.h"
#include "tools/image/image_size.h"
#include "tools/text/content_hash.h"
#include "tools/text/file.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

struct Format {
  const char* name;
  std::string_view magic;
  size_t at;
  std::vector<std::string_view> endings;
};

const std::vector<Format>& formats() {
  static const std::vector<Format> all{{"JPEG", "\xFF\xD8\xFF", 0, {".jpg", ".jpeg", ".jpe", ".jfif"}},
                                       {"PNG", "\x89PNG\r\n\x1a\n", 0, {".png"}},
                                       {"BMP", "BM", 0, {".bmp", ".dib"}},
                                       {"WebP", "WEBP", 8, {".webp"}},
                                       {"TIFF", std::string_view("II*\0", 4), 0, {".tif", ".tiff"}},
                                       {"TIFF", std::string_view("MM\0*", 4), 0, {".tif", ".tiff"}}};
  return all;
}

// The name of the format where the file's ending is not one of its own.
std::string misnamed(const std::string& name, const std::vector<uint8_t>& bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (const Format& format : formats()) {
    if (text.size() < format.at || !text.substr(format.at).starts_with(format.magic)) continue;
    const bool own = std::any_of(format.endings.begin(), format.endings.end(),
                                 [&](auto ending) { return has_ending(name, ending); });
    return own ? "" : format.name;
  }
  return "";
}

ImageFinding look_at(const Dataset& dataset, const Sample& sample, bool decode) {
  using ImageProblem = ImageFinding::ImageProblem;
  ImageFinding finding;
  const fs::path path = dataset.image_root / sample.file_name;
  try {
    if (!is_there(path)) finding.problem = ImageProblem::Missing;
    const auto bytes = read_file(path, ImageOptions{}.file_bytes);
    finding.content = content_hash(bytes);
    finding.misnamed = misnamed(sample.file_name, bytes);
    ImageSize size{};
    if (decode) {
      const DecodedImage decoded =
          decode_image_file(bytes, path.string(), {.annotated_width = sample.width, .annotated_height = sample.height});
      size = {decoded.full_width, decoded.full_height, decoded.as_stored};
    } else {
      size = read_image_size(path, {sample.width, sample.height});
    }
    finding.as_stored = size.as_stored;
    if (size.width != sample.width || size.height != sample.height) {
      finding.problem = ImageProblem::OtherSize;
      finding.why = fmt::format("{}: the image is {}x{}, the annotations say {}x{}", printable(path.native()),
                                size.width, size.height, sample.width, sample.height);
    }
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::Data) throw;
    if (finding.problem == ImageProblem::None) finding.problem = ImageProblem::Unreadable;
    finding.why = error.what();
  }
  return finding;
}

}  // namespace

std::vector<ImageFinding> scan_images(const Dataset& dataset, bool decode,
                                      const std::function<void(int64_t)>& progress) {
  std::vector<ImageFinding> findings(dataset.samples.size());
  std::atomic<size_t> next = 0;
  int64_t done = 0;
  std::mutex mutex;
  std::exception_ptr failure;
  const auto work = [&] {
    try {
      for (size_t i = next++; i < findings.size(); i = next++) {
        findings[i] = look_at(dataset, dataset.samples[i], decode);
        const std::lock_guard lock(mutex);
        ++done;
        if (progress) progress(done);
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      failure = std::current_exception();
      next = findings.size();
    }
  };
  const size_t cores = static_cast<size_t>(std::clamp(usable_cores(), 1, 16));
  std::vector<std::thread> threads = start_threads(std::min(cores, findings.size()), work);
  for (std::thread& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
  return findings;
}

}  // namespace fovea

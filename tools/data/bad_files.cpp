#include "tools/data/bad_files.h"

#include <fmt/format.h>

#include "engine/printable.h"
#include "kernels/error.h"
#include "kernels/notice.h"
#include "tools/text/advice.h"
#include "tools/text/outputs.h"

namespace fovea {

void BadFiles::add(const std::string& name, const std::string& why) {
  const std::lock_guard lock(mutex_);
  reasons_.emplace(name, why);
  if (policy_ == OnBad::Error)
    throw Error(ErrorKind::Data, fmt::format("{}; correct it, or {}", why, advise(advice::kSkipBadImages)));
  const auto bad = static_cast<double>(reasons_.size());
  if (bad > largest_bad_share * static_cast<double>(total_)) {
    throw Error(ErrorKind::Data, fmt::format("{} of {} images cannot be read, more than {:g} %; the last: {}",
                                             reasons_.size(), total_, 100 * largest_bad_share, why));
  }
}

void BadFiles::keep(const std::string& name, const std::string& why) {
  const std::lock_guard lock(mutex_);
  kept_.emplace(name, why);
}

std::map<std::string, std::string> BadFiles::kept() const {
  const std::lock_guard lock(mutex_);
  return kept_;
}

int64_t BadFiles::count() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int64_t>(reasons_.size());
}

std::map<std::string, std::string> BadFiles::reasons() const {
  const std::lock_guard lock(mutex_);
  return reasons_;
}

void BadFiles::write(const std::filesystem::path& path) const {
  const std::lock_guard lock(mutex_);
  std::string text;
  for (const auto& [name, why] : reasons_) text += fmt::format("{}\t{}\n", printable(name), why);
  for (const auto& [name, why] : kept_) text += fmt::format("{}\tpartly used: {}\n", printable(name), why);
  write_list(path, text);
}

void write_bad_images(const std::filesystem::path& path, const BadFiles& files) {
  const size_t kept = files.kept().size();
  if (kept > 0) notice(fmt::format("{} damaged images were partly used (see bad_images.txt)", kept));
  if (files.count() > 0 || kept > 0) files.write(path);
}

}  // namespace fovea

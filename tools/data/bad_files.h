// Files that cannot be used: skipped and listed, until they are too many.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>

namespace fovea {

enum class OnBad { Skip, Error, Keep };  // Keep: what a damaged image still gives is used

constexpr double largest_bad_share = 0.01;  // more than this share of anything wrong is an error, whatever the policy

class BadFiles {
 public:
  // `total`: how many files there are in all.
  explicit BadFiles(int64_t total, OnBad policy = OnBad::Skip) : total_(total), policy_(policy) {}

  // From any thread; a file counts once; `why` is fit to print. Throws ErrorKind::Data under OnBad::Error, and when too
  // many are bad.
  void add(const std::string& name, const std::string& why);

  // A damaged file that is used as far as it goes: listed, not counted as bad.
  void keep(const std::string& name, const std::string& why);

  OnBad policy() const { return policy_; }
  int64_t count() const;
  std::map<std::string, std::string> reasons() const;  // by file name
  std::map<std::string, std::string> kept() const;     // likewise
  // One line a file, sorted by name; after those that were left out, those that were kept, which say so. Throws
  // ErrorKind::Runtime when the list cannot be written.
  void write(const std::filesystem::path& path) const;

 private:
  int64_t total_;
  OnBad policy_;
  mutable std::mutex mutex_;
  std::map<std::string, std::string> reasons_, kept_;
};

// At the end of a run: writes the list where there is anything on it, and says on stderr how many were partly used.
void write_bad_images(const std::filesystem::path& path, const BadFiles& files);

}  // namespace fovea

// Files that cannot be used: skipped and listed, until they are too many.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>

namespace fovea {

enum class OnBad { Skip, Error };

constexpr double largest_bad_share = 0.01;  // more than this share of anything wrong is an error, whatever the policy

class BadFiles {
 public:
  // `total`: how many files there are in all.
  explicit BadFiles(int64_t total, OnBad policy = OnBad::Skip) : total_(total), policy_(policy) {}

  // From any thread; a file counts once. Throws ErrorKind::Data under OnBad::Error, and when too many are bad.
  void add(const std::string& name, const std::string& why);

  int64_t count() const;
  std::map<std::string, std::string> reasons() const;  // by file name
  // One line a file, sorted by name. Throws ErrorKind::Runtime when the list cannot be written.
  void write(const std::filesystem::path& path) const;

 private:
  int64_t total_;
  OnBad policy_;
  mutable std::mutex mutex_;
  std::map<std::string, std::string> reasons_;
};

}  // namespace fovea

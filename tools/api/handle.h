// What the C API's handles have in common: a mark by which a pointer to something else is known, and contents that go
// when the handle is freed. Debug builds keep the marks of freed handles, and so can tell that one is used again.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>  // IWYU pragma: keep (debug builds)
#include <string>
#include <utility>
#include <vector>  // IWYU pragma: keep (debug builds)

#include "tools/api/status.h"

namespace fovea::api {

template <class Contents>
struct Handle {
  explicit Handle(std::unique_ptr<Contents> from) : contents(std::move(from)) {}
  std::atomic<uint64_t> mark = Contents::kMark;
  std::unique_ptr<Contents> contents;
};

inline constexpr uint64_t kFreed = 0xf0feaf0fea000000;

// The contents; `name` is the argument's.
template <class Contents>
Contents& contents_of(const Handle<Contents>* handle, const char* name) {
  if (handle == nullptr) bad_argument(std::string(name) + " is NULL");
#ifndef NDEBUG
  const uint64_t mark = handle->mark;
  if (mark == kFreed) bad_argument(std::string(name) + " was freed before");
  if (mark != Contents::kMark) bad_argument(std::string(name) + " does not point to a fovea_" + name);
#endif
  return *handle->contents;
}

// The handle was made by `new`.
template <class AHandle>
void free_handle(AHandle* handle, const char* name) {
  if (handle == nullptr) return;
  contents_of(handle, name);
  handle->mark = kFreed;
  handle->contents.reset();
#ifdef NDEBUG
  delete handle;
#else
  static std::mutex mutex;
  static std::vector<std::unique_ptr<AHandle> > freed;
  const std::lock_guard lock(mutex);
  freed.emplace_back(handle);
#endif
}

}  // namespace fovea::api

#include "kernels/notice.h"

#include <cstdio>
#include <utility>

namespace fovea {

NoticeListener*& NoticeListener::of_thread() {
  thread_local NoticeListener* listener = nullptr;
  return listener;
}

NoticeListener::NoticeListener(Hear hear) : hear_(std::move(hear)), outer_(std::exchange(of_thread(), this)) {}
NoticeListener::~NoticeListener() { of_thread() = outer_; }

void notice(const std::string& line) {
  if (const NoticeListener* listener = NoticeListener::of_thread())
    listener->hear_(NoticeLevel::Info, line);
  else
    std::fprintf(stderr, "fovea: %s\n", line.c_str());
}

void warn(const std::string& line) {
  if (const NoticeListener* listener = NoticeListener::of_thread())
    listener->hear_(NoticeLevel::Warning, line);
  else
    std::fprintf(stderr, "warning: %s\n", line.c_str());
}

OpenNotice::OpenNotice(std::string beginning) : beginning_(std::move(beginning)) {
  if (NoticeListener::of_thread() == nullptr) std::fprintf(stderr, "fovea: %s", beginning_.c_str());
}

void OpenNotice::end(const std::string& rest) {
  if (NoticeListener::of_thread() == nullptr)
    std::fprintf(stderr, "%s\n", rest.c_str());
  else
    notice(beginning_ + rest);
}

}  // namespace fovea

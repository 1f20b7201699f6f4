// What people should know and is no error: one line each, on stderr, unless somebody on this thread listens.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

namespace fovea {

enum class NoticeLevel : uint8_t { Info, Warning };

void notice(const std::string& line);  // on stderr: "fovea: LINE"
void warn(const std::string& line);    // something failed, and the work goes on without it; on stderr: "warning: LINE"

// A notice whose end is not known yet: on stderr its beginning shows while one waits; a listener gets the whole.
class OpenNotice {
 public:
  explicit OpenNotice(std::string beginning);
  void end(const std::string& rest);

 private:
  std::string beginning_;
};

// As long as it lives, what this thread has to say goes to `hear` instead of stderr.
class NoticeListener {
 public:
  using Hear = std::function<void(NoticeLevel level, const std::string& line)>;
  explicit NoticeListener(Hear hear);
  ~NoticeListener();
  NoticeListener(const NoticeListener&) = delete;
  NoticeListener& operator=(const NoticeListener&) = delete;

 private:
  friend class OpenNotice;
  friend void notice(const std::string& line);
  friend void warn(const std::string& line);
  static NoticeListener*& of_thread();

  Hear hear_;
  NoticeListener* outer_;
};

}  // namespace fovea

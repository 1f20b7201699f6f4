// Loaded before all others (LD_PRELOAD): sends the process a signal when it opens a file whose path holds SIGNAL_PATH,
// for the SIGNAL_COUNT-th time: the signal SIGNAL_NUMBER, SIGNAL_TIMES times; with SIGNAL_PARENT, its parent instead.
#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

int number_in(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::atoi(text) : otherwise;
}

void signal_if_meant(const char* path) {
  static std::atomic<int> seen;
  const char* part = std::getenv("SIGNAL_PATH");
  if (part == nullptr || path == nullptr || std::strstr(path, part) == nullptr) return;
  if (++seen != number_in("SIGNAL_COUNT", 1)) return;
  const pid_t target = std::getenv("SIGNAL_PARENT") != nullptr ? getppid() : getpid();
  for (int i = 0; i < number_in("SIGNAL_TIMES", 1); ++i) kill(target, number_in("SIGNAL_NUMBER", SIGINT));
}

int open_next(const char* name, const char* path, int flags, mode_t mode) {
  signal_if_meant(path);
  return reinterpret_cast<int (*)(const char*, int, ...)>(dlsym(RTLD_NEXT, name))(path, flags, mode);
}

FILE* fopen_next(const char* name, const char* path, const char* mode) {
  signal_if_meant(path);
  return reinterpret_cast<FILE* (*)(const char*, const char*)>(dlsym(RTLD_NEXT, name))(path, mode);
}

}  // namespace

#define MODE_OF(flags)                          \
  mode_t mode = 0;                              \
  if (((flags) & (O_CREAT | O_TMPFILE)) != 0) { \
    va_list more;                               \
    va_start(more, flags);                      \
    mode = va_arg(more, mode_t);                \
    va_end(more);                               \
  }

extern "C" {
int open(const char* path, int flags, ...) {
  MODE_OF(flags)
  return open_next("open", path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  MODE_OF(flags)
  return open_next("open64", path, flags, mode);
}
FILE* fopen(const char* path, const char* mode) { return fopen_next("fopen", path, mode); }
FILE* fopen64(const char* path, const char* mode) { return fopen_next("fopen64", path, mode); }
}

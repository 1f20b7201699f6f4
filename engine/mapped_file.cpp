#include "engine/mapped_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "engine/files.h"
#include "engine/printable.h"
#include "kernels/error.h"

namespace fovea {

MappedFile map_file(const std::filesystem::path& path) {
  struct stat status{};
  // Before it is opened: the open of a pipe waits for its other end.
  if (stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
    throw Error(ErrorKind::Data, fmt::format("{}: cannot be read: it is not a regular file", printable(path.native())));
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) throw cannot_read(path, errno);
  if (fstat(file, &status) != 0) status.st_size = 0;
  const auto size = static_cast<size_t>(status.st_size);
  if (size == 0) {  // which cannot be mapped
    close(file);
    return {};
  }
  void* address = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
  close(file);
  if (address == MAP_FAILED) fail_with_errno(path, "mmap");
  return {
      {static_cast<const std::byte*>(address), [size](const std::byte* p) { munmap(const_cast<std::byte*>(p), size); }},
      size};
}

}  // namespace fovea

// What is said of files that cannot be read or written.
#include "engine/files.h"

#include <cerrno>

#include "tests/support/catch.h"
#include "tests/support/refusal.h"

using namespace fovea;
using Catch::Contains;

TEST_CASE("a system's reason is said with what to do about it", "[files]") {
  for (const int full : {ENOSPC, EDQUOT}) CHECK_THAT(reason_text(full), Contains("make room on its disk"));
  for (const int forbidden : {EACCES, EPERM}) CHECK_THAT(reason_text(forbidden), Contains("change its permissions"));
  CHECK_THAT(reason_text(EROFS), Contains("choose another place"));
  for (const int too_many : {EMFILE, ENFILE}) CHECK_THAT(reason_text(too_many), Contains("ulimit -n"));
  CHECK(reason_text(EIO) == "Input/output error");
  CHECK_THAT(cannot_read("a/b", EACCES).what(),
             Contains("a/b: cannot be opened: Permission denied: change its permissions (chmod)"));
}

TEST_CASE("fault: a file that cannot be written atomically is named with the reason", "[files][fault]") {
  CHECK_THAT(test::refusal_of([] { write_file_atomically("/proc/none/file", "text"); }, ErrorKind::Runtime),
             Contains("/proc/none/file: creating the file failed: No such file or directory"));
}

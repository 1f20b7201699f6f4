// Files that a command writes: none overwrites what the command reads, or another one, and none turns out to be
// unwritable after hours of work.
#pragma once
#include <filesystem>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>

namespace fovea {

// Whether both are names of one file or folder.
bool is_same_file(const std::filesystem::path& a, const std::filesystem::path& b);

// Says which files a command reads and which it will write, before it does either. A file is known by any of its names:
// through links, as a hard link, by another path.
class FilesInUse {
 public:
  // What the command reads. What is not there is passed over: opening it says so.
  void input(const std::filesystem::path& file);
  // Throws ErrorKind::Usage, naming both, where the file is an input or another output; a device or a pipe never is.
  void output(const std::filesystem::path& file);

 private:
  std::map<std::string, std::filesystem::path> inputs_, outputs_;  // by what a file is
};

// Stands in the head of each file that this program writes for a user, in a comment where its format has any.
inline constexpr const char* kMark = "made by Fovea";

// Begins files that people edit and give to a command again: a checksum of the rest follows.
inline constexpr const char* kUnedited = "# as Fovea wrote it: ";
std::string with_checksum(std::string_view text);

// Whether writing the file loses nothing of the user's: it is none, is empty, or one of the marks stands in its head;
// of kUnedited the checksum must be right. A device or a pipe has nothing to lose.
bool may_replace(const std::filesystem::path& file, std::initializer_list<std::string_view> marks = {kMark});
// Throws ErrorKind::Usage where it may not be replaced.
void require_replaceable(const std::filesystem::path& file, std::initializer_list<std::string_view> marks = {kMark});

// Throws ErrorKind::Runtime, with the system's reason, where the file could not be written. Leaves it as it is.
void require_writable(const std::filesystem::path& file);
// Throws ErrorKind::Runtime where neither the folder nor, for want of one, the nearest one above it can be written
// into.
void require_writable_folder(const std::filesystem::path& folder);
// As make_folder(); throws also where no file can be made in the folder.
void make_writable_folder(const std::filesystem::path& folder);

// A list for a user to read, a line an entry, behind a line that says who made it. Throws ErrorKind::Runtime.
void write_list(const std::filesystem::path& file, std::string_view lines);

// All of this for files, but for what may be replaced: what is empty is not asked for.
void check_outputs(std::initializer_list<std::string_view> inputs, std::initializer_list<std::string_view> outputs);

// Writes what was printed so far to where stdout goes. Throws ErrorKind::Runtime where that takes no more, Interrupted,
// with nothing to say, where nobody reads it any more.
void flush_output();

// Writes the file whole or not at all; a device or a pipe as it is, and a link's target. Throws ErrorKind::Runtime.
void write_output(const std::filesystem::path& file, std::string_view text);

}  // namespace fovea

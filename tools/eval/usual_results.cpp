#include "tools/eval/usual_results.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <vector>

#include "tools/text/json_number.h"
#include "tools/text/tasks.h"

namespace fovea {
namespace {

constexpr size_t part_bytes = size_t{512} << 10;  // a part, and what is read from it, stay in a core's own cache
constexpr size_t least_entry_bytes = 58;          // {"image_id":1,"category_id":1,"bbox":[0,0,0,0],"score":0},

// Text that ends with '\0', which is nothing of JSON, and has some more bytes behind that can be looked at.
class UsualText {
 public:
  explicit UsualText(const char* at) : at_(at) {}

  const char* at() const { return at_; }
  char next() {
    while (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t') ++at_;
    return *at_;
  }
  bool take(char c) {
    if (next() != c) return false;
    ++at_;
    return true;
  }
  bool number(double& number) {
    next();
    return read_json_number(at_, number);
  }
  bool integer(int64_t& number) {
    next();
    return read_json_integer(at_, number);
  }
  // Whether `rest`, with its last quote, follows the quote before a key.
  template <size_t size>
  bool take_key(const char (&rest)[size]) {
    if (std::memcmp(at_, rest, size - 1) != 0) return false;
    at_ += size - 1;
    return true;
  }
  // A key of letters, digits and underscores.
  bool other_key() {
    const auto is_plain = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    };
    while (is_plain(*at_)) ++at_;
    return *at_++ == '"';
  }

 private:
  const char* at_;
};

bool read_usual_box(UsualText& text, Detection& d) {
  return text.take('[') && text.number(d.x) && text.take(',') && text.number(d.y) && text.take(',') &&
         text.number(d.w) && text.take(',') && text.number(d.h) && text.take(']');
}

// One key and its value; false also where a key comes twice.
bool read_usual_field(UsualText& text, Detection& d, unsigned& found) {
  const auto first = [&](unsigned bit) {
    const bool is_new = (found & bit) == 0;
    found |= bit;
    return is_new && text.take(':');
  };
  if (!text.take('"')) return false;
  if (text.take_key("image_id\"")) return first(1) && text.integer(d.image_id);
  if (text.take_key("category_id\"")) return first(2) && text.integer(d.category_id);
  if (text.take_key("bbox\"")) return first(4) && read_usual_box(text, d);
  if (text.take_key("score\"")) return first(8) && text.number(d.score);
  double other = 0;
  return text.other_key() && text.take(':') && text.number(other);
}

bool read_usual_entry(UsualText& text, Detection& d) {
  if (!text.take('{')) return false;
  unsigned found = 0;
  do {
    if (!read_usual_field(text, d, found)) return false;
  } while (text.take(','));
  return found == 15 && text.take('}');
}

size_t count_of(const char* bytes, size_t size, char wanted) {
  size_t count = 0;
  for (size_t i = 0; i < size;) {
    uint8_t some = 0;  // bytes are added up as bytes, many at a time
    for (const size_t end = std::min(size, i + 255); i < end; ++i) some += bytes[i] == wanted ? 1 : 0;
    count += some;
  }
  return count;
}

// Hands out the parts of a file one after the other, and with each where its entries go: as many as it has closing
// braces.
class UsualParts {
 public:
  struct Part {
    std::vector<char> bytes;  // with a '\0' behind, and more
    size_t length = 0;
    bool first = false, last = false;
    size_t place = 0, entries = 0;
  };

  explicit UsualParts(const std::filesystem::path& path) {
    struct stat status{};
    // Before it is opened: a pipe whose reader goes again ends its writer.
    if (stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return;
    file_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (file_ >= 0 && fstat(file_, &status) == 0) size_ = static_cast<size_t>(status.st_size);
  }
  ~UsualParts() {
    if (file_ >= 0) close(file_);
  }
  UsualParts(const UsualParts&) = delete;
  UsualParts& operator=(const UsualParts&) = delete;

  size_t size() const { return size_; }  // 0: no file that can be read here
  size_t parts() const { return size_ / (part_bytes - rest_bytes) + 1; }
  size_t entries() const { return entries_; }

  // False where there is none, or not in the usual form.
  bool next(Part& part) {
    const std::lock_guard lock(mutex_);
    if (done_) return false;
    const size_t room = std::min(part_bytes, size_ - at_);
    part.bytes.resize(part_bytes + 64);
    for (size_t got = 0; got < room;) {
      const ssize_t read = pread(file_, part.bytes.data() + got, room - got, static_cast<off_t>(at_ + got));
      if (read <= 0) return !(failed_ = done_ = true);
      got += static_cast<size_t>(read);
    }
    part.first = at_ == 0;
    part.last = at_ + room == size_;
    size_t length = room;
    if (!part.last) {
      const void* const end = memrchr(part.bytes.data(), '}', room);
      if (end == nullptr) return !(failed_ = done_ = true);
      length = static_cast<size_t>(static_cast<const char*>(end) - part.bytes.data()) + 1;
      if (room - length > rest_bytes) return !(failed_ = done_ = true);
    }
    part.length = length;
    part.bytes[length] = '\0';
    part.place = entries_;
    part.entries = count_of(part.bytes.data(), length, '}');
    entries_ += part.entries;
    at_ += length;
    done_ = part.last;
    return true;
  }
  void fail() {
    const std::lock_guard lock(mutex_);
    failed_ = done_ = true;
  }
  bool failed() const { return failed_; }

 private:
  static constexpr size_t rest_bytes = 4096;  // of an entry that is not whole
  int file_ = -1;
  size_t size_ = 0, at_ = 0, entries_ = 0;
  bool done_ = false, failed_ = false;
  std::mutex mutex_;
};

bool read_usual_part(const UsualParts::Part& part, Detection* to) {
  UsualText text(part.bytes.data());
  for (size_t i = 0; i < part.entries; ++i)
    if (!text.take(part.first && i == 0 ? '[' : ',') || !read_usual_entry(text, to[i])) return false;
  if (part.last && !text.take(']')) return false;
  const bool at_end = text.next() == '\0' && text.at() == part.bytes.data() + part.length;
  return at_end && (part.entries > 0 || !part.first);
}

}  // namespace

std::optional<Detections> read_usual_results(const std::filesystem::path& path, size_t workers) {
  UsualParts parts(path);
  if (parts.size() == 0) return std::nullopt;
  Detections detections(parts.size() / least_entry_bytes + 1);  // memory that nothing is written to takes none
  std::vector<UsualParts::Part> own(workers);
  run_tasks(parts.parts(), workers, [&](size_t, size_t worker) {
    UsualParts::Part& part = own[worker];
    if (!parts.next(part)) return;
    Detection* const to = detections.data() + part.place;
    const bool usual = part.place + part.entries <= detections.size() && read_usual_part(part, to);
    if (!usual) parts.fail();
  });
  if (parts.failed()) return std::nullopt;
  detections.resize(parts.entries());
  return detections;
}

}  // namespace fovea

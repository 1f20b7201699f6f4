// Work that comes again with the same shapes: run once as it is, recorded the second time, replayed from then on.
#pragma once
#include <functional>
#include <list>
#include <optional>

#include "engine/context.h"

namespace fovea {

class RepeatedWork {
 public:
  // The first run takes what memory and plans the work needs, and makes tables from the host; from the second on the
  // same body must do the same, on the same addresses, and read nothing back: it is called to be recorded, on a GPU
  // several times, and then never again. Returns whether it was replayed.
  bool run(Context& context, const std::function<void()>& body, const RecordOptions& options = {});
  bool recorded() const { return recording_.has_value(); }

 private:
  std::optional<Recording> recording_;
  bool ran_ = false;
};

// Values by key, at most `limit` of them: the one that was not asked for longest makes room.
template <class Key, class Value>
class RecentlyUsed {
 public:
  explicit RecentlyUsed(size_t limit) : limit_(limit) {}

  // The key's value; make() is called where there is none. Valid until the next call.
  template <class Make>
  Value& at(const Key& key, const Make& make) {
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
      if (!(entry->first == key)) continue;
      entries_.splice(entries_.begin(), entries_, entry);
      return entries_.front().second;
    }
    if (entries_.size() == limit_) entries_.pop_back();
    return entries_.emplace_front(key, make()).second;
  }
  size_t size() const { return entries_.size(); }

 private:
  size_t limit_;
  std::list<std::pair<Key, Value>> entries_;
};

}  // namespace fovea

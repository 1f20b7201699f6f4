// Work that comes again with the same shapes: run once as it is, recorded the second time, replayed from then on.
#pragma once
#include <algorithm>
#include <functional>
#include <list>

#include "engine/context.h"

namespace fovea {

class RepeatedWork {
 public:
  // The first run takes what memory and plans the work needs, and makes tables from the host; from the second on the
  // same body must do the same, on the same addresses, and read nothing back: it is called to be recorded, on a GPU
  // several times, and then never again. Where memory does not suffice for that, it runs as it is each time. Returns
  // whether it was replayed.
  bool run(Context& context, const std::function<void()>& body, const RecordOptions& options = {}) {
    return run(context, body, options, next(context));
  }
  // Ranks take their steps in the same way. Memory that runs out on one of them between two steps changes what it would
  // do next: that is settled before, and passed to run().
  enum class Next : uint8_t { AsItIs, Recorded, Replayed };
  Next next(const Context& context) const;
  bool run(Context& context, const std::function<void()>& body, const RecordOptions& options, Next next);
  bool recorded() const { return recording_->has_value(); }

 private:
  bool record(Context& context, const std::function<void()>& body, const RecordOptions& options);

  Recordings::Held recording_ = std::make_shared<std::optional<Recording>>();
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
  bool holds(const Key& key) const {
    return std::any_of(entries_.begin(), entries_.end(), [&](const auto& entry) { return entry.first == key; });
  }
  size_t size() const { return entries_.size(); }

 private:
  size_t limit_;
  std::list<std::pair<Key, Value>> entries_;
};

}  // namespace fovea

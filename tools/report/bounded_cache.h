// Values by their keys, up to a number of bytes in all: when that is reached, all are dropped and made anew when asked
// for. A Value says what it takes by bytes().
#pragma once
#include <cstddef>
#include <map>
#include <memory>

namespace fovea {

template <class Key, class Value>
class BoundedCache {
 public:
  explicit BoundedCache(size_t most_bytes) : most_bytes_(most_bytes) {}

  // Stays valid when it is dropped here.
  template <class Like, class Make>
  std::shared_ptr<const Value> get(const Like& key, Make&& make) {
    const auto known = values_.find(key);
    if (known != values_.end()) return known->second;
    auto made = std::make_shared<const Value>(make());
    if (bytes_ + made->bytes() > most_bytes_) values_.clear(), bytes_ = 0;
    bytes_ += made->bytes();
    return values_.emplace(key, std::move(made)).first->second;
  }
  size_t bytes() const { return bytes_; }

 private:
  std::map<Key, std::shared_ptr<const Value>, std::less<>> values_;
  size_t bytes_ = 0, most_bytes_;
};

}  // namespace fovea

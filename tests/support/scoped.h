// Settings that last no longer than their test, whichever way it ends.
#pragma once
#include <type_traits>
#include <utility>

namespace fovea::test {

// Gives a setting another value as long as this lives. `set` takes a value and returns the one before.
template <class T>
class Scoped {
 public:
  Scoped(T (*set)(T), std::type_identity_t<T> value) : set_(set), before_(set(std::move(value))) {}
  ~Scoped() { set_(std::move(before_)); }
  Scoped(const Scoped&) = delete;
  Scoped& operator=(const Scoped&) = delete;

 private:
  T (*set_)(T);
  T before_;
};

}  // namespace fovea::test

// Vectors for large results that several threads fill.
#pragma once
#include <memory>
#include <utility>
#include <vector>

namespace fovea {

// As std::allocator, but elements that are given no value have none, and what is not written to takes no memory.
template <class T>
struct UntouchedAllocator : std::allocator<T> {
  template <class Other>
  struct rebind {
    using other = UntouchedAllocator<Other>;
  };
  template <class Element, class... From>
  void construct(Element* at, From&&... from) {
    if constexpr (sizeof...(From) == 0)
      ::new (static_cast<void*>(at)) Element;
    else
      ::new (static_cast<void*>(at)) Element(std::forward<From>(from)...);
  }
};
template <class T>
using UntouchedVector = std::vector<T, UntouchedAllocator<T>>;

}  // namespace fovea

// The same work with 1, 2, … cores: its bytes must not differ.
#pragma once
#include <omp.h>

#include <cstring>
#include <vector>

#include "tests/support/catch.h"
#include "tests/support/scoped.h"

namespace fovea::test {

// The bytes of vectors, one after the other.
template <class... T>
std::vector<char> bytes_of(const std::vector<T>&... parts) {
  std::vector<char> bytes;
  const auto append = [&](const void* data, size_t count) {
    const auto* first = static_cast<const char*>(data);
    bytes.insert(bytes.end(), first, first + count);
  };
  (append(parts.data(), parts.size() * sizeof(T)), ...);
  return bytes;
}

inline int set_threads(int count) {
  const int before = omp_get_max_threads();
  omp_set_num_threads(count);
  return before;
}

// run() returns a vector; checks that it is the same, bit for bit, with 1, 2, 3 and 5 threads.
template <class Run>
void check_same_bits_for_any_thread_count(const Run& run) {
  const auto expected = [&] {
    const Scoped one(set_threads, 1);
    return run();
  }();
  for (const int threads : {2, 3, 5}) {
    const Scoped cores(set_threads, threads);
    CAPTURE(threads);
    const auto out = run();
    REQUIRE(out.size() == expected.size());
    CHECK(std::memcmp(out.data(), expected.data(), out.size() * sizeof(out[0])) == 0);
  }
}

}  // namespace fovea::test

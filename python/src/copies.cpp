// Copies of arrays for an evaluation, which some of its numbers are made of only later. NumPy's own copies of this size
// ask for huge pages, and where memory is in small pieces the system takes longer to put these together than all else
// takes.
#include <nanobind/ndarray.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

#include "python/src/module.h"

namespace fovea::python {

namespace {

// slice(begin, end) of all `count`, without the GIL, on several threads where they are many.
template <class Slice>
void in_slices(size_t count, const Slice& slice) {
  const GilReleased released;
  constexpr size_t least = 100000, most_threads = 8;
  const size_t threads = std::clamp<size_t>(
      count / least, 1, std::min<size_t>(most_threads, std::max(1U, std::thread::hardware_concurrency())));
  std::vector<std::jthread> others;
  for (size_t i = 1; i < threads; ++i)
    others.emplace_back([&slice, count, threads, i] { slice(count * i / threads, count * (i + 1) / threads); });
  slice(0, count / threads);
}

template <class T>
using Owned = std::shared_ptr<T[]>;

template <class T>
nb::capsule owner_of(const Owned<T>& memory) {
  return nb::capsule(new Owned<T>(memory), [](void* kept) noexcept { delete static_cast<Owned<T>*>(kept); });
}

struct Row {
  int64_t image, category;
  double x, y, w, h, score;
};

// What is no id is that of no image.
int64_t id_of(double number) {
  constexpr double limit = 9223372036854775808.0;  // 2^63
  return number >= -limit && number < limit ? static_cast<int64_t>(number) : INT64_MIN;
}

using Rows = nb::ndarray<const double, nb::ndim<2>, nb::device::cpu, nb::ro>;

// (image_ids, category_ids, boxes, scores, whether all ids are numbers) of an array [N, 7]: image, x, y, width, height,
// score, category.
nb::tuple columns_of_rows(const Rows& rows) {
  const size_t count = rows.shape(0);
  if (rows.shape(1) != 7) throw nb::value_error("an array of results has 7 columns");
  const Owned<Row> made(new Row[std::max<size_t>(count, 1)]);
  const int64_t step = rows.stride(0), next = rows.stride(1);
  std::atomic<bool> finite = true;
  in_slices(count, [&](size_t begin, size_t end) {
    bool own_finite = true;
    for (size_t i = begin; i < end; ++i) {
      const double* const row = rows.data() + static_cast<int64_t>(i) * step;
      made[i] = {id_of(row[0]), id_of(row[6 * next]), row[next],    row[2 * next],
                 row[3 * next], row[4 * next],        row[5 * next]};
      own_finite &= std::isfinite(row[0]) && std::isfinite(row[6 * next]);
    }
    if (!own_finite) finite = false;
  });
  constexpr int64_t stride = sizeof(Row) / sizeof(double);
  const nb::capsule keep = owner_of(made);
  const auto column = [&](auto* first) {
    using T = std::remove_pointer_t<decltype(first)>;
    return nb::cast(nb::ndarray<nb::array_api, T>(first, {count}, keep, {stride}));
  };
  return nb::make_tuple(column(&made[0].image), column(&made[0].category),
                        nb::cast(nb::ndarray<nb::array_api, double>(&made[0].x, {count, 4}, keep, {stride, 1})),
                        column(&made[0].score), finite.load());
}

template <class T>
using Values = nb::ndarray<const T, nb::c_contig, nb::device::cpu, nb::ro>;

template <class T>
nb::object copied(const Values<T>& values) {
  const Owned<T> made(new T[values.size()]);
  in_slices(values.size(), [&](size_t begin, size_t end) {
    if (begin < end) memcpy(made.get() + begin, values.data() + begin, (end - begin) * sizeof(T));
  });
  std::vector<size_t> shape;
  for (size_t i = 0; i < values.ndim(); ++i) shape.push_back(values.shape(i));
  return nb::cast(nb::ndarray<nb::array_api, T>(made.get(), shape.size(), shape.data(), owner_of(made)));
}

}  // namespace

void add_copies(nb::module_& module) {
  module.def("columns_of_rows", &columns_of_rows, nb::arg("rows"));
  module.def("copied", &copied<double>, nb::arg("values").noconvert());
  module.def("copied", &copied<int64_t>, nb::arg("values").noconvert());
  module.def("copied", &copied<uint8_t>, nb::arg("values").noconvert());
}

}  // namespace fovea::python

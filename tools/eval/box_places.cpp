#include "tools/eval/box_places.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cmath>
#include <utility>

#include "kernels/error.h"
#include "tools/text/tasks.h"

namespace fovea {
namespace {

// Not worth a thread for less.
constexpr size_t entries_a_slice = 16384;

// What of a table one task goes through.
struct TableSlice {
  size_t begin, end;
  std::vector<uint32_t> counts;  // of each class; then where the next of it goes
};

std::vector<TableSlice> table_slices(size_t count, size_t workers) {
  const size_t number = std::clamp<size_t>(count / entries_a_slice, 1, workers);
  std::vector<TableSlice> slices;
  for (size_t i = 0; i < number; ++i) slices.push_back({count * i / number, count * (i + 1) / number});
  return slices;
}

void require_numbers(const BoxTable& table, size_t i) {
  const Rectangle box = table.boxes[i];
  const double sum = box.x * 0 + box.y * 0 + box.w * 0 + box.h * 0;  // NaN where one is not finite
  if (sum != 0)
    throw Error(ErrorKind::Usage, fmt::format("{}.boxes[{}] is [{}, {}, {}, {}]: expected finite numbers", table.name,
                                              i, box.x, box.y, box.w, box.h));
  if (table.scores && std::isnan(table.scores[i]))
    throw Error(ErrorKind::Usage, fmt::format("{}.scores[{}] is nan", table.name, i));
}

// Calls `entry(i, image, label)` for those of the slice that are of these images and categories. Done twice: to note
// the numbers would cost as much, and memory.
template <class Entry>
void for_each_known(const BoxTable& table, const IdIndex& images, const IdIndex& categories, const TableSlice& slice,
                    Entry&& entry) {
  int64_t last_id = 0;
  uint32_t image = images.find(last_id);
  for (size_t i = slice.begin; i < slice.end; ++i) {
    if (const int64_t id = table.images[i]; id != last_id) last_id = id, image = images.find(id);
    if (image == IdIndex::kNone) continue;
    if (const uint32_t label = categories.find(table.categories[i]); label != IdIndex::kNone) entry(i, image, label);
  }
}

bool is_before(const Place& a, const Place& b) {
  return (uint64_t{a.image} << 32 | a.at) < (uint64_t{b.image} << 32 | b.at);
}

}  // namespace

IdIndex::IdIndex(std::span<const int64_t> ids) {
  const size_t size = std::bit_ceil(2 * std::max<size_t>(ids.size(), 1));
  require(size <= size_t{1} << 32, "2^31 ids or more");
  slots_.resize(size);
  shift_ = 64 - std::countr_zero(size);
  for (size_t i = 0; i < ids.size(); ++i) {
    size_t slot = first_slot(ids[i]);
    while (slots_[slot].number != kNone && slots_[slot].id != ids[i]) slot = (slot + 1) & (size - 1);
    if (slots_[slot].number == kNone) slots_[slot] = {ids[i], static_cast<uint32_t>(i)};
  }
}

std::vector<int64_t> distinct_ids(size_t count, const Column<int64_t>& ids, size_t other_count,
                                  const Column<int64_t>& other_ids) {
  std::vector<int64_t> distinct;
  std::array<int64_t, 1024> lately{};  // most that come again need not be sorted again
  bool zero = false;
  const auto add = [&](int64_t id) {
    int64_t& last = lately[static_cast<uint64_t>(id) * 0x9E3779B97F4A7C15 >> 54];
    if (id == last && (id != 0 || zero)) return;
    zero = zero || id == 0;
    last = id;
    distinct.push_back(id);
  };
  for (size_t i = 0; i < count; ++i) add(ids[i]);
  for (size_t i = 0; i < other_count; ++i) add(other_ids[i]);
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  return distinct;
}

Places places_of(const BoxTable& table, const IdIndex& images, std::span<const int64_t> categories, size_t workers) {
  require(table.count < UINT32_MAX, "2^32 boxes or more");
  const IdIndex labels(categories);
  const size_t classes = categories.size();
  std::vector<TableSlice> slices = table_slices(table.count, workers);
  run_tasks(slices.size(), workers, [&](size_t s, size_t) {
    slices[s].counts.assign(classes, 0);
    for_each_known(table, images, labels, slices[s], [&](size_t i, uint32_t, uint32_t label) {
      require_numbers(table, i);
      ++slices[s].counts[label];
    });
  });
  Places places;
  uint32_t next = 0;
  for (size_t k = 0; k < classes; ++k) {
    places.first.push_back(next);
    for (TableSlice& slice : slices) next += std::exchange(slice.counts[k], next);
  }
  places.first.push_back(next);
  places.entries.resize(next);
  run_tasks(slices.size(), workers, [&](size_t s, size_t) {
    for_each_known(table, images, labels, slices[s], [&](size_t i, uint32_t image, uint32_t label) {
      places.entries[slices[s].counts[label]++] = {image, static_cast<uint32_t>(i), table.scores ? table.scores[i] : 0,
                                                   table.area(i, table.boxes[i])};
    });
  });
  run_tasks(classes, next < entries_a_slice ? 1 : workers, [&](size_t k, size_t) {
    const std::span<Place> own(places.entries.data() + places.first[k], places.first[k + 1] - places.first[k]);
    if (!std::is_sorted(own.begin(), own.end(), is_before)) std::sort(own.begin(), own.end(), is_before);
  });
  return places;
}

Places as_one_class(const Places& places, size_t images) {
  std::vector<uint32_t> next(images + 1);
  for (const Place& place : places.entries) ++next[place.image + 1];
  for (size_t i = 0; i < images; ++i) next[i + 1] += next[i];
  Places one{UntouchedVector<Place>(places.entries.size()), {0, static_cast<uint32_t>(places.entries.size())}};
  for (const Place& place : places.entries) one.entries[next[place.image]++] = place;
  return one;
}

}  // namespace fovea

// Objects or detections as columns of numbers that lie wherever their owner has them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "tools/eval/boxes.h"

namespace fovea {

// Values that lie `stride` bytes apart, at any alignment.
template <class T>
struct Column {
  const void* first = nullptr;  // nullptr: there is no such column
  ptrdiff_t stride = sizeof(T);

  explicit operator bool() const { return first != nullptr; }
  const std::byte* at(size_t i) const {
    return static_cast<const std::byte*>(first) + static_cast<ptrdiff_t>(i) * stride;
  }
  T operator[](size_t i) const {
    T value;
    std::memcpy(&value, at(i), sizeof(T));
    return value;
  }
};

struct Rectangle {
  double x, y, w, h;
};

struct BoxTable {
  const char* name = "";  // for messages
  size_t count = 0;
  Column<int64_t> images, categories;  // ids
  Column<Rectangle> boxes;
  Column<double> scores;   // of detections
  Column<double> areas;    // none: width × height
  Column<uint8_t> crowds;  // of objects; none: there are none
  Column<int64_t> ids;     // none: 1 … count

  double area(size_t i, const Rectangle& box) const { return areas ? areas[i] : box.w * box.h; }
};

inline BoxTable table_of(std::span<const GroundTruth> objects) {
  constexpr ptrdiff_t stride = sizeof(GroundTruth);
  if (objects.empty()) return {.name = "truth"};
  const GroundTruth& first = objects[0];
  return {.name = "truth",
          .count = objects.size(),
          .images = {&first.image_id, stride},
          .categories = {&first.category_id, stride},
          .boxes = {&first.x, stride},
          .scores = {},
          .areas = {&first.area, stride},
          .crowds = {&first.crowd, stride},
          .ids = {&first.id, stride}};
}

inline BoxTable table_of(std::span<const Detection> detections) {
  constexpr ptrdiff_t stride = sizeof(Detection);
  if (detections.empty()) return {.name = "detections"};
  const Detection& first = detections[0];
  return {.name = "detections",
          .count = detections.size(),
          .images = {&first.image_id, stride},
          .categories = {&first.category_id, stride},
          .boxes = {&first.x, stride},
          .scores = {&first.score, stride},
          .areas = {},
          .crowds = {},
          .ids = {}};
}

}  // namespace fovea

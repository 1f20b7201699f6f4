#include "engine/tensor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstring>

namespace fovea {

struct Tensor::Storage {
  Allocator& memory;
  void* data;
  Storage(Allocator& m, size_t bytes, MemoryUse use) : memory(m), data(m.allocate(bytes, use)) {}
  ~Storage() { memory.free(data); }
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;
};

std::string Shape::text() const { return fmt::format("[{}]", fmt::join(sizes_, ", ")); }

Tensor Tensor::empty(Allocator& memory, Shape shape, DType dtype, MemoryUse use) {
  Tensor tensor;
  const size_t bytes = static_cast<size_t>(shape.count()) * size_of(dtype);
  auto storage = std::make_shared<Storage>(memory, bytes, use);
  void* data = storage->data;
  tensor.impl_ = std::make_shared<Impl>(Impl{std::move(storage), data, std::move(shape), dtype});
  return tensor;
}

Tensor Tensor::zeros(Allocator& memory, Shape shape, DType dtype, MemoryUse use) {
  Tensor tensor = empty(memory, std::move(shape), dtype, use);
  memory.queue().fill_zero(tensor.raw(), tensor.bytes());
  return tensor;
}

template <class T>
Tensor Tensor::from(Allocator& memory, const Shape& shape, const std::vector<T>& values, MemoryUse use) {
  Tensor tensor = empty(memory, shape, dtype_of<T>(), use);
  tensor.upload(values);
  return tensor;
}

template <class T>
void Tensor::upload(const std::vector<T>& values) const {
  require(static_cast<int64_t>(values.size()) == count(), "the number of values is not that of the tensor's elements");
  Queue& queue = memory().queue();
  queue.copy(data<T>(), values.data(), bytes());
  queue.synchronize("uploading from memory that the caller may free");
}

Tensor Tensor::view(Shape shape, int64_t first_element) const {
  return reinterpreted(std::move(shape), dtype(), static_cast<size_t>(first_element) * size_of(dtype()));
}

Tensor Tensor::reinterpreted(Shape shape, DType dtype, size_t first_byte) const {
  const size_t size = static_cast<size_t>(shape.count()) * size_of(dtype);
  require(first_byte <= bytes() && size <= bytes() - first_byte, "a view reaches beyond its tensor");
  require(first_byte % size_of(dtype) == 0, "a view is not aligned to its element size");
  Tensor tensor;
  auto* begin = static_cast<std::byte*>(raw()) + first_byte;
  tensor.impl_ = std::make_shared<Impl>(Impl{impl_->storage, begin, std::move(shape), dtype});
  return tensor;
}

Allocator& Tensor::memory() const { return impl_->storage->memory; }

template <class T>
std::vector<T> Tensor::to_host() const {
  Queue& queue = memory().queue();
  std::vector<T> values(static_cast<size_t>(count()));
  if constexpr (std::is_same_v<T, float>) {
    if (dtype() == DType::BF16) {
      const auto brief = to_host<bfloat16>();
      std::copy(brief.begin(), brief.end(), values.begin());
      return values;
    }
  }
  queue.copy(values.data(), data<T>(), bytes());
  queue.synchronize("copying a tensor to the host");
  return values;
}

#define FOVEA_INSTANTIATE(T)                                                                \
  template Tensor Tensor::from(Allocator&, const Shape&, const std::vector<T>&, MemoryUse); \
  template void Tensor::upload(const std::vector<T>&) const;                                \
  template std::vector<T> Tensor::to_host() const;
FOVEA_INSTANTIATE(float)
FOVEA_INSTANTIATE(bfloat16)
FOVEA_INSTANTIATE(int32_t)
FOVEA_INSTANTIATE(uint8_t)
#undef FOVEA_INSTANTIATE

}  // namespace fovea

// Tensor: a handle to a contiguous array on the queue's device. Copies share the memory; views share it too. Images are
// NHWC.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "kernels/device/memory.h"
#include "kernels/launch/dtype.h"

namespace fovea {

class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<int64_t> sizes) : sizes_(sizes) {}
  explicit Shape(std::vector<int64_t> sizes) : sizes_(std::move(sizes)) {}
  int64_t operator[](size_t i) const { return sizes_[i]; }
  size_t rank() const { return sizes_.size(); }
  int64_t count() const {
    int64_t n = 1;
    for (const int64_t size : sizes_) n *= size;
    return n;
  }
  const std::vector<int64_t>& sizes() const { return sizes_; }
  std::string text() const;  // e.g. "[2, 100, 100, 256]"
  bool operator==(const Shape&) const = default;

 private:
  std::vector<int64_t> sizes_;
};

class Tensor {
 public:
  Tensor() = default;  // no tensor
  static Tensor empty(Allocator& memory, Shape shape, DType dtype, MemoryUse use = MemoryUse::Activations);
  static Tensor zeros(Allocator& memory, Shape shape, DType dtype, MemoryUse use = MemoryUse::Activations);
  // Copies `values` to the device. The count must be the shape's.
  template <class T>
  static Tensor from(Allocator& memory, const Shape& shape, const std::vector<T>& values,
                     MemoryUse use = MemoryUse::Data);

  explicit operator bool() const { return impl_ != nullptr; }
  const Shape& shape() const { return impl_->shape; }
  DType dtype() const { return impl_->dtype; }
  int64_t count() const { return impl_->shape.count(); }
  size_t bytes() const { return static_cast<size_t>(count()) * size_of(dtype()); }
  void* raw() const { return impl_->data; }
  // Throws when T is not the tensor's element type.
  template <class T>
  T* data() const {
    require(dtype() == dtype_of<T>(), "tensor accessed with the wrong element type");
    return static_cast<T*>(impl_->data);
  }

  // NHWC images.
  int batch() const { return static_cast<int>(shape()[0]); }
  int height() const { return static_cast<int>(shape()[1]); }
  int width() const { return static_cast<int>(shape()[2]); }
  int channels() const { return static_cast<int>(shape()[shape().rank() - 1]); }
  int64_t rows() const { return channels() == 0 ? 0 : count() / channels(); }  // all positions: N·H·W

  Tensor view(Shape shape, int64_t first_element = 0) const;  // a part of the same memory, in another shape
  // A part of the same memory with other elements; `first_byte` is a multiple of their size.
  Tensor reinterpreted(Shape shape, DType dtype, size_t first_byte = 0) const;
  Allocator& memory() const;

  // Waits for the queue and copies to the host, converting bf16 to float.
  template <class T>
  std::vector<T> to_host() const;
  template <class T>
  void upload(const std::vector<T>& values) const;

  // A gradient flows to this tensor (set by the tape and for trainable parameters).
  bool requires_gradient() const { return impl_ != nullptr && impl_->requires_gradient; }
  void set_requires_gradient(bool requires_gradient) const { impl_->requires_gradient = requires_gradient; }
  const void* id() const { return impl_.get(); }

 private:
  struct Storage;
  struct Impl {
    std::shared_ptr<Storage> storage;
    void* data;
    Shape shape;
    DType dtype;
    bool requires_gradient = false;
  };
  std::shared_ptr<Impl> impl_;
};

}  // namespace fovea

// The CPU form of every CUDA kernel that launch.h instantiates, listed by the kernel's address. A stand-in for the CUDA
// runtime (tests/standin) runs launches by it, so that the objects compiled for the GPU run where there is none.
#pragma once
#include <functional>
#include <tuple>
#include <utility>

namespace fovea::launch {

using Work = std::function<void()>;

struct CpuForm {
  CpuForm(const void* kernel_address, size_t bytes, Work (*work_of_launch)(void* const* arguments))
      : kernel(kernel_address), functor_bytes(bytes), work(work_of_launch), next(first()) {
    first() = this;
  }

  static const CpuForm*& first() {
    static const CpuForm* list = nullptr;
    return list;
  }
  static const CpuForm* find(const void* kernel) {
    const CpuForm* form = first();
    while (form != nullptr && form->kernel != kernel) form = form->next;
    return form;
  }

  const void* kernel;               // host address of the __global__ function
  size_t functor_bytes;             // of its first argument
  Work (*work)(void* const* args);  // what a CPU queue would run for a launch with these arguments, which it copies
  const CpuForm* next;
};

// Kernel: global() = the __global__ function; on_cpu(arguments…) = the same work on the CPU.
template <class Kernel>
struct Registered {
  template <class... A, size_t... I>
  static Work copied(void (*)(A...), void* const* arguments, std::index_sequence<I...>) {
    return [copies = std::tuple<A...>(*static_cast<A*>(arguments[I])...)] {
      std::apply([](const A&... values) { Kernel::on_cpu(values...); }, copies);
    };
  }
  template <class... A>
  static Work copied(void (*global)(A...), void* const* arguments) {
    return copied(global, arguments, std::index_sequence_for<A...>());
  }
  static Work work(void* const* arguments) { return copied(Kernel::global(), arguments); }
  template <class F, class... Size>
  static constexpr size_t functor_bytes(void (*)(F, Size...)) {
    return sizeof(F);
  }

  static const CpuForm form;
};
template <class Kernel>
const CpuForm Registered<Kernel>::form{reinterpret_cast<const void*>(Kernel::global()),
                                          functor_bytes(Kernel::global()), &Registered::work};

}  // namespace fovea::launch

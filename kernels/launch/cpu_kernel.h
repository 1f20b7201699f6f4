// The CPU form of every CUDA kernel that launch.h instantiates, listed by the kernel's address. A stand-in for the CUDA
// runtime (tests/standin) runs launches by it, so that the objects compiled for the GPU run where there is none.
#pragma once
#include <functional>
#include <string>
#include <tuple>
#include <utility>

namespace fovea::launch {

using Work = std::function<void()>;

struct CpuKernel {
  CpuKernel(const void* kernel_address, std::string (*bytes)(void* const*), Work (*work_of_launch)(void* const*))
      : kernel(kernel_address), functor_bytes(bytes), work(work_of_launch), next(first()) {
    first() = this;
  }

  static const CpuKernel*& first() {
    static const CpuKernel* list = nullptr;
    return list;
  }
  static const CpuKernel* find(const void* kernel) {
    const CpuKernel* form = first();
    while (form != nullptr && form->kernel != kernel) form = form->next;
    return form;
  }

  const void* kernel;                                    // host address of the __global__ function
  std::string (*functor_bytes)(void* const* arguments);  // of the first argument, what lies between members zeroed
  Work (*work)(void* const* arguments);  // what a CPU queue would run for a launch with these, which it copies
  const CpuKernel* next;
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
  static std::string functor_bytes(void (*)(F, Size...), void* const* arguments) {
    F functor = *static_cast<F*>(arguments[0]);
    __builtin_clear_padding(&functor);
    return {reinterpret_cast<const char*>(&functor), sizeof(F)};
  }
  static std::string functor_bytes(void* const* arguments) { return functor_bytes(Kernel::global(), arguments); }

  static const CpuKernel form;
};
template <class Kernel>
const CpuKernel Registered<Kernel>::form{reinterpret_cast<const void*>(Kernel::global()), &Registered::functor_bytes,
                                         &Registered::work};

}  // namespace fovea::launch

#include "kernels/launch/fiber.h"

#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <exception>
#include <map>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

#include "kernels/error.h"

// The sanitizers must be told when the stack changes. (clang says which one is on in its own way.)
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__
#elif __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#elif defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace fovea {

namespace {
constexpr size_t kStackBytes = 256 * 1024;
enum class State : uint8_t { Ready, AtBlockBarrier, AtWarpBarrier, Done };
}  // namespace

struct FiberScheduler::Impl {
  struct Fiber {
    ucontext_t context;
    void* stack = nullptr;
    State state = State::Done;
    void* sanitizer = nullptr;  // address: fake stack; thread: fiber handle
  };

  std::vector<Fiber> fibers;
  ucontext_t main_context;
  void* main_sanitizer = nullptr;
  const void* main_stack = nullptr;
  size_t main_stack_bytes = 0;
  int current = 0;
  const std::function<void(int)>* body = nullptr;
  std::exception_ptr failure;
  bool at_start = false;  // every fiber waits for the body of its next block

  void enter(int thread) {
    current = thread;
    Fiber& fiber = fibers[thread];
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&main_sanitizer, fiber.stack, kStackBytes);
#elif defined(__SANITIZE_THREAD__)
    main_sanitizer = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(fiber.sanitizer, 0);
#endif
    swapcontext(&main_context, &fiber.context);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(main_sanitizer, nullptr, nullptr);
#endif
  }

  void leave(State state) {
    Fiber& fiber = fibers[current];
    fiber.state = state;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&fiber.sanitizer, main_stack, main_stack_bytes);
#elif defined(__SANITIZE_THREAD__)
    __tsan_switch_to_fiber(main_sanitizer, 0);
#endif
    swapcontext(&fiber.context, &main_context);
    resumed();
  }

  void resumed() {
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fibers[current].sanitizer, &main_stack, &main_stack_bytes);
#endif
  }

  [[noreturn]] void run_bodies() {
    resumed();
    for (;;) {
      try {
        (*body)(current);
      } catch (...) {
        failure = std::current_exception();
      }
      leave(State::Done);
    }
  }

  static void start(unsigned high, unsigned low) {
    reinterpret_cast<Impl*>((static_cast<uintptr_t>(high) << 32) | low)->run_bodies();
  }

  // Fibers with empty stacks. Once is enough, until a block is given up with threads in the midst of their body.
  void make_fibers() {
    for (Fiber& fiber : fibers) make_fiber(fiber);
  }
  // A function of its own: to the compiler getcontext may return twice, which would spoil a loop's variables.
  [[gnu::noinline]] void make_fiber(Fiber& fiber) {
    const auto self = reinterpret_cast<uintptr_t>(this);
    getcontext(&fiber.context);
    fiber.context.uc_stack.ss_sp = fiber.stack;
    fiber.context.uc_stack.ss_size = kStackBytes;
    fiber.context.uc_link = nullptr;
#if defined(__SANITIZE_ADDRESS__)
    fiber.sanitizer = nullptr;
#elif defined(__SANITIZE_THREAD__)
    if (fiber.sanitizer != nullptr) __tsan_destroy_fiber(fiber.sanitizer);
    fiber.sanitizer = __tsan_create_fiber(0);
#endif
    makecontext(&fiber.context, reinterpret_cast<void (*)()>(&Impl::start), 2, static_cast<unsigned>(self >> 32),
                static_cast<unsigned>(self));
  }

  // Frees the threads of every complete barrier; false when all threads are done.
  bool release_barriers() {
    bool released = false, waiting = false;
    for (size_t first = 0; first < fibers.size(); first += kWarpSize) {
      const auto begin = fibers.begin() + first, end = fibers.begin() + std::min(first + kWarpSize, fibers.size());
      if (!std::all_of(begin, end, [](const Fiber& f) { return f.state == State::AtWarpBarrier; })) continue;
      for (auto f = begin; f != end; ++f) f->state = State::Ready;
      released = true;
    }
    if (released) return true;
    for (const Fiber& f : fibers) waiting |= f.state != State::Done;
    if (!waiting) return false;
    const bool complete =
        std::all_of(fibers.begin(), fibers.end(), [](const Fiber& f) { return f.state == State::AtBlockBarrier; });
    if (!complete && failure) return false;
    if (!complete) throw Error(ErrorKind::Runtime, "only some threads of the block reached a barrier");
    for (Fiber& f : fibers) f.state = State::Ready;
    return true;
  }
};

FiberScheduler::FiberScheduler(int threads) : impl_(std::make_unique<Impl>()), exchange_(new uint64_t[threads]) {
  impl_->fibers.resize(threads);
  for (auto& fiber : impl_->fibers) {
    fiber.stack = mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (fiber.stack == MAP_FAILED) throw Error(ErrorKind::OutOfMemory, "out of memory: stacks of the test fibers");
  }
}

FiberScheduler::~FiberScheduler() {
  for (auto& fiber : impl_->fibers) {
#if defined(__SANITIZE_THREAD__)
    if (fiber.sanitizer != nullptr) __tsan_destroy_fiber(fiber.sanitizer);
#endif
    munmap(fiber.stack, kStackBytes);
  }
}

FiberScheduler& FiberScheduler::of_this_thread(int threads) {
  static thread_local std::map<int, FiberScheduler> schedulers;
  return schedulers.try_emplace(threads, threads).first->second;
}

void FiberScheduler::run(ExecutionMode order, uint64_t seed, const std::function<void(int)>& body) {
  Impl& impl = *impl_;
  impl.body = &body;
  impl.failure = nullptr;
  if (!std::exchange(impl.at_start, false)) impl.make_fibers();
  for (auto& fiber : impl.fibers) fiber.state = State::Ready;
  std::vector<int> turn(impl.fibers.size());
  std::iota(turn.begin(), turn.end(), 0);
  if (order == ExecutionMode::FibersReversed) std::reverse(turn.begin(), turn.end());
  std::mt19937_64 random(seed);
  do {
    if (order == ExecutionMode::FibersShuffled) std::shuffle(turn.begin(), turn.end(), random);
    for (const int thread : turn)
      if (impl.fibers[thread].state == State::Ready) impl.enter(thread);
  } while (impl.release_barriers());
  impl.at_start =
      std::all_of(impl.fibers.begin(), impl.fibers.end(), [](const auto& fiber) { return fiber.state == State::Done; });
  if (impl.failure) std::rethrow_exception(impl.failure);
}

void FiberScheduler::sync_block() { impl_->leave(State::AtBlockBarrier); }
void FiberScheduler::sync_warp() { impl_->leave(State::AtWarpBarrier); }

}  // namespace fovea

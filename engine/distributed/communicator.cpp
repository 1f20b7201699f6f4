#include "engine/distributed/communicator.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>

#include "engine/distributed/watch.h"

namespace fovea {

namespace {

constexpr int64_t kSmall = 4096;  // elements up to which one round of everything is faster than two rounds of parts

// Where rank r's part of `count` elements begins.
int64_t part_begin(int64_t count, int rank, int size) { return count * rank / size; }

std::string host_name() {
  char name[256] = {};
  gethostname(name, sizeof(name) - 1);
  return name;
}

}  // namespace

std::string name_ranks(const std::vector<int>& ranks) {
  return fmt::format("rank{} {}", ranks.size() == 1 ? "" : "s", fmt::join(ranks, ", "));
}

struct Communicator::Side {
  Queue queue{DeviceKind::Cuda};
  Event begin{DeviceKind::Cuda}, end{DeviceKind::Cuda};
  bool used = false;
};

Communicator::Communicator() = default;

Communicator::Communicator(std::unique_ptr<Transport> transport) : transport_(std::move(transport)) {
  const auto hosts = all_gather(host_name());
  local_size_ = static_cast<int>(std::count(hosts.begin(), hosts.end(), hosts[static_cast<size_t>(rank())]));
  local_rank_ = static_cast<int>(std::count(hosts.begin(), hosts.begin() + rank(), hosts[static_cast<size_t>(rank())]));
}

Communicator::~Communicator() = default;

DeviceCollectives& Communicator::on_gpu() {
  if (!on_gpu_) on_gpu_ = connect_nccl(*this, *transport_);
  return *on_gpu_;
}

template <class T>
void Communicator::all_reduce_sum(Queue& queue, T* values, int64_t count) {
  if (alone() || count == 0) return;
  if (queue.on_cuda())
    queue.submit("all_reduce",
                 [this, &queue, values, count] { on_gpu().all_reduce_sum(queue.stream(), values, count); });
  else
    queue.submit("all_reduce", [this, values, count] { reduce_on_host(values, count); });
}
template void Communicator::all_reduce_sum(Queue&, float*, int64_t);
template void Communicator::all_reduce_sum(Queue&, double*, int64_t);
template void Communicator::all_reduce_sum(Queue&, int32_t*, int64_t);

void Communicator::all_reduce_sum_aside(Queue& queue, float* values, int64_t count) {
  if (alone() || !queue.on_cuda()) return all_reduce_sum(queue, values, count);
  if (!side_) side_ = std::make_unique<Side>();
  side_->begin.record(queue);
  side_->queue.wait(side_->begin);
  all_reduce_sum(side_->queue, values, count);
  side_->used = true;
}

void Communicator::join(Queue& queue) {
  if (!side_ || !side_->used) return;
  side_->end.record(side_->queue);
  queue.wait(side_->end);
  side_->used = false;
}

void Communicator::broadcast(Queue& queue, void* values, size_t bytes) {
  if (alone() || bytes == 0) return;
  if (queue.on_cuda()) {
    queue.submit("broadcast", [this, &queue, values, bytes] { on_gpu().broadcast(queue.stream(), values, bytes); });
    return;
  }
  queue.submit("broadcast", [this, values, bytes] {
    auto* data = static_cast<std::byte*>(values);
    std::vector<std::span<const std::byte>> out(static_cast<size_t>(size()));
    std::vector<std::span<std::byte>> in(static_cast<size_t>(size()));
    if (is_first())
      std::fill(out.begin() + 1, out.end(), std::span<const std::byte>(data, bytes));
    else
      in[0] = {data, bytes};
    exchange(out, in);
  });
}

// Each rank sums one part of all ranks' values, in their order, and sends the sum to all: twice (size − 1) / size of
// the bytes in and out of each rank.
template <class T>
void Communicator::reduce_on_host(T* values, int64_t count) {
  if (count <= kSmall) return reduce_whole(values, count);
  const auto ranks = static_cast<size_t>(size());
  const auto begin = [&](int rank) { return part_begin(count, rank, size()); };
  const auto part = [&](int rank) {
    return std::as_writable_bytes(std::span<T>(values + begin(rank), values + begin(rank + 1)));
  };
  const int64_t own = begin(rank() + 1) - begin(rank());
  scratch_.resize(ranks * static_cast<size_t>(own) * sizeof(T));
  T* received = reinterpret_cast<T*>(scratch_.data());
  const auto from = [&](int rank) { return received + rank * own; };

  std::vector<std::span<const std::byte>> out(ranks);
  std::vector<std::span<std::byte>> in(ranks);
  for (int r = 0; r < size(); ++r) {
    if (r == rank()) continue;
    out[static_cast<size_t>(r)] = part(r);
    in[static_cast<size_t>(r)] = std::as_writable_bytes(std::span<T>(from(r), static_cast<size_t>(own)));
  }
  exchange(out, in);

  T* mine = values + begin(rank());
  std::copy(mine, mine + own, from(rank()));
  std::copy(from(0), from(0) + own, mine);
  for (int r = 1; r < size(); ++r)
    for (int64_t i = 0; i < own; ++i) mine[i] += from(r)[i];

  for (int r = 0; r < size(); ++r) {
    if (r == rank()) continue;
    out[static_cast<size_t>(r)] = part(rank());
    in[static_cast<size_t>(r)] = part(r);
  }
  exchange(out, in);
}

// The same sums in one round.
template <class T>
void Communicator::reduce_whole(T* values, int64_t count) {
  const size_t bytes = static_cast<size_t>(count) * sizeof(T);
  scratch_.resize(static_cast<size_t>(size()) * bytes);
  gather_fixed(reinterpret_cast<const std::byte*>(values), scratch_.data(), bytes);
  const T* all = reinterpret_cast<const T*>(scratch_.data());
  std::copy(all, all + count, values);
  for (int r = 1; r < size(); ++r)
    for (int64_t i = 0; i < count; ++i) values[i] += all[r * count + i];
}

void Communicator::exchange(std::span<const std::span<const std::byte>> out, std::span<const std::span<std::byte>> in) {
  check();
  try {
    transport_->exchange(out, in);
  } catch (const Error& error) {  // freeing a GPU's memory would wait for collectives that never end
    if (on_gpu_) on_gpu_->watch().give_up({error.kind(), error.what()});
    throw;
  }
}

// all: size() × bytes.
void Communicator::gather_fixed(const std::byte* mine, std::byte* all, size_t bytes) {
  std::copy(mine, mine + bytes, all + static_cast<size_t>(rank()) * bytes);
  if (alone()) return;
  const std::vector<std::span<const std::byte>> out(static_cast<size_t>(size()), {mine, bytes});
  std::vector<std::span<std::byte>> in;
  for (size_t r = 0; r < out.size(); ++r) in.emplace_back(all + r * bytes, bytes);
  exchange(out, in);
}

std::vector<std::string> Communicator::all_gather(const std::string& bytes) {
  std::vector<std::string> all;
  for (const uint64_t length : all_gather(uint64_t{bytes.size()})) all.emplace_back(length, '\0');
  all[static_cast<size_t>(rank())] = bytes;
  if (alone()) return all;
  const std::vector<std::span<const std::byte>> out(all.size(), std::as_bytes(std::span(bytes)));
  std::vector<std::span<std::byte>> in;
  for (std::string& text : all) in.push_back(std::as_writable_bytes(std::span(text)));
  exchange(out, in);
  return all;
}

std::string Communicator::broadcast(const std::string& bytes) {
  return all_gather(is_first() ? bytes : std::string())[0];
}

bool Communicator::any(bool value) {
  const auto all = all_gather(static_cast<uint8_t>(value));
  return std::find(all.begin(), all.end(), uint8_t{1}) != all.end();
}

void Communicator::barrier() { any(false); }

void Communicator::watched(Queue& queue, const std::string& what, const std::function<void()>& body) {
  if (alone() || !queue.on_cuda()) return body();
  Watch& watch = on_gpu().watch();
  watch.begin(what);
  body();
  watch.end(queue);
}

void Communicator::check() const {
  if (on_gpu_) on_gpu_->watch().check();
}

void Communicator::leave() {
  barrier();  // nobody has work for a GPU's collectives any more
  side_.reset();
  on_gpu_.reset();  // nor watches the others
  barrier();
}

std::string Communicator::abort(ErrorKind kind, const std::string& why) noexcept {
  if (alone()) return why;
  const std::string message = why.starts_with("rank ") ? why : fmt::format("rank {}: {}", rank(), why);
  transport_->abort(kind, message);
  return message;
}

}  // namespace fovea

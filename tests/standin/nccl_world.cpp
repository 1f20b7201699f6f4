#include "tests/standin/nccl_world.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <utility>

namespace standin {

struct World::Seat {
  std::atomic<uint64_t> meetings;  // that it has come to
  Collective call;
};

namespace {

constexpr size_t kSeat = 4096, kMapped = kMostRanks * (kSeat + kChunk);

// What a unique id says.
struct Place {
  uint64_t magic = 0x4C43434E;
  int64_t process = 0;
  int32_t file = -1;
};

[[noreturn]] void fail(const std::string& what) { throw std::runtime_error(what + ": " + std::strerror(errno)); }

template <class T>
void add(void* sum, const void* values, size_t count) {
  for (size_t i = 0; i < count; ++i) static_cast<T*>(sum)[i] += static_cast<const T*>(values)[i];
}

void add(int32_t type, void* sum, const void* values, size_t bytes) {
  const size_t count = bytes / World::bytes_of(type);
  if (type == ncclFloat32) return add<float>(sum, values, count);
  if (type == ncclFloat64) return add<double>(sum, values, count);
  if (type == ncclInt32) return add<int32_t>(sum, values, count);
  add<uint8_t>(sum, values, count);
}

}  // namespace

std::string Collective::text() const {
  if (kind == Kind::Join) return "a start of " + std::to_string(ranks) + " ranks";
  return (kind == Kind::AllReduce ? "an all-reduce of " : "a broadcast from rank " + std::to_string(root) + " of ") +
         std::to_string(count) + " values of type " + std::to_string(type);
}

size_t World::bytes_of(int32_t type) {
  switch (type) {
    case ncclUint8:
      return 1;
    case ncclInt32:
    case ncclFloat32:
      return 4;
    case ncclFloat64:
      return 8;
    default:
      return 0;
  }
}

ncclUniqueId World::create() {
  Place place;
  place.process = getpid();
  place.file = memfd_create("stand-in for NCCL", MFD_CLOEXEC);
  if (place.file < 0) fail("memfd_create");
  if (ftruncate(place.file, kMapped) != 0) fail("ftruncate");
  ncclUniqueId id{};
  std::memcpy(id.internal, &place, sizeof(place));
  return id;
}

World::World(int rank, int size, const ncclUniqueId& id) : rank_(rank), size_(size) {
  Place place;
  std::memcpy(&place, id.internal, sizeof(place));
  if (place.magic != Place().magic) throw std::runtime_error("no unique id of the stand-in for NCCL");
  const std::string path = "/proc/" + std::to_string(place.process) + "/fd/" + std::to_string(place.file);
  const int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) fail(path);
  void* mapped = mmap(nullptr, kMapped, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (mapped == MAP_FAILED) fail("mmap");
  memory_ = static_cast<std::byte*>(mapped);
  if (rank == 0 && place.process == getpid()) to_close_ = place.file;
}

World::~World() {
  if (to_close_ >= 0) close(to_close_);
  munmap(memory_, kMapped);
}

World::Seat& World::seat(int rank) const {
  return *reinterpret_cast<Seat*>(memory_ + static_cast<size_t>(rank) * (kSeat + kChunk));
}
std::byte* World::chunk(int rank) const { return reinterpret_cast<std::byte*>(&seat(rank)) + kSeat; }

bool World::meet(const std::atomic<bool>& given_up) {
  seat(rank_).meetings.store(++meetings_, std::memory_order_release);
  for (int r = 0; r < size_; ++r)
    for (int tries = 0; seat(r).meetings.load(std::memory_order_acquire) < meetings_; ++tries) {
      if (given_up) return false;
      if (tries < 100)
        std::this_thread::yield();
      else
        std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  return true;
}

std::string World::difference(const Collective& own) const {
  for (int r = 0; r < size_; ++r)
    if (const std::string other = seat(r).call.text(); other != own.text())
      return own.text() + " on rank " + std::to_string(rank_) + ", " + other + " on rank " + std::to_string(r);
  return "";
}

std::string World::run(const Collective& own, const void* from, void* to, const std::atomic<bool>& given_up) {
  const size_t bytes = own.count * bytes_of(own.type);
  seat(rank_).call = own;
  for (size_t first = 0; first < bytes; first += kChunk) {
    const size_t part = std::min(kChunk, bytes - first);
    std::memcpy(chunk(rank_), static_cast<const std::byte*>(from) + first, part);
    if (!meet(given_up)) return "";
    if (first == 0)
      if (std::string differs = difference(own); !differs.empty()) return differs;
    std::byte* into = static_cast<std::byte*>(to) + first;
    std::memcpy(into, chunk(own.root), part);  // of a sum: rank 0
    for (int r = 1; own.kind == Collective::Kind::AllReduce && r < size_; ++r) add(own.type, into, chunk(r), part);
    if (!meet(given_up)) return "";  // all have read
  }
  return "";
}

std::string World::join(int device, const std::atomic<bool>& given_up) {
  seat(rank_).call = {.ranks = size_, .device = device};
  if (!meet(given_up)) return "";
  if (std::string differs = difference(seat(rank_).call); !differs.empty()) return differs;
  for (int r = 0; r < size_; ++r)
    if (r != rank_ && seat(r).call.device == device)
      return "Duplicate GPU: ranks " + std::to_string(rank_) + " and " + std::to_string(r) + " are both on device " +
             std::to_string(device);
  if (!meet(given_up)) return "";
  if (to_close_ >= 0) close(std::exchange(to_close_, -1));
  return "";
}

}  // namespace standin

// What the ranks of the stand-in for NCCL share: memory of the machine, mapped by each, in which they meet and hand
// each other values. Nothing of it has a name in the file system, so that nothing is left of ranks that are killed.
#pragma once
#include <nccl.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

namespace standin {

constexpr int kMostRanks = 16;
constexpr size_t kChunk = size_t{1} << 20;  // bytes of a rank that others see at a time, whole values of any type

// One rank's call of a collective: all ranks must make the same.
struct Collective {
  enum class Kind : int32_t { Join, AllReduce, Broadcast } kind = Kind::Join;
  int32_t ranks = 0, device = 0;  // of Join
  int32_t type = 0, root = 0;
  uint64_t count = 0;
  std::string text() const;
};

class World {
 public:
  World(int rank, int size, const ncclUniqueId& id);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  static size_t bytes_of(int32_t type);  // of a value; 0 where the stand-in does not know the type
  static ncclUniqueId create();          // by one process; throws std::runtime_error, as the constructor

  // Waits for all; false where `given_up` turned true meanwhile.
  bool meet(const std::atomic<bool>& given_up);
  // All ranks do the same collective: the sum in the order of the ranks, or the root's values, is in `to` on all of
  // them. Empty, or what differs between them: then nothing was done. Stops where `given_up` turns true.
  std::string run(const Collective& own, const void* from, void* to, const std::atomic<bool>& given_up);
  // The same agreement at the start; also that no two ranks are on one device.
  std::string join(int device, const std::atomic<bool>& given_up);

 private:
  struct Seat;
  Seat& seat(int rank) const;
  std::byte* chunk(int rank) const;
  std::string difference(const Collective& own) const;

  int rank_, size_;
  uint64_t meetings_ = 0;
  std::byte* memory_ = nullptr;
  int to_close_ = -1;  // the creator's file, when all have mapped it
};

}  // namespace standin

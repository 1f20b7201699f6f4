// Watches over work that waits for other ranks on a GPU. There no call fails where a rank does not come: the stream
// stands still, and with it whatever the host waits for. A thread looks at events behind that work, at the collectives'
// own state and at the other ranks; what it finds ends the collectives, so that the host goes on, to an Error.
#pragma once
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/distributed/transport.h"
#include "kernels/device/queue.h"

namespace fovea {

class Watch {
 public:
  struct Hooks {
    std::function<void()> start;    // first of all, in the watch's thread
    std::function<Trouble()> look;  // asked again and again
    std::function<void()> abort;    // called once: ends the collectives under way and the communicator. May take until
                                    // every recording of them is gone
  };
  // `timeout`: seconds that watched work may stand still for.
  Watch(int rank, double timeout, Hooks hooks);
  ~Watch();  // aborts, if that has not been done

  // Work begins to be submitted, and has been; `what` names it in messages. After an Error between the two it stays
  // watched.
  void begin(std::string what);
  void end(const Queue& queue);  // a GPU's
  // The host has submitted another part of it.
  void moved();

  // From here on check() throws, and what waits for collectives is let go, its results being worthless. Where the
  // host does not come to the end of it all the same, the watch ends the process itself. The first trouble counts.
  void give_up(const Trouble& trouble);
  void check() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Watched {
    std::string what;
    void* event;  // reached when all of it is done; nullptr: it is still being submitted
  };

  void run();
  Trouble overdue();
  void begin_abort();
  void end_process(const std::string& why) const;

  const int rank_;
  const double timeout_;
  const Hooks hooks_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Watched> under_way_;
  std::vector<void*> spare_;  // events
  Clock::time_point moved_ = Clock::now();
  Trouble trouble_;
  bool stopping_ = false;
  std::future<void> aborted_;
  std::thread aborting_, thread_;
};

}  // namespace fovea

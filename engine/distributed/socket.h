// TCP sockets, closed with their owner. Errors are Error(Runtime) with the call and the system's words.
#pragma once
#include <chrono>
#include <span>
#include <string>
#include <utility>

namespace fovea {

class Socket {
 public:
  Socket() = default;
  explicit Socket(int file) : file_(file) {}
  ~Socket();
  Socket(Socket&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(file_, other.file_);
    return *this;
  }
  explicit operator bool() const { return file_ >= 0; }
  int file() const { return file_; }

 private:
  int file_ = -1;
};

// A moment until which something may take.
class Deadline {
 public:
  explicit Deadline(double seconds) : seconds_(seconds) {}
  bool passed() const { return left() <= 0; }
  double left() const {  // seconds
    return seconds_ - std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }
  double seconds() const { return seconds_; }  // all of it

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double seconds_;
};

// Listens at `host` (where that name is none of this machine's: at all its addresses); port 0: any free one.
Socket listen_at(const std::string& host, int port, int most_waiting);
// The next connection; none when the deadline passes first.
Socket accept_from(const Socket& listener, const Deadline& deadline);
// Tries again and again while nobody listens there; none when the deadline passes first.
Socket connect_to(const std::string& host, int port, const Deadline& deadline);

// All of `bytes`, or false: the other side closed, or was silent for too long.
bool send_all(const Socket& socket, std::span<const std::byte> bytes);
bool receive_all(const Socket& socket, std::span<std::byte> bytes, const Deadline& deadline);

struct Endpoint {
  std::string host;  // numeric
  int port = 0;
};
Endpoint own_endpoint(const Socket& socket);
Endpoint peer_endpoint(const Socket& socket);

// For connections whose set-up is over: never blocks, sends at once.
void prepare_for_exchange(const Socket& socket);

}  // namespace fovea

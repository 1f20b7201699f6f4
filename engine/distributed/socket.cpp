#include "engine/distributed/socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <thread>

#include "kernels/error.h"

namespace fovea {

namespace {

[[noreturn]] void fail_call(const std::string& what) {
  throw Error(ErrorKind::Runtime, fmt::format("{}: {}", what, std::strerror(errno)));
}

using Addresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

// host nullptr: every address of this machine.
Addresses look_up(const char* host, int port, std::string* why) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = host == nullptr ? AI_PASSIVE : 0;
  addrinfo* found = nullptr;
  const int status = getaddrinfo(host, std::to_string(port).c_str(), &hints, &found);
  if (status != 0) *why = gai_strerror(status);
  return {status == 0 ? found : nullptr, freeaddrinfo};
}

Socket open_for(const addrinfo& address) {
  return Socket(socket(address.ai_family, address.ai_socktype | SOCK_CLOEXEC, address.ai_protocol));
}

// The first of these addresses that can be listened at; none: errno says why.
Socket listen_at_one(const addrinfo* addresses, int most_waiting) {
  for (const addrinfo* a = addresses; a != nullptr; a = a->ai_next) {
    Socket listener = open_for(*a);
    if (!listener) continue;
    const int on = 1;
    setsockopt(listener.file(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(listener.file(), a->ai_addr, a->ai_addrlen) == 0 && listen(listener.file(), most_waiting) == 0)
      return listener;
  }
  return {};
}

bool wait_for(int file, short events, double seconds) {
  pollfd entry{file, events, 0};
  const int ready = poll(&entry, 1, static_cast<int>(std::clamp(seconds, 0.0, 1e6) * 1000) + 1);
  return ready > 0;
}

Endpoint endpoint_of(const sockaddr_storage& address, socklen_t length) {
  char host[NI_MAXHOST], port[NI_MAXSERV];
  const int status = getnameinfo(reinterpret_cast<const sockaddr*>(&address), length, host, sizeof(host), port,
                                 sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
  if (status != 0) throw Error(ErrorKind::Runtime, fmt::format("getnameinfo: {}", gai_strerror(status)));
  return {host, std::stoi(port)};
}

}  // namespace

Socket::~Socket() {
  if (file_ >= 0) close(file_);
}

Socket listen_at(const std::string& host, int port, int most_waiting) {
  std::string why;
  Socket listener = listen_at_one(look_up(host.c_str(), port, &why).get(), most_waiting);
  if (!listener && errno == EADDRNOTAVAIL) listener = listen_at_one(look_up(nullptr, port, &why).get(), most_waiting);
  if (!listener)
    throw Error(ErrorKind::Runtime,
                fmt::format("cannot listen on {} port {}: {}", host, port, why.empty() ? std::strerror(errno) : why));
  return listener;
}

Socket accept_from(const Socket& listener, const Deadline& deadline) {
  while (!deadline.passed()) {
    if (!wait_for(listener.file(), POLLIN, deadline.left())) continue;
    Socket connection(accept4(listener.file(), nullptr, nullptr, SOCK_CLOEXEC));
    if (connection) return connection;
    if (errno != EINTR && errno != ECONNABORTED) fail_call("accept");
  }
  return {};
}

Socket connect_to(const std::string& host, int port, const Deadline& deadline) {
  do {
    std::string why;
    const Addresses addresses = look_up(host.c_str(), port, &why);
    for (const addrinfo* a = addresses.get(); a != nullptr; a = a->ai_next) {
      Socket connection = open_for(*a);
      if (connection && connect(connection.file(), a->ai_addr, a->ai_addrlen) == 0) return connection;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  } while (!deadline.passed());
  return {};
}

bool send_all(const Socket& socket, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(socket.file(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(sent));
  }
  return true;
}

bool receive_all(const Socket& socket, std::span<std::byte> bytes, const Deadline& deadline) {
  while (!bytes.empty()) {
    if (!wait_for(socket.file(), POLLIN, deadline.left())) {
      if (deadline.passed()) return false;
      continue;
    }
    const ssize_t got = recv(socket.file(), bytes.data(), bytes.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(got));
  }
  return true;
}

Endpoint own_endpoint(const Socket& socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (getsockname(socket.file(), reinterpret_cast<sockaddr*>(&address), &length) != 0) fail_call("getsockname");
  return endpoint_of(address, length);
}

Endpoint peer_endpoint(const Socket& socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (getpeername(socket.file(), reinterpret_cast<sockaddr*>(&address), &length) != 0) fail_call("getpeername");
  return endpoint_of(address, length);
}

void prepare_for_exchange(const Socket& socket) {
  const int on = 1;
  if (setsockopt(socket.file(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0) fail_call("setsockopt(TCP_NODELAY)");
  if (fcntl(socket.file(), F_SETFL, O_NONBLOCK) != 0) fail_call("fcntl(O_NONBLOCK)");
}

}  // namespace fovea

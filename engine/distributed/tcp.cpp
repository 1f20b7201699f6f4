// Ranks over TCP: a connection between any two. A frame is a header and its bytes; an exchange is one frame in each
// direction of each connection. A rank that gives up sends a frame of another kind with its reason; one that was killed
// is noticed by its closed connections.
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "engine/distributed/socket.h"
#include "engine/distributed/transport.h"

namespace fovea {

namespace {

constexpr uint32_t kMagic = 0x4B525646;  // "FVRK"
constexpr uint64_t kLongestReason = 1 << 16;
constexpr double kLongestGreeting = 5;  // seconds; whoever connects and says nothing is nobody of ours

struct Header {
  uint32_t magic = kMagic;
  uint32_t kind = 0;  // 0: data; else an ErrorKind: the sender gives up, for the reason that follows
  uint64_t bytes = 0;
};

struct Greeting {
  uint32_t magic = kMagic;
  int32_t rank = 0, size = 0;
  int32_t port = 0;  // where this rank listens for those of higher number
};

template <class T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}
template <class T>
std::span<std::byte> writable_bytes_of(T& value) {
  return std::as_writable_bytes(std::span(&value, 1));
}

[[noreturn]] void fail(const std::string& what) { throw Error(ErrorKind::Runtime, what); }

// One direction of one connection within an exchange.
struct Transfer {
  Header header;
  std::span<const std::byte> out;
  std::span<std::byte> in;
  std::string reason;  // of a peer that gives up
  size_t sent = 0, received = 0;
  size_t to_send() const { return sizeof(Header) + out.size(); }
  size_t to_receive() const { return sizeof(Header) + in.size(); }
  bool finished() const { return sent == to_send() && received == to_receive(); }
};

class TcpTransport : public Transport {
 public:
  TcpTransport(const Rendezvous& start, std::vector<Socket> peers)
      : Transport(start.rank, start.size, start.timeout), peers_(std::move(peers)) {
    for (const Socket& peer : peers_)
      if (peer) prepare_for_exchange(peer);
  }

  void exchange(std::span<const std::span<const std::byte>> out, std::span<const std::span<std::byte>> in) override {
    std::vector<Transfer> transfers(peers_.size());
    for (size_t r = 0; r < peers_.size(); ++r) {
      transfers[r].header.bytes = out[r].size();
      transfers[r].out = out[r];
      transfers[r].in = in[r];
    }
    const std::lock_guard lock(exchanging_);
    mid_frame_ = true;  // and so it stays where this throws
    const Deadline deadline(timeout());
    while (advance_all(transfers, deadline)) {
    }
    mid_frame_ = false;
  }

  void abort(ErrorKind kind, const std::string& message) noexcept override {
    if (mid_frame_) return;  // the reason would be taken for data; closed connections say enough
    const std::string reason = message.substr(0, kLongestReason);
    const Header header{.kind = static_cast<uint32_t>(kind), .bytes = reason.size()};
    for (const Socket& peer : peers_)
      if (peer && send_all(peer, bytes_of(header))) send_all(peer, std::as_bytes(std::span(reason)));
  }

  Trouble trouble() override {
    const std::unique_lock lock(exchanging_, std::try_to_lock);
    if (!lock || mid_frame_) return {};  // the exchange sees it itself
    for (const Socket& peer : peers_)
      if (peer)
        if (Trouble said = given_up(peer)) return said;
    return {ErrorKind::Runtime, dead_ranks()};
  }

 private:
  // What the peer has said, if it gave up: the next that it has sent, since nobody gives up within an exchange. Leaves
  // it there.
  Trouble given_up(const Socket& peer) {
    ahead_.resize(sizeof(Header) + kLongestReason);
    const ssize_t got = recv(peer.file(), ahead_.data(), ahead_.size(), MSG_PEEK | MSG_DONTWAIT);
    Header header;
    if (got < static_cast<ssize_t>(sizeof(Header))) return {};
    std::memcpy(&header, ahead_.data(), sizeof(Header));
    if (header.magic != kMagic || header.kind == 0 || header.bytes > static_cast<size_t>(got) - sizeof(Header))
      return {};
    return {static_cast<ErrorKind>(header.kind), ahead_.substr(sizeof(Header), header.bytes)};
  }

  // "rank 1 has ended …": its end of the connection is closed, whatever it has sent before.
  std::string dead_ranks() const {
    std::vector<int> dead;
    for (size_t r = 0; r < peers_.size(); ++r) {
      if (!peers_[r]) continue;
      pollfd connection{peers_[r].file(), POLLRDHUP, 0};
      if (poll(&connection, 1, 0) == 1) dead.push_back(static_cast<int>(r));
    }
    if (dead.empty()) return "";
    return fmt::format("{} {} ended (killed, or the connection was lost)", name_ranks(dead),
                       dead.size() == 1 ? "has" : "have");
  }

  // Moves what can be moved now, waiting until something can. False when all is done.
  bool advance_all(std::vector<Transfer>& transfers, const Deadline& deadline) {
    std::vector<pollfd> waiting;
    std::vector<size_t> who;
    for (size_t r = 0; r < peers_.size(); ++r) {
      if (!peers_[r] || transfers[r].finished()) continue;
      const bool sends = transfers[r].sent < transfers[r].to_send();
      waiting.push_back({peers_[r].file(), static_cast<short>(POLLIN | (sends ? POLLOUT : 0)), 0});
      who.push_back(r);
    }
    if (waiting.empty()) return false;
    if (deadline.passed()) fail_late(who, deadline.seconds());
    const int milliseconds = static_cast<int>(std::min(deadline.left(), 1.0) * 1000) + 1;
    if (poll(waiting.data(), waiting.size(), milliseconds) < 0 && errno != EINTR)
      fail(fmt::format("poll: {}", std::strerror(errno)));
    for (size_t i = 0; i < who.size(); ++i) {
      Transfer& transfer = transfers[who[i]];
      // First what comes in: a peer that gave up has said why before its connection broke.
      if ((waiting[i].revents & ~POLLOUT) != 0 && !receive(who[i], transfer)) fail_dead(who[i]);
      if ((waiting[i].revents & POLLOUT) != 0 && !send(who[i], transfer)) fail_dead(who[i]);
    }
    return true;
  }

  [[noreturn]] static void fail_late(const std::vector<size_t>& who, double seconds) {
    const std::vector<int> ranks(who.begin(), who.end());
    fail(fmt::format("{} did not answer within {:g} s", name_ranks(ranks), seconds));
  }

  // One that is seen now may have ended because of another, which is then seen too.
  [[noreturn]] void fail_dead(size_t peer) const {
    const std::string all = dead_ranks();
    fail(all.empty() ? fmt::format("the connection to rank {} was lost", peer) : all);
  }

  // False where the connection is gone.
  bool send(size_t peer, Transfer& t) {
    const auto* header = reinterpret_cast<const std::byte*>(&t.header);
    iovec parts[2];
    int count = 0;
    const auto add = [&](const std::byte* data, size_t size) {
      if (size > 0) parts[count++] = {const_cast<std::byte*>(data), size};
    };
    const size_t of_header = std::min(t.sent, sizeof(Header)), of_data = t.sent - of_header;
    add(header + of_header, sizeof(Header) - of_header);
    add(t.out.data() + of_data, t.out.size() - of_data);
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = static_cast<size_t>(count);
    const ssize_t sent = sendmsg(peers_[peer].file(), &message, MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN || errno == EINTR;
    t.sent += static_cast<size_t>(sent);
    return true;
  }

  bool receive(size_t peer, Transfer& t) {
    if (t.received == t.to_receive()) return peer_is_alive(peer);
    if (t.received < sizeof(Header)) {
      Header& header = headers_in_[peer];
      const ssize_t got =
          recv(peers_[peer].file(), reinterpret_cast<std::byte*>(&header) + t.received, sizeof(Header) - t.received, 0);
      if (got < 0) return errno == EAGAIN || errno == EINTR;
      t.received += static_cast<size_t>(got);
      if (got > 0 && t.received == sizeof(Header)) check_header(peer, header, t);
      return got > 0;
    }
    const size_t done = t.received - sizeof(Header);
    const ssize_t got = recv(peers_[peer].file(), t.in.data() + done, t.in.size() - done, 0);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    t.received += static_cast<size_t>(got);
    if (!t.reason.empty() && t.received == t.to_receive())
      throw Error(static_cast<ErrorKind>(headers_in_[peer].kind), t.reason);
    return got > 0;
  }

  void check_header(size_t peer, const Header& header, Transfer& t) const {
    if (header.magic != kMagic || (header.kind != 0 && header.bytes > kLongestReason))
      fail(fmt::format("rank {} sent a malformed message", peer));
    if (header.kind != 0) {
      if (header.bytes == 0) throw Error(static_cast<ErrorKind>(header.kind), fmt::format("rank {} gave up", peer));
      t.reason.resize(header.bytes);
      t.in = std::as_writable_bytes(std::span(t.reason));
    } else if (header.bytes != t.in.size()) {
      fail(fmt::format("rank {} sent {} bytes, expected {}: the ranks are out of sync", peer, header.bytes,
                       t.in.size()));
    }
  }

  // With everything received only the end of the connection, or the next frame, can have come.
  bool peer_is_alive(size_t peer) const {
    std::byte next;
    const ssize_t got = recv(peers_[peer].file(), &next, 1, MSG_PEEK | MSG_DONTWAIT);
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
  }

  std::vector<Socket> peers_;  // by rank; none for this one
  std::vector<Header> headers_in_ = std::vector<Header>(peers_.size());
  std::string ahead_;      // of what was received and not read yet
  std::mutex exchanging_;  // with an exchange under way nobody else looks at what comes in
  bool mid_frame_ = false;
};

// ---- the start: rank 0 hears from all and tells each where the others listen

void wait_for_all(const Rendezvous& start, std::vector<Socket>& peers, std::vector<Endpoint>& endpoints,
                  const Deadline& deadline) {
  const Socket listener = listen_at(start.address, start.port, start.size);
  for (int missing = start.size - 1; missing > 0;) {
    Socket connection = accept_from(listener, deadline);
    if (!connection) {
      std::vector<int> absent;
      for (int r = 1; r < start.size; ++r)
        if (!peers[static_cast<size_t>(r)]) absent.push_back(r);
      fail(fmt::format("{} did not connect to {} port {} within {:g} s", name_ranks(absent), start.address, start.port,
                       deadline.seconds()));
    }
    Greeting greeting;
    if (!receive_all(connection, writable_bytes_of(greeting), Deadline(std::min(kLongestGreeting, deadline.left()))) ||
        greeting.magic != kMagic)
      continue;
    if (greeting.size != start.size || greeting.rank < 1 || greeting.rank >= start.size)
      fail(fmt::format("rank {} of {} connected to rank 0 of {}: start all with the same number of ranks",
                       greeting.rank, greeting.size, start.size));
    const auto r = static_cast<size_t>(greeting.rank);
    if (peers[r]) fail(fmt::format("two processes were started as rank {}", greeting.rank));
    endpoints[r] = {peer_endpoint(connection).host, greeting.port};
    peers[r] = std::move(connection);
    --missing;
  }
}

std::vector<Socket> start_first(const Rendezvous& start, const Deadline& deadline) {
  std::vector<Socket> peers(static_cast<size_t>(start.size));
  std::vector<Endpoint> endpoints(peers.size());
  wait_for_all(start, peers, endpoints, deadline);
  std::string table;
  for (size_t r = 1; r < endpoints.size(); ++r) table += fmt::format("{} {}\n", endpoints[r].host, endpoints[r].port);
  const Header header{.bytes = table.size()};
  for (size_t r = 1; r < peers.size(); ++r)
    if (!send_all(peers[r], bytes_of(header)) || !send_all(peers[r], std::as_bytes(std::span(table))))
      fail(fmt::format("rank {} exited during startup", r));
  return peers;
}

std::vector<Endpoint> receive_endpoints(const Socket& first, const Rendezvous& start, const Deadline& deadline) {
  Header header;
  std::string table;
  const bool whole = receive_all(first, writable_bytes_of(header), deadline) && header.magic == kMagic &&
                     header.bytes < uint64_t{1} << 30;
  if (whole) table.resize(header.bytes);
  if (!whole || !receive_all(first, std::as_writable_bytes(std::span(table)), deadline))
    fail(fmt::format("rank 0 at {} port {} did not answer during startup", start.address, start.port));
  std::vector<Endpoint> endpoints(1);
  for (size_t line = 0; line < table.size();) {
    const size_t space = table.find(' ', line), end = table.find('\n', line);
    endpoints.push_back({table.substr(line, space - line), std::stoi(table.substr(space + 1, end - space - 1))});
    line = end + 1;
  }
  return endpoints;
}

std::vector<Socket> start_other(const Rendezvous& start, const Deadline& deadline) {
  std::vector<Socket> peers(static_cast<size_t>(start.size));
  peers[0] = connect_to(start.address, start.port, deadline);
  if (!peers[0])
    fail(fmt::format("rank 0 did not answer at {} port {} within {:g} s", start.address, start.port,
                     deadline.seconds()));
  const Socket listener = listen_at(own_endpoint(peers[0]).host, 0, start.size);  // where rank 0 was reached from
  const Greeting own{.rank = start.rank, .size = start.size, .port = own_endpoint(listener).port};
  if (!send_all(peers[0], bytes_of(own))) fail("rank 0 exited during startup");
  const auto endpoints = receive_endpoints(peers[0], start, deadline);
  for (size_t r = 1; r < static_cast<size_t>(start.rank); ++r) {
    peers[r] = connect_to(endpoints[r].host, endpoints[r].port, deadline);
    if (!peers[r] || !send_all(peers[r], bytes_of(own)))
      fail(fmt::format("rank {} could not be reached at {} port {}", r, endpoints[r].host, endpoints[r].port));
  }
  for (int missing = start.size - 1 - start.rank; missing > 0;) {
    Socket connection = accept_from(listener, deadline);
    if (!connection) fail(fmt::format("{} ranks did not connect within {:g} s", missing, deadline.seconds()));
    Greeting greeting;
    if (!receive_all(connection, writable_bytes_of(greeting), Deadline(std::min(kLongestGreeting, deadline.left()))) ||
        greeting.magic != kMagic || greeting.rank <= start.rank || greeting.rank >= start.size)
      continue;
    peers[static_cast<size_t>(greeting.rank)] = std::move(connection);
    --missing;
  }
  return peers;
}

}  // namespace

std::unique_ptr<Transport> connect_tcp(const Rendezvous& start) {
  const Deadline deadline(start.timeout);
  return std::make_unique<TcpTransport>(start,
                                        start.rank == 0 ? start_first(start, deadline) : start_other(start, deadline));
}

}  // namespace fovea

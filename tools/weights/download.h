// One file over the network (https://, http://), or from a folder (file://), by libcurl.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

namespace fovea {

struct DownloadRequest {
  std::string url;
  uint64_t from = 0;  // bytes of it that are there already
  // What comes behind them, piece by piece. What it throws ends the download, and is thrown by it.
  std::function<void(std::span<const std::byte>)> take;
};

enum class DownloadEnd : uint8_t {
  Whole,
  Interrupted,  // a stop was requested (kernels/interrupt.h)
  NotResumed,   // the server gives it from its beginning only, or has no more than `from` bytes
  Unreachable,  // no network, no such host, nobody answers
  NotTrusted,   // the host's certificate
  Refused,      // the host answers, but not with the file
  Broken,       // in the middle
  NoLibrary,
};
struct DownloadResult {
  DownloadEnd end = DownloadEnd::Whole;
  std::string why;  // in some words, fit to print; empty where it is whole
};

// Certificates are verified; an https:// address is left for none but another one. Proxies are those of the usual
// environment variables.
DownloadResult download(const DownloadRequest& request);

}  // namespace fovea

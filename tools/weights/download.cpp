#include "tools/weights/download.h"

// Options that newer headers have in place of those of here are not in the libraries of Ubuntu 22.04.
#define CURL_DISABLE_DEPRECATION
#include <curl/curl.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include <exception>
#include <memory>

#include "engine/printable.h"
#include "kernels/device/environment.h"
#include "kernels/device/shared_library.h"
#include "kernels/interrupt.h"

namespace fovea {
namespace {

// libcurl's functions. It is loaded when something is downloaded, and not linked: so the program starts as fast as
// without it, brings no TLS of its own that would age in its packages, and uses the certificates of the system.
struct Curl {
  decltype(&::curl_global_init) global_init = nullptr;
  decltype(&::curl_easy_init) init = nullptr;
  decltype(&::curl_easy_setopt) set = nullptr;
  decltype(&::curl_easy_perform) perform = nullptr;
  decltype(&::curl_easy_getinfo) get = nullptr;
  decltype(&::curl_easy_strerror) text = nullptr;
  decltype(&::curl_easy_cleanup) cleanup = nullptr;
  bool ready = false;
};

template <class Function>
bool find_function(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

Curl load_curl() {
  // Both are one library; Debian builds it with OpenSSL and with GnuTLS, and git brings the latter.
  FoundLibrary found = find_library({"libcurl.so.4", "FOVEA_CURL", "libcurl"});
  if (!found.problem.empty()) found = find_library({"libcurl-gnutls.so.4", "FOVEA_CURL", "libcurl"});
  Curl curl;
  if (!found.problem.empty()) return curl;
  void* const library = found.loaded.handle;
  curl.ready =
      find_function(library, "curl_global_init", curl.global_init) &&
      find_function(library, "curl_easy_init", curl.init) && find_function(library, "curl_easy_setopt", curl.set) &&
      find_function(library, "curl_easy_perform", curl.perform) &&
      find_function(library, "curl_easy_getinfo", curl.get) &&
      find_function(library, "curl_easy_strerror", curl.text) &&
      find_function(library, "curl_easy_cleanup", curl.cleanup) && curl.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  return curl;
}

struct Receiver {
  const DownloadRequest& request;
  std::exception_ptr thrown;
};

// libcurl ends the download where less is taken than it gives.
size_t receive(const char* bytes, size_t size, size_t count, void* to) {
  auto& receiver = *static_cast<Receiver*>(to);
  try {
    receiver.request.take(std::as_bytes(std::span(bytes, size * count)));
    return size * count;
  } catch (...) {
    receiver.thrown = std::current_exception();
    return 0;
  }
}

int stop_where_asked(void* /*unused*/, curl_off_t /*unused*/, curl_off_t /*unused*/, curl_off_t /*unused*/,
                     curl_off_t /*unused*/) {
  return stop_requested ? 1 : 0;
}

void set_options(const Curl& curl, CURL* transfer, Receiver& receiver, char* error) {
  const auto set = [&](CURLoption option, auto value) { curl.set(transfer, option, value); };
  constexpr long kConnectSeconds = 30, kSilentSeconds = 60;
  const std::string& url = receiver.request.url;
  const long here = url.starts_with("https:")  ? CURLPROTO_HTTPS
                    : url.starts_with("http:") ? CURLPROTO_HTTP | CURLPROTO_HTTPS
                                               : CURLPROTO_FILE;
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_PROTOCOLS, here);  // of where it is sent on to, too
  set(CURLOPT_FOLLOWLOCATION, 1L);
  set(CURLOPT_MAXREDIRS, 10L);
  set(CURLOPT_FAILONERROR, 1L);  // the page of an error is not the file
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(CURLOPT_LOW_SPEED_TIME, kSilentSeconds);
  set(CURLOPT_USERAGENT, "fovea");
  set(CURLOPT_ERRORBUFFER, error);
  set(CURLOPT_RESUME_FROM_LARGE, static_cast<curl_off_t>(receiver.request.from));
  set(CURLOPT_WRITEFUNCTION, &receive);
  set(CURLOPT_WRITEDATA, static_cast<void*>(&receiver));
  set(CURLOPT_NOPROGRESS, 0L);
  set(CURLOPT_XFERINFOFUNCTION, &stop_where_asked);
  const char* certificates = environment("CURL_CA_BUNDLE");
  if (certificates == nullptr) certificates = environment("SSL_CERT_FILE");
  if (certificates != nullptr) set(CURLOPT_CAINFO, certificates);
}

DownloadEnd end_of(CURLcode code, long status, uint64_t from) {
  constexpr long kRangeNotSatisfiable = 416;
  using enum DownloadEnd;
  switch (code) {
    case CURLE_OK:  // also where nothing is behind `from`, of which it cannot know whether that is the whole file
      return from > 0 && status == kRangeNotSatisfiable ? NotResumed : Whole;
    case CURLE_ABORTED_BY_CALLBACK:
      return Interrupted;
    case CURLE_RANGE_ERROR:
    case CURLE_BAD_DOWNLOAD_RESUME:
      return NotResumed;
    case CURLE_HTTP_RETURNED_ERROR:
      return from > 0 && status == kRangeNotSatisfiable ? NotResumed : Refused;
    case CURLE_FILE_COULDNT_READ_FILE:
    case CURLE_REMOTE_FILE_NOT_FOUND:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_TOO_MANY_REDIRECTS:
      return Refused;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return NotTrusted;
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
      return Broken;
    default:
      return Unreachable;
  }
}

}  // namespace

DownloadResult download(const DownloadRequest& request) {
  static const Curl curl = load_curl();
  const std::unique_ptr<CURL, decltype(&::curl_easy_cleanup)> transfer(curl.ready ? curl.init() : nullptr,
                                                                       curl.cleanup);
  if (!transfer) return {DownloadEnd::NoLibrary, "there is no libcurl"};
  char error[CURL_ERROR_SIZE] = "";
  Receiver receiver{request, nullptr};
  set_options(curl, transfer.get(), receiver, error);
  const CURLcode code = curl.perform(transfer.get());
  if (receiver.thrown) std::rethrow_exception(receiver.thrown);
  long status = 0;
  curl.get(transfer.get(), CURLINFO_RESPONSE_CODE, &status);
  const DownloadEnd end = end_of(code, status, request.from);
  if (end == DownloadEnd::Whole) return {};
  return {end, printable(*error != '\0' ? error : curl.text(code))};
}

}  // namespace fovea

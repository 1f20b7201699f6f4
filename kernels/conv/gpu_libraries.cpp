#include "kernels/conv/gpu_libraries.h"

#include "kernels/notice.h"

namespace fovea {
namespace {

std::string quoted(const std::string& text) {
  std::string out("\"");
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) >= ' ') out += c;
  }
  return out.append("\"");
}

}  // namespace

std::string text_of(const GpuLibrary& library) {
  return library.name + ": " +
         (library.path.empty() ? "none: " + library.problem : library.version + ", " + library.path);
}

std::string json_of(const std::vector<GpuLibrary>& libraries) {
  std::string json("{");
  for (const GpuLibrary& library : libraries) {
    if (json.size() > 1) json.append(",");
    json.append(quoted(library.name)).append(":");
    if (library.path.empty())
      json.append("null");
    else
      json.append("{\"version\":")
          .append(quoted(library.version))
          .append(",\"path\":")
          .append(quoted(library.path))
          .append("}");
  }
  return json.append("}");
}

void warn_of_missing_libraries() {
  static const bool said = [] {
    for (const GpuLibrary& library : gpu_libraries())
      if (library.path.empty() && !library.without.empty()) warn(library.problem + "; without it " + library.without);
    return true;
  }();
  static_cast<void>(said);
}

}  // namespace fovea

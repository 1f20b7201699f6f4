#include "engine/file_kind.h"

#include <algorithm>
#include <cctype>

#include "engine/printable.h"

namespace fovea {
namespace {

constexpr const char* kSaveAsSafetensors =
    "save its state_dict with safetensors.torch.save_file(state_dict, \"weights.safetensors\") in Python";

struct Kind {
  std::string_view begin;
  const char *what, *instead;
};
constexpr Kind kKinds[] = {
    {"PK\x03\x04", "a PyTorch file (zip)", kSaveAsSafetensors},
    {"\x80\x02", "a PyTorch file (pickle)", kSaveAsSafetensors},
    {"\x80\x03", "a PyTorch file (pickle)", kSaveAsSafetensors},
    {"\x80\x04", "a PyTorch file (pickle)", kSaveAsSafetensors},
    {"\x89HDF\r\n\x1a\n", "an HDF5 file (Keras)", "its weights have to be converted to safetensors"},
    {"\x08\x03\x12", "an ONNX file", "export the weights it was made from as safetensors"},
    {"\x1f\x8b", "a gzip archive", "unpack it"},
    {"7z\xbc\xaf", "a 7z archive", "unpack it"},
    {"GGUF", "a GGUF file", "it holds no detector of this kind"},
    {"version https://git-lfs", "a Git LFS pointer", "the file itself was not downloaded (git lfs pull)"},
};

bool begins_like_html(std::string_view begin) {
  const auto text = std::find_if(begin.begin(), begin.end(), [](unsigned char c) { return std::isspace(c) == 0; });
  std::string word(text, begin.end());
  std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return std::tolower(c); });
  return word.starts_with("<!doctype") || word.starts_with("<html") || word.starts_with("<?xml");
}

}  // namespace

std::string kind_of_other_file(std::string_view begin) {
  for (const Kind& kind : kKinds)
    if (begin.starts_with(kind.begin)) return std::string(kind.what) + ": " + kind.instead;
  if (begins_like_html(begin)) {
    const size_t end = std::min(begin.find_first_of("\r\n"), size_t{40});
    return "a web page (it begins with \"" + printable(begin.substr(0, end)) + "\"): download the file itself";
  }
  if (begin.starts_with("{"))
    return begin.find("\"weight_map\"") != begin.npos
               ? "an index of several files: give the file that holds the weights"
               : "a JSON file, not weights";
  return "";
}

}  // namespace fovea

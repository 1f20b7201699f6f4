#include "engine/file_kind.h"

#include <algorithm>
#include <cctype>

#include "engine/printable.h"

namespace fovea {
namespace {

constexpr const char* kSaveAsSafetensors =
    "save its state_dict with safetensors.torch.save_file(state_dict, \"weights.safetensors\") in Python";

using namespace std::string_view_literals;
constexpr const char *kUnpack = "unpack it", *kConvert = "its weights have to be converted to safetensors",
                     *kNoWeights = "give the file that holds the weights";

struct Kind {
  std::string_view begin;
  const char *what, *instead;
  size_t at = 0;
};
constexpr Kind kKinds[] = {
    {"\x80\x02", "a PyTorch file (pickle)", kSaveAsSafetensors},
    {"\x80\x03", "a PyTorch file (pickle)", kSaveAsSafetensors},
    {"\x80\x04", "a PyTorch file (pickle)", kSaveAsSafetensors},
    {"\x80\x05", "a PyTorch file (pickle)", kSaveAsSafetensors},
    {"\x89HDF\r\n\x1a\n", "an HDF5 file (Keras)", kConvert},
    {"\x08\x01\x12", "a SavedModel of TensorFlow (protobuf)", kConvert},
    {"TFL3", "a TensorFlow Lite file", kConvert, 4},
    {"\0\0\0\0\1\0\0\0"sv, "a weights file of darknet", kConvert},
    {"\0\0\0\0\2\0\0\0"sv, "a weights file of darknet", kConvert},
    {"\x93NUMPY", "an array of NumPy", kConvert},
    {"\x1f\x8b", "a gzip archive", kUnpack},
    {"7z\xbc\xaf", "a 7z archive", kUnpack},
    {"BZh", "a bzip2 archive", kUnpack},
    {"\xfd"
     "7zXZ",
     "an xz archive", kUnpack},
    {"\x28\xb5\x2f\xfd", "a zstd archive", kUnpack},
    {"ustar", "a tar archive", kUnpack, 257},
    {"\x89PNG", "an image (PNG)", kNoWeights},
    {"\xff\xd8\xff", "an image (JPEG)", kNoWeights},
    {"GGUF", "a GGUF file", "it holds no detector of this kind"},
    {"version https://git-lfs", "a Git LFS pointer", "the file itself was not downloaded (git lfs pull)"},
    {"[net]", "a network file of darknet", kNoWeights},
};

constexpr const char* kSaveScript =
    "save its state_dict with torch.save(torch.jit.load(FILE).state_dict(), \"weights.pth\") in Python";
constexpr Kind kZips[] = {
    {"constants.pkl", "a TorchScript file", kSaveScript},
    {"bytecode.pkl", "a TorchScript file (for mobile)", "save the state_dict of the model that it was made from"},
    {"exported_program.json", "a program of torch.export", "save the state_dict of the model that it was made from"},
    {"model_weights_config.json", "a program of torch.export",
     "save the state_dict of the model that it was made from"},
    {"config.json", "a Keras file (zip)", kConvert},
    {".npy", "an archive of NumPy (npz)", kConvert},
    {"data.pkl", "a PyTorch file (zip)", kSaveAsSafetensors},
};

// A model of ONNX, or a graph of TensorFlow: fields of protobuf messages, each a tag before its value.
bool begins_like_onnx(std::string_view begin) {
  constexpr std::string_view next = "\x12\x1a\x22\x2a\x32\x3a\x42";  // after ir_version
  return begin.size() > 2 && begin[0] == 8 && begin[1] > 0 && begin[1] < 64 && next.find(begin[2]) != next.npos;
}
bool begins_like_graph(std::string_view begin) {  // node { name: …
  return begin.size() > 4 && begin[0] == 0x0a && (begin[2] == 0x0a || begin[3] == 0x0a) && begin.find('\0') != 0;
}

// As safetensors never do, whose header's length ends in bytes of 0.
bool is_text(std::string_view begin) {
  constexpr size_t kLongest = 4;  // bytes of a character, which may be cut at the end
  const size_t invalid = find_invalid_utf8(begin);
  if (invalid != begin.npos && invalid + kLongest <= begin.size()) return false;
  return !begin.empty() && std::all_of(begin.begin(), begin.end(), [](unsigned char c) {
    return c >= ' ' ? c != 0x7f : c == '\t' || c == '\n' || c == '\r';
  });
}

std::string first_words(std::string_view text) {
  const size_t from = std::min(text.find_first_not_of(" \t\r\n"), text.size());
  const std::string_view rest = text.substr(from);
  return "(it begins with \"" + printable(rest.substr(0, std::min(rest.find_first_of("\r\n"), size_t{40}))) + "\")";
}

std::string text_of(const Kind& kind) { return std::string(kind.what) + ": " + kind.instead; }

bool is(const Kind& kind, std::string_view file) {
  return file.size() > kind.at && file.substr(kind.at).starts_with(kind.begin);
}

// The names stand before each entry, and once more at the end.
std::string kind_of_zip_file(std::string_view file) {
  constexpr size_t kEnd = 1 << 16;
  std::string names(file.substr(0, 4096));
  names += file.substr(file.size() - std::min(file.size(), kEnd));
  const std::string kind = kind_of_zip(names);
  return kind.empty() ? std::string("a zip archive: ") + kUnpack : kind;
}

bool begins_like_html(std::string_view begin) {
  const auto text = std::find_if(begin.begin(), begin.end(), [](unsigned char c) { return std::isspace(c) == 0; });
  std::string word(text, begin.end());
  std::transform(word.begin(), word.end(), word.begin(), [](unsigned char c) { return std::tolower(c); });
  return word.starts_with("<!doctype") || word.starts_with("<html");
}

}  // namespace

bool looks_like_safetensors(std::string_view file) {
  return file.size() > 8 && file[8] == '{' && file.substr(4, 4) == "\0\0\0\0"sv;
}

std::string kind_of_zip(std::string_view names) {
  for (const Kind& kind : kZips)
    if (names.find(kind.begin) != names.npos) return text_of(kind);
  return "";
}

std::string kind_of_other_file(std::string_view file) {
  if (looks_like_safetensors(file)) return "";
  if (file.starts_with("PK\x03\x04")) return kind_of_zip_file(file);
  for (const Kind& kind : kKinds)
    if (is(kind, file)) return text_of(kind);
  const std::string_view begin = file.substr(0, 4096);
  if (begins_like_onnx(begin)) return "an ONNX file: export the weights it was made from as safetensors";
  if (begins_like_html(begin)) return "a web page " + first_words(begin) + ": download the file itself";
  if (begin.starts_with("{"))
    return begin.find("\"weight_map\"") != begin.npos
               ? "an index of several files: give the file that holds the weights"
               : "a JSON file, not weights";
  if (is_text(begin.substr(0, 64))) return "a text file " + first_words(begin) + ": " + kNoWeights;
  if (begins_like_graph(begin)) return std::string("a graph of TensorFlow (protobuf): ") + kConvert;
  return "";
}

}  // namespace fovea

#include "engine/pytorch/file.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <optional>
#include <set>

#include "engine/file_kind.h"
#include "engine/printable.h"
#include "engine/pytorch/archive.h"
#include "engine/pytorch/damage.h"
#include "engine/pytorch/pickle.h"
#include "engine/pytorch/save.h"
#include "engine/pytorch/state_dict.h"

namespace fovea {
namespace pytorch {
namespace {

using namespace std::string_view_literals;
using Bytes = std::span<const std::byte>;

// PyTorch's number at the start of the form before 1.6, 0x1950a86a20f9469cfc6c, as a pickle has it.
constexpr auto kMagic = "\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"sv;
constexpr std::string_view kMagicInDigits = "L119547037146038801333356L";  // as protocols 0 and 1 have it
constexpr int64_t kProtocol = 1001;

[[noreturn]] void refuse_big_endian(const std::string& name) {
  refuse_content(name,
                 "was written on a big-endian machine, whose numbers are not read: load it there or with PyTorch, "
                 "and save it again on another machine");
}

bool is_canonical(const PickledTensor& tensor) {
  int64_t stride = 1;
  for (size_t axis = tensor.shape.size(); axis-- > 0;) {
    if (tensor.shape[axis] != 1 && tensor.strides[axis] != stride) return false;
    stride *= tensor.shape[axis];  // no overflow: the view was found to lie within its storage
  }
  return true;
}

// A tensor's bytes in `storage`, the whole one that the file has under its key.
class TensorViews {
 public:
  TensorViews(const std::string& name, const Objects& objects, std::function<Bytes(const PickledStorage&)> find)
      : name_(name), objects_(objects), find_(std::move(find)) {}

  StoredTensor view(const std::string& tensor_name, const PickledTensor& tensor) const {
    StoredTensor view{.dtype = tensor.dtype, .shape = tensor.shape, .data = {}};
    const auto bytes_of_value = static_cast<int64_t>(bytes_of_dtype(tensor.dtype));
    if (tensor.storage < 0 || bytes_of_value == 0) return view;  // cannot be read, but there may be no need to
    const PickledStorage& storage = objects_.storages[static_cast<size_t>(tensor.storage)];
    const auto bytes_of_stored = static_cast<int64_t>(bytes_of_dtype(storage.dtype));
    const auto outside = [&] {
      refuse_damaged(name_, fmt::format("tensor '{}' lies outside its storage", printable(tensor_name)));
    };
    const Bytes whole = find_(storage);
    int64_t part_begin, part_bytes, last = tensor.offset, begin;
    if (__builtin_mul_overflow(storage.first, bytes_of_stored, &part_begin) ||
        __builtin_mul_overflow(storage.part, bytes_of_stored, &part_bytes) ||
        part_bytes > static_cast<int64_t>(whole.size()) || part_begin > static_cast<int64_t>(whole.size()) - part_bytes)
      outside();
    if (std::find(tensor.shape.begin(), tensor.shape.end(), 0) != tensor.shape.end()) return view;  // no values
    for (size_t axis = 0; axis < tensor.shape.size(); ++axis) {
      int64_t reach;
      if (__builtin_mul_overflow(tensor.shape[axis] - 1, tensor.strides[axis], &reach) ||
          __builtin_add_overflow(last, reach, &last))
        outside();
    }
    if (last >= part_bytes / bytes_of_value) outside();
    begin = part_begin + tensor.offset * bytes_of_value;
    view.data =
        whole.subspan(static_cast<size_t>(begin), static_cast<size_t>((last - tensor.offset + 1) * bytes_of_value));
    if (is_canonical(tensor)) return view;
    view.strides = tensor.strides;
    for (size_t axis = 0; axis < view.strides.size(); ++axis)  // where there is one index, any stride may stand
      if (view.shape[axis] == 1) view.strides[axis] = 0;
    return view;
  }

 private:
  const std::string& name_;
  const Objects& objects_;
  std::function<Bytes(const PickledStorage&)> find_;
};

std::map<std::string, StoredTensor> views_of(const StateDict& state, const Objects& objects, const TensorViews& views) {
  std::map<std::string, StoredTensor> tensors;
  for (const auto& [name, value] : state.tensors) tensors.emplace(name, views.view(name, objects.tensor(value)));
  return tensors;
}

std::string format_of(const char* form, const StateDict& state) {
  return state.place.empty() ? fmt::format("PyTorch ({})", form)
                             : fmt::format("PyTorch ({}), its tensors under '{}'", form, printable(state.place));
}

std::string_view text_of_bytes(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

// The folder that all of PyTorch's entries are in, with its slash; none where this is no file of PyTorch's.
std::optional<std::string> folder_of(const Archive& archive) {
  constexpr std::string_view kPickle = "data.pkl";
  for (const auto& [entry, place] : archive.entries())
    if (entry.ends_with(kPickle) &&
        (entry.size() == kPickle.size() || entry.find('/') == entry.size() - kPickle.size() - 1))
      return entry.substr(0, entry.size() - kPickle.size());
  return std::nullopt;
}

[[noreturn]] void refuse_other_zip(const Archive& archive, const std::string& name) {
  std::string names;
  for (const auto& [entry, place] : archive.entries()) names += entry + '\n';
  const std::string kind = kind_of_zip(names);
  if (!kind.empty()) refuse_content(name, "is " + kind);
  refuse_content(
      name, fmt::format("is a zip archive, but none of PyTorch's ({}): unpack it, and give the file that "
                        "holds the weights",
                        names.empty() ? "it is empty"
                                      : fmt::format("it holds '{}'", printable(names.substr(0, names.find('\n'))))));
}

std::map<std::string, std::string> parse_metadata(std::string_view json, const std::string& name) {
  simdjson::dom::parser parser;
  simdjson::dom::object entries;
  const auto damaged = [&] { refuse_damaged(name, fmt::format("its entry '{}' is damaged", kMetadataEntry)); };
  std::map<std::string, std::string> metadata;
  if (parser.parse(json.data(), json.size()).get_object().get(entries)) damaged();
  for (const auto entry : entries) {
    std::string_view value;
    if (entry.value.get_string().get(value)) damaged();
    metadata[std::string(entry.key)] = value;
  }
  return metadata;
}

PyTorchContent read_archive(std::string_view file, const std::string& name, const std::string& key) {
  const Archive archive(file, name);
  const auto folder = folder_of(archive);
  const bool is_script = folder && archive.entries().contains(*folder + "constants.pkl");
  if (!folder || is_script) refuse_other_zip(archive, name);
  const auto checked = [&](const std::string& entry) {
    archive.verify(entry);
    return archive.at(entry);
  };
  const std::string order = *folder + "byteorder";
  if (archive.entries().contains(order) && text_of_bytes(checked(order)) == "big") refuse_big_endian(name);
  std::map<std::string, std::string> metadata;
  if (const std::string entry = *folder + kMetadataEntry; archive.entries().contains(entry))
    metadata = parse_metadata(text_of_bytes(checked(entry)), name);
  Maker maker(name);
  const Value root = Unpickler(text_of_bytes(checked(*folder + "data.pkl")), maker, name).next();
  const Objects& objects = maker.objects();
  const StateDict state = find_state_dict(objects, root, name, key);
  std::set<std::string> verified;
  const TensorViews views(name, objects, [&](const PickledStorage& storage) {
    const std::string entry = *folder + "data/" + std::string(storage.key);
    if (verified.insert(entry).second) archive.verify(entry);
    return archive.at(entry);
  });
  PyTorchContent content{format_of("zip", state), views_of(state, objects, views), metadata};
  if (!metadata.empty() && key.empty())  // a checkpoint of Fovea: the optimizer's tensors belong to it
    for (const auto& [tensor, value] : tensors_of(objects, objects.find(root, kOptimizerKey)))
      content.tensors.emplace(tensor, views.view(tensor, objects.tensor(value)));
  return content;
}

// The storages that follow the pickles: of each, in the order of `keys`, its count of values and the values.
std::map<std::string_view, Bytes> storages_after(std::string_view rest, const Objects& objects, Value keys,
                                                 const std::string& name) {
  std::map<std::string_view, const PickledStorage*> described;
  for (const PickledStorage& storage : objects.storages) described.emplace(storage.key, &storage);
  std::map<std::string_view, Bytes> storages;
  if (!keys.is(ValueKind::Sequence)) refuse_damaged(name, "the list of its storages is missing");
  for (const Value& key : objects.sequence(keys)) {
    const auto storage = key.is(ValueKind::Text) ? described.find(objects.text(key)) : described.end();
    if (storage == described.end()) refuse_damaged(name, "it has a storage that no tensor names");
    int64_t count, bytes;
    if (rest.size() < sizeof(count)) refuse_damaged(name, "it ends before its last storage; was it cut off?");
    std::memcpy(&count, rest.data(), sizeof(count));
    rest.remove_prefix(sizeof(count));
    if (count != storage->second->count)
      refuse_damaged(name, fmt::format("a storage has {} values, its tensors say {}", count, storage->second->count));
    if (__builtin_mul_overflow(count, static_cast<int64_t>(bytes_of_dtype(storage->second->dtype)), &bytes) ||
        bytes > static_cast<int64_t>(rest.size()))
      refuse_damaged(name, "it ends within a storage; was it cut off?");
    storages[objects.text(key)] = std::as_bytes(std::span(rest)).first(static_cast<size_t>(bytes));
    rest.remove_prefix(static_cast<size_t>(bytes));
  }
  return storages;
}

PyTorchContent read_pickles(std::string_view file, const std::string& name, const std::string& key) {
  Maker maker(name);
  const Objects& objects = maker.objects();
  Unpickler pickles(file, maker, name);
  const Value magic = pickles.next();
  const bool is_magic = magic.is(ValueKind::Text) && objects.text(magic) == kMagic;
  if (!is_magic && !file.starts_with(kMagicInDigits))
    refuse_content(name,
                   "is a pickle of Python that torch.save() did not write: load it there, and save its weights "
                   "with torch.save(state_dict, \"weights.pth\")");
  const Value protocol = pickles.next();
  if (!protocol.is(ValueKind::Int) || protocol.number != kProtocol)
    refuse_damaged(name, fmt::format("its version is not {}", kProtocol));
  const Value system = pickles.next(), little = objects.find(system, "little_endian");
  if (little.is(ValueKind::Bool) && little.number == 0) refuse_big_endian(name);
  const Value root = pickles.next();
  const StateDict state = find_state_dict(objects, root, name, key);
  const Value keys = pickles.next();
  const auto storages = storages_after(pickles.rest(), objects, keys, name);
  const TensorViews views(name, objects, [&](const PickledStorage& storage) {
    const auto found = storages.find(storage.key);
    if (found == storages.end()) refuse_damaged(name, "a storage is missing");
    return found->second;
  });
  return {format_of("before 1.6", state), views_of(state, objects, views), {}};
}

}  // namespace

PyTorchContent read_content(std::string_view file, const std::string& name, const std::string& state_dict) {
  return file.starts_with("PK") ? read_archive(file, name, state_dict) : read_pickles(file, name, state_dict);
}

}  // namespace pytorch

bool looks_like_pytorch(std::string_view file) {
  if (looks_like_safetensors(file)) return false;
  if (file.starts_with("PK\x03\x04") || file.starts_with("PK\x05\x06")) return true;
  return file.starts_with(pytorch::kMagicInDigits) ||
         (file.size() > 1 && file[0] == '\x80' && file[1] >= 2 && file[1] <= 5);
}

TensorFile read_pytorch(const std::filesystem::path& path, const MappedFile& file, const std::string& state_dict) {
  pytorch::PyTorchContent content = pytorch::read_content(file.text(), printable(path.native()), state_dict);
  return {path, std::move(content.format), file.memory, std::move(content.tensors), std::move(content.metadata)};
}

}  // namespace fovea

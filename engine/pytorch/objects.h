// What a pickle makes: values that are looked at, never called.
#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/pytorch/globals.h"

namespace fovea::pytorch {

enum class ValueKind : uint8_t {
  Other,  // None, numbers with a fraction, bytes, long numbers: nothing here needs their value
  Bool,
  Int,
  Text,
  Sequence,  // a list, a tuple or a set
  Dict,
  Global,
  Storage,
  Tensor,
  Object,  // made by a class or function that is not of the closed list (globals.h)
};

struct Value {
  ValueKind kind = ValueKind::Other;
  int64_t number = 0;  // of Bool and Int; of the others, which one of its kind
  bool is(ValueKind wanted) const { return kind == wanted; }
};

// Numbers in a row, of some dtype. In the file form before PyTorch 1.6 a storage can be a part of another.
struct PickledStorage {
  std::string_view dtype, key;
  int64_t count = 0;  // of the storage that the file has under `key`
  int64_t first = 0;  // of the part in it
  int64_t part = 0;   // how many are in the part
};

struct PickledTensor {
  int64_t storage = -1;  // -1: none, and the values cannot be read
  std::string dtype;
  int64_t offset = 0;  // in values, as the strides are
  std::vector<int64_t> shape, strides;
};

struct PickledObject {
  std::string made_by;  // "argparse.Namespace"
  Value state;
};

using Sequence = std::vector<Value>;
using Dict = std::vector<std::pair<Value, Value>>;

struct Objects {
  std::vector<std::string_view> texts;  // in the pickle, or in `own_texts`
  std::deque<std::string> own_texts;
  std::vector<Sequence> sequences;
  std::vector<Dict> dicts;
  std::vector<Global> globals;
  std::vector<PickledStorage> storages;
  std::vector<PickledTensor> tensors;
  std::vector<PickledObject> objects;

  std::string_view text(Value value) const { return texts[static_cast<size_t>(value.number)]; }
  const Sequence& sequence(Value value) const { return sequences[static_cast<size_t>(value.number)]; }
  const Dict& dict(Value value) const { return dicts[static_cast<size_t>(value.number)]; }
  const Global& global(Value value) const { return globals[static_cast<size_t>(value.number)]; }
  const PickledStorage& storage(Value value) const { return storages[static_cast<size_t>(value.number)]; }
  const PickledTensor& tensor(Value value) const { return tensors[static_cast<size_t>(value.number)]; }
  const PickledObject& object(Value value) const { return objects[static_cast<size_t>(value.number)]; }

  // The last value under a text; Other where there is none, or where `value` is no dictionary.
  Value find(Value value, std::string_view key) const;
};

// Makes values, and refuses a pickle that makes more than any file of weights needs.
class Maker {
 public:
  explicit Maker(std::string file) : file_(std::move(file)) {}

  Objects& objects() { return objects_; }
  Value text(std::string_view lasting);
  Value own_text(std::string text);
  Value sequence(Sequence values);
  Value dict();
  Value global(std::string_view module, std::string_view name);

  // What Python would get by calling `callable`: made here where it is of the closed list, else an object. Throws
  // Error(Data) where it is harmful, or its arguments are not those that PyTorch gives.
  Value call(Value callable, Value arguments);
  // Sets the state of an object; what others are given is passed over.
  void build(Value object, Value state);
  // What PyTorch keeps outside the pickle: a storage, or the source of a class.
  Value persistent(Value id);
  // Counts values that are copied. Throws Error(Data) above the limit.
  void spend(size_t values);

 private:
  template <class List, class Entry>
  Value add(ValueKind kind, List& list, Entry&& entry);
  Value object(std::string made_by);
  Value dict_of(Value content);
  Value tensor_of(const Global& global, const Sequence& arguments);
  std::vector<int64_t> numbers_of(Value value) const;

  std::string file_;
  Objects objects_;
  size_t made_ = 0, spent_ = 0;
};

}  // namespace fovea::pytorch

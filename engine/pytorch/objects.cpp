#include "engine/pytorch/objects.h"

#include <fmt/format.h>

#include "engine/printable.h"
#include "engine/pytorch/damage.h"

namespace fovea::pytorch {
namespace {

// Above what checkpoints have: a million objects, long histories of a training.
constexpr size_t kMostObjects = size_t{1} << 22, kMostValues = size_t{1} << 24;
constexpr size_t kMostDimensions = 64;  // PyTorch's own

}  // namespace

Value Objects::find(Value value, std::string_view key) const {
  if (!value.is(ValueKind::Dict)) return {};
  const Dict& entries = dict(value);
  for (size_t i = entries.size(); i-- > 0;)
    if (entries[i].first.is(ValueKind::Text) && text(entries[i].first) == key) return entries[i].second;
  return {};
}

template <class List, class Entry>
Value Maker::add(ValueKind kind, List& list, Entry&& entry) {
  if (++made_ > kMostObjects) refuse_damaged(file_, fmt::format("its pickle makes more than {} objects", kMostObjects));
  list.push_back(std::forward<Entry>(entry));
  return {kind, static_cast<int64_t>(list.size()) - 1};
}

Value Maker::text(std::string_view lasting) { return add(ValueKind::Text, objects_.texts, lasting); }
Value Maker::own_text(std::string text) {
  objects_.own_texts.push_back(std::move(text));
  return this->text(objects_.own_texts.back());
}
Value Maker::sequence(Sequence values) { return add(ValueKind::Sequence, objects_.sequences, std::move(values)); }
Value Maker::dict() { return add(ValueKind::Dict, objects_.dicts, Dict()); }
Value Maker::global(std::string_view module, std::string_view name) {
  return add(ValueKind::Global, objects_.globals, find_global(module, name));
}
Value Maker::object(std::string made_by) {
  return add(ValueKind::Object, objects_.objects, PickledObject{std::move(made_by), {}});
}

void Maker::spend(size_t values) {
  spent_ += values;
  if (spent_ > kMostValues) refuse_damaged(file_, fmt::format("its pickle has more than {} values", kMostValues));
}

std::vector<int64_t> Maker::numbers_of(Value value) const {
  std::vector<int64_t> numbers;
  const Sequence none;
  const Sequence& values = value.is(ValueKind::Sequence) ? objects_.sequence(value) : none;
  if (!value.is(ValueKind::Sequence) || values.size() > kMostDimensions)
    refuse_damaged(file_, "a tensor's shape or strides are no list of numbers");
  for (const Value& one : values) {
    if (!one.is(ValueKind::Int) || one.number < 0)
      refuse_damaged(file_, "a tensor's shape or strides are no list of numbers");
    numbers.push_back(one.number);
  }
  return numbers;
}

Value Maker::call(Value callable, Value arguments) {
  // Python calls what came of another call, or an object's method: nothing that has a value here.
  if (!callable.is(ValueKind::Global))
    return object(callable.is(ValueKind::Object) ? objects_.object(callable).made_by : "a value");
  const Global global = objects_.global(callable);
  if (global.kind == GlobalKind::Harmful)
    refuse_content(file_,
                   fmt::format("to load it, Python would call '{}', which weights never need (nothing was called "
                               "here): do not load it anywhere, and take the weights from a place you trust",
                               printable(global.name)));
  static const Sequence none;
  const Sequence& given = arguments.is(ValueKind::Sequence) ? objects_.sequence(arguments) : none;
  switch (global.kind) {
    case GlobalKind::Dict:
      return dict_of(given.empty() ? Value() : given[0]);
    case GlobalKind::Sequence:
      return !given.empty() && given[0].is(ValueKind::Sequence) ? given[0] : sequence({});
    case GlobalKind::Tensor:
    case GlobalKind::TypedTensor:
      return tensor_of(global, given);
    case GlobalKind::Parameter:
      return given.empty() ? object(global.name) : given[0];
    case GlobalKind::Wrapped: {
      const bool can = given.size() >= 3 && given[0].is(ValueKind::Global) &&
                       objects_.global(given[0]).kind != GlobalKind::Wrapped;  // one within another: none does that
      return can ? call(given[0], given[2]) : object(global.name);
    }
    case GlobalKind::OddTensor:
      return add(ValueKind::Tensor, objects_.tensors, PickledTensor{.dtype = std::string(global.dtype)});
    default:
      return object(global.name);
  }
}

// Of nothing, of another dictionary, or of pairs (as Python 2 writes an OrderedDict).
Value Maker::dict_of(Value content) {
  if (content.is(ValueKind::Dict)) return content;
  const Value made = dict();
  if (!content.is(ValueKind::Sequence)) return made;
  const Sequence& pairs = objects_.sequence(content);
  spend(2 * pairs.size());
  for (const Value& pair : pairs)
    if (pair.is(ValueKind::Sequence) && objects_.sequence(pair).size() == 2)
      objects_.dicts.back().emplace_back(objects_.sequence(pair)[0], objects_.sequence(pair)[1]);
  return made;
}

Value Maker::tensor_of(const Global& global, const Sequence& arguments) {
  constexpr size_t kDTypeArgument = 6;
  const bool typed = global.kind == GlobalKind::TypedTensor;
  if (arguments.size() < (typed ? kDTypeArgument + 1 : 4) || !arguments[1].is(ValueKind::Int) ||
      arguments[1].number < 0)
    refuse_damaged(file_, fmt::format("'{}' has other arguments than PyTorch gives it", global.name));
  PickledTensor tensor{.dtype = "of an unknown kind",
                       .offset = arguments[1].number,
                       .shape = numbers_of(arguments[2]),
                       .strides = numbers_of(arguments[3])};
  if (tensor.shape.size() != tensor.strides.size())
    refuse_damaged(file_, "a tensor has another number of strides than of dimensions");
  if (arguments[0].is(ValueKind::Storage)) {
    tensor.storage = arguments[0].number;
    tensor.dtype = objects_.storage(arguments[0]).dtype;
  }
  if (typed) {
    const Value dtype = arguments[kDTypeArgument];
    const bool known = dtype.is(ValueKind::Global) && objects_.global(dtype).kind == GlobalKind::DType;
    if (!known) tensor.storage = -1;
    tensor.dtype = known                         ? std::string(objects_.global(dtype).dtype)
                   : dtype.is(ValueKind::Global) ? objects_.global(dtype).name
                                                 : "of an unknown kind";
  }
  return add(ValueKind::Tensor, objects_.tensors, std::move(tensor));
}

void Maker::build(Value object, Value state) {
  if (object.is(ValueKind::Object)) objects_.objects[static_cast<size_t>(object.number)].state = state;
}

Value Maker::persistent(Value id) {
  const auto damaged = [&] { refuse_damaged(file_, "a storage is not described as PyTorch does"); };
  if (!id.is(ValueKind::Sequence) || objects_.sequence(id).empty()) damaged();
  const Sequence& parts = objects_.sequence(id);
  const std::string_view what = parts[0].is(ValueKind::Text) ? objects_.text(parts[0]) : "";
  if (what == "module" && parts.size() >= 2) return parts[1];  // a class, with its source
  if (what != "storage" || parts.size() < 5 || !parts[2].is(ValueKind::Text) || !parts[4].is(ValueKind::Int) ||
      parts[4].number < 0)
    damaged();
  const bool known = parts[1].is(ValueKind::Global) && objects_.global(parts[1]).kind == GlobalKind::Storage;
  if (!known) return object("a storage of an unknown kind");
  PickledStorage storage{.dtype = objects_.global(parts[1]).dtype,
                         .key = objects_.text(parts[2]),
                         .count = parts[4].number,
                         .part = parts[4].number};
  if (parts.size() > 5 && parts[5].is(ValueKind::Sequence)) {  // key, first, count
    const Sequence& view = objects_.sequence(parts[5]);
    if (view.size() != 3 || !view[1].is(ValueKind::Int) || !view[2].is(ValueKind::Int) || view[1].number < 0 ||
        view[2].number < 0 || view[1].number > storage.count || view[2].number > storage.count - view[1].number)
      damaged();
    storage.first = view[1].number;
    storage.part = view[2].number;
  }
  return add(ValueKind::Storage, objects_.storages, storage);
}

}  // namespace fovea::pytorch

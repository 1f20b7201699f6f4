// What a pickle of PyTorch's names: the closed list of classes and functions whose values this program can make itself,
// those that no file of weights calls, and all others, which stay names.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace fovea::pytorch {

enum class GlobalKind : uint8_t {
  Other,        // a value that it makes is passed over
  Dict,         // OrderedDict, defaultdict, dict
  Sequence,     // list, tuple, set, torch.Size
  Tensor,       // _rebuild_tensor, _rebuild_tensor_v2: storage, offset, size, strides, …
  TypedTensor,  // _rebuild_tensor_v3: also its dtype
  Parameter,    // a tensor, and what training needs of it
  Wrapped,      // _rebuild_from_type_v2: function, class, arguments of the function, …
  OddTensor,    // quantized, sparse, without values: can be named, not read
  Storage,
  DType,
  Harmful,  // would run a program, code or another file: there is no good reason to have that in weights
};

struct Global {
  GlobalKind kind = GlobalKind::Other;
  std::string_view dtype;  // of Storage, DType and OddTensor, as of StoredTensor; "U8" of storages without one
  std::string name;        // "collections.OrderedDict"
};

Global find_global(std::string_view module, std::string_view name);

}  // namespace fovea::pytorch

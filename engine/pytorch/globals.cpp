#include "engine/pytorch/globals.h"

#include <algorithm>

namespace fovea::pytorch {
namespace {

struct KnownGlobal {
  std::string_view module, name;
  GlobalKind kind;
  std::string_view dtype;
};
constexpr KnownGlobal kGlobals[] = {
    {"collections", "OrderedDict", GlobalKind::Dict},
    {"collections", "defaultdict", GlobalKind::Dict},
    {"builtins", "dict", GlobalKind::Dict},
    {"builtins", "list", GlobalKind::Sequence},
    {"builtins", "tuple", GlobalKind::Sequence},
    {"builtins", "set", GlobalKind::Sequence},
    {"builtins", "frozenset", GlobalKind::Sequence},
    {"torch", "Size", GlobalKind::Sequence},
    {"torch._utils", "_rebuild_tensor", GlobalKind::Tensor},
    {"torch._utils", "_rebuild_tensor_v2", GlobalKind::Tensor},
    {"torch._utils", "_rebuild_tensor_v3", GlobalKind::TypedTensor},
    {"torch._utils", "_rebuild_parameter", GlobalKind::Parameter},
    {"torch._utils", "_rebuild_parameter_with_state", GlobalKind::Parameter},
    {"torch._tensor", "_rebuild_from_type", GlobalKind::Wrapped},
    {"torch._tensor", "_rebuild_from_type_v2", GlobalKind::Wrapped},
    {"torch.tensor", "_rebuild_from_type", GlobalKind::Wrapped},
    {"torch._utils", "_rebuild_qtensor", GlobalKind::OddTensor, "quantized"},
    {"torch._utils", "_rebuild_sparse_tensor", GlobalKind::OddTensor, "sparse"},
    {"torch._utils", "_rebuild_sparse_csr_tensor", GlobalKind::OddTensor, "sparse"},
    {"torch._utils", "_rebuild_nested_tensor", GlobalKind::OddTensor, "nested"},
    {"torch._utils", "_rebuild_meta_tensor_no_storage", GlobalKind::OddTensor, "without values"},
    {"torch._utils", "_rebuild_wrapper_subclass", GlobalKind::OddTensor, "wrapped"},
    {"torch._utils", "_rebuild_device_tensor_from_numpy", GlobalKind::OddTensor, "in NumPy's form"},
    {"torch._utils", "_rebuild_device_tensor_from_cpu_tensor", GlobalKind::Parameter},
    {"torch.storage", "UntypedStorage", GlobalKind::Storage, "U8"},
    {"torch", "UntypedStorage", GlobalKind::Storage, "U8"},
};

// Both the storages and the dtypes go by these.
struct KnownDType {
  std::string_view storage, name, dtype;
};
constexpr KnownDType kDTypesOfPyTorch[] = {
    {"DoubleStorage", "float64", "F64"},
    {"FloatStorage", "float32", "F32"},
    {"HalfStorage", "float16", "F16"},
    {"BFloat16Storage", "bfloat16", "BF16"},
    {"LongStorage", "int64", "I64"},
    {"IntStorage", "int32", "I32"},
    {"ShortStorage", "int16", "I16"},
    {"CharStorage", "int8", "I8"},
    {"", "uint64", "U64"},
    {"", "uint32", "U32"},
    {"", "uint16", "U16"},
    {"ByteStorage", "uint8", "U8"},
    {"BoolStorage", "bool", "BOOL"},
    {"ComplexFloatStorage", "complex64", "C64"},
    {"ComplexDoubleStorage", "complex128", "C128"},
    {"", "float8_e4m3fn", "F8_E4M3"},
    {"", "float8_e5m2", "F8_E5M2"},
    {"QInt8Storage", "qint8", "QI8"},
    {"QUInt8Storage", "quint8", "QU8"},
    {"QInt32Storage", "qint32", "QI32"},
    {"QUInt4x2Storage", "quint4x2", "QU4x2"},
    {"QUInt2x4Storage", "quint2x4", "QU2x4"},
    {"", "float", "F32"},  // other names of theirs
    {"", "double", "F64"},
    {"", "half", "F16"},
    {"", "long", "I64"},
    {"", "int", "I32"},
};

// Modules all of whose functions are harmful, and functions of others.
constexpr std::string_view kHarmfulModules[] = {
    "os",     "posix", "nt",         "sys",  "subprocess", "runpy", "importlib", "ctypes", "socket",
    "shutil", "pty",   "webbrowser", "code", "codeop",     "pdb",   "bdb",       "timeit", "commands",
};
struct HarmfulGlobal {
  std::string_view module, name;
};
constexpr HarmfulGlobal kHarmful[] = {
    {"builtins", "exec"},       {"builtins", "eval"},  {"builtins", "compile"},  {"builtins", "open"},
    {"builtins", "__import__"}, {"builtins", "input"}, {"builtins", "execfile"}, {"builtins", "breakpoint"},
    {"builtins", "file"},       {"io", "open"},        {"_io", "open"},          {"_io", "FileIO"},
    {"pickle", "loads"},        {"pickle", "load"},    {"_pickle", "loads"},     {"_pickle", "load"},
    {"torch", "load"},          {"numpy", "load"},
};

bool is_harmful(std::string_view module, std::string_view name) {
  const std::string_view top = module.substr(0, module.find('.'));
  return std::find(std::begin(kHarmfulModules), std::end(kHarmfulModules), top) != std::end(kHarmfulModules) ||
         module.starts_with("torch.hub") || (module.starts_with("numpy.testing") && name == "runstring") ||
         std::any_of(std::begin(kHarmful), std::end(kHarmful),
                     [&](const HarmfulGlobal& one) { return one.module == module && one.name == name; });
}

}  // namespace

Global find_global(std::string_view module, std::string_view name) {
  Global found;
  found.name.append(module).append(".").append(name);
  if (module == "__builtin__") module = "builtins";  // as Python 2 calls it, and protocols up to 2
  for (const KnownGlobal& known : kGlobals)
    if (known.module == module && known.name == name) {
      found.kind = known.kind;
      found.dtype = known.dtype;
      return found;
    }
  if (module == "torch" || module == "torch.cuda")
    for (const KnownDType& known : kDTypesOfPyTorch)
      if (!name.empty() && (known.storage == name || known.name == name)) {
        found.kind = known.storage == name ? GlobalKind::Storage : GlobalKind::DType;
        found.dtype = known.dtype;
        return found;
      }
  if (is_harmful(module, name)) found.kind = GlobalKind::Harmful;
  return found;
}

}  // namespace fovea::pytorch

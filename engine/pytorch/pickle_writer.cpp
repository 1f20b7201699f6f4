#include "engine/pytorch/pickle_writer.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/printable.h"
#include "engine/pytorch/globals.h"
#include "kernels/error.h"

namespace fovea::pytorch {
namespace {

// Instructions, by the names that Python's pickletools gives them.
constexpr char kProto = '\x80', kStop = '.', kMark = '(', kEmptyTuple = ')', kTuple = 't', kGlobal = 'c', kReduce = 'R',
               kPersistentId = 'Q', kSetItems = 'u', kUnicode = 'X', kInt32 = 'J', kLong = '\x8a', kFalse = '\x89';

template <class T>
std::string_view bytes_of(const T& number) {
  return {reinterpret_cast<const char*>(&number), sizeof(T)};
}

}  // namespace

PickleWriter::PickleWriter() {
  pickle_ += kProto;
  pickle_ += '\x02';
}

void PickleWriter::put_text(const std::string& text) {
  pickle_ += kUnicode;
  pickle_ += bytes_of(static_cast<uint32_t>(text.size()));
  pickle_ += text;
}

void PickleWriter::put_number(int64_t number) {
  const auto narrow = static_cast<int32_t>(number);
  pickle_ += narrow == number ? kInt32 : kLong;
  if (narrow == number) {
    pickle_ += bytes_of(narrow);
    return;
  }
  pickle_ += static_cast<char>(sizeof(number));
  pickle_ += bytes_of(number);
}

void PickleWriter::put_numbers(const std::vector<int64_t>& numbers) {
  pickle_ += kMark;
  for (const int64_t number : numbers) put_number(number);
  pickle_ += kTuple;
}

void PickleWriter::put_global(std::string_view module, std::string_view name) {
  pickle_ += fmt::format("{}{}\n{}\n", kGlobal, module, name);
}

void PickleWriter::open_dict() {
  put_global("collections", "OrderedDict");
  pickle_ += kEmptyTuple;
  pickle_ += kReduce;
  pickle_ += kMark;
}

void PickleWriter::close_dict() { pickle_ += kSetItems; }

// torch._utils._rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks); _v3 has the dtype behind
// them, and a storage of bytes.
void PickleWriter::tensor(const StoredTensor& tensor, const std::string& storage, const std::string& name) {
  const DTypeNames names = names_of_dtype(tensor.dtype);
  if (names.dtype.empty())
    throw Error(ErrorKind::Data, fmt::format("tensor '{}' has the dtype '{}', which PyTorch's files cannot hold",
                                             printable(name), printable(tensor.dtype)));
  const bool is_typed = names.storage.empty();
  std::vector<int64_t> strides(tensor.shape.size());
  int64_t stride = 1;
  for (size_t axis = strides.size(); axis-- > 0; stride *= std::max<int64_t>(tensor.shape[axis], 1))
    strides[axis] = stride;
  put_global("torch._utils", is_typed ? "_rebuild_tensor_v3" : "_rebuild_tensor_v2");
  pickle_ += kMark;
  pickle_ += kMark;
  put_text("storage");
  put_global("torch", is_typed ? "UntypedStorage" : names.storage);
  put_text(storage);
  put_text("cpu");
  put_number(static_cast<int64_t>(tensor.data.size() / (is_typed ? 1 : bytes_of_dtype(tensor.dtype))));
  pickle_ += kTuple;
  pickle_ += kPersistentId;
  put_number(0);
  put_numbers(tensor.shape);
  put_numbers(strides);
  pickle_ += kFalse;
  open_dict();
  close_dict();
  if (is_typed) put_global("torch", names.dtype);
  pickle_ += kTuple;
  pickle_ += kReduce;
}

std::string PickleWriter::finish() {
  pickle_ += kStop;
  return std::move(pickle_);
}

}  // namespace fovea::pytorch

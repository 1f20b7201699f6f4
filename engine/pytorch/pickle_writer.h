// The pickle of a dictionary of tensors, as torch.save() writes it (protocol 2), of nothing but what
// torch.load(weights_only=True) makes again.
#pragma once
#include <string>

#include "engine/tensor_file.h"

namespace fovea::pytorch {

class PickleWriter {
 public:
  PickleWriter();
  // Opens an OrderedDict; until it is closed, what is written are its entries, each behind its key.
  void open_dict();
  void close_dict();
  void key(const std::string& text) { put_text(text); }
  // A tensor in C order, alone in the storage that the file has under `storage`. `name` is for the error: Error(Data)
  // where PyTorch has no such dtype.
  void tensor(const StoredTensor& tensor, const std::string& storage, const std::string& name);
  std::string finish();

 private:
  void put_text(const std::string& text);
  void put_number(int64_t number);
  void put_numbers(const std::vector<int64_t>& numbers);
  void put_global(std::string_view module, std::string_view name);

  std::string pickle_;
};

}  // namespace fovea::pytorch

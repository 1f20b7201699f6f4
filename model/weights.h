// Parameters to and from files of tensors, under torchvision's names and in its layout (convolution weights OIHW).
#pragma once
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "engine/parameters.h"
#include "engine/tensor_file.h"

namespace fovea {

// Tensors on the host, to be written: keeps their memory.
class HostTensors {
 public:
  void add(const std::string& name, const Tensor& tensor);  // fp32
  void add_parameters(const ParameterStore& store);         // all, in torchvision's layout
  const std::map<std::string, StoredTensor>& tensors() const { return tensors_; }

 private:
  void add(const std::string& name, std::vector<int64_t> shape, std::vector<float> values);
  std::deque<std::vector<float>> memory_;
  std::map<std::string, StoredTensor> tensors_;
};

struct WeightsReport {
  std::vector<std::string> reinitialized;  // not in the file, or of another shape there: left as they were
  std::vector<std::string> unused;         // in the file, but not in the model; without the norms' counts of batches
};

// Exact: every parameter must be there in its shape. Matching: takes what fits and reports the rest (a head for other
// classes, a backbone alone, with or without its prefix "backbone.body."). Throws Error(Data) naming file and tensor,
// before anything changed.
enum class LoadMode : uint8_t { Exact, Matching };
// Numbers that are NaN or infinite, as a training that diverged leaves them.
enum class NonFinite : uint8_t { Refuse, Take };
WeightsReport load_weights(const TensorFile& file, ParameterStore& store, LoadMode mode,
                           NonFinite non_finite = NonFinite::Refuse);

// Throws Error(Data) where the tensor holds such numbers and they are refused: file, tensor, how many.
void require_finite(const TensorFile& file, const std::string& tensor, NonFinite non_finite);

// A parameter's shape in torchvision's layout.
std::vector<int64_t> torchvision_shape(const Parameter& parameter);

// The values of a parameter in torchvision's layout, from values in ours.
std::vector<float> to_torchvision(const Parameter& parameter, const std::vector<float>& values);

}  // namespace fovea

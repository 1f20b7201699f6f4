#include "tools/checkpoint/convert_weights.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <deque>
#include <map>
#include <set>

#include "engine/half.h"
#include "engine/printable.h"
#include "engine/pytorch/save.h"
#include "engine/safetensors.h"
#include "kernels/launch/bfloat16.h"
#include "model/family_tensors.h"
#include "model/names.h"
#include "model/recognize.h"
#include "model/retinanet.h"
#include "model/weight_names.h"
#include "tools/checkpoint/checkpoint.h"
#include "tools/checkpoint/foreign_weights.h"
#include "tools/text/outputs.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

using Tensors = std::map<std::string, StoredTensor>;
using Metadata = std::map<std::string, std::string>;
constexpr const char *kMadeBy = "about", *kChecksums = "xxh3";  // metadata of every file
constexpr const char* kSafetensors = ".safetensors";

bool is_floating(const std::string& dtype) {
  return dtype == "F64" || dtype == "F32" || dtype == "F16" || dtype == "BF16";
}

// Tensors as they are to be written, with the memory of those that are not written as they lie in the file.
class Rewriter {
 public:
  Rewriter(const TensorFile& file, const Conversion& wanted) : file_(file), wanted_(wanted) {}

  // In C order and in the dtype that is wanted of weights.
  StoredTensor weight(const std::string& name) {
    if (!is_floating(file_.at(name).dtype)) return as_it_is(name);
    require_finite(file_, name, wanted_.non_finite);
    return wanted_.dtype.empty() || wanted_.dtype == file_.at(name).dtype ? as_it_is(name) : in_dtype(name);
  }
  StoredTensor as_it_is(const std::string& name) {
    const StoredTensor& stored = file_.at(name);
    return stored.strides.empty() ? stored : keep(stored, stored.dtype, file_.read_bytes(name));
  }
  StoredTensor keep(const StoredTensor& like, const std::string& dtype, std::vector<std::byte> values) {
    memory_.push_back(std::move(values));
    return {dtype, like.shape, memory_.back(), {}};
  }

 private:
  StoredTensor in_dtype(const std::string& name) {
    const std::vector<float> values = file_.read<float>(name);
    std::vector<std::byte> bytes(values.size() * bytes_of_dtype(wanted_.dtype));
    if (wanted_.dtype == "F32") {
      std::memcpy(bytes.data(), values.data(), bytes.size());
      return keep(file_.at(name), wanted_.dtype, std::move(bytes));
    }
    const bool is_half = wanted_.dtype == "F16";
    for (size_t i = 0; i < values.size(); ++i) {
      const uint16_t bits = is_half ? half_of_float(values[i]) : bfloat16(values[i]).bits;
      const float rounded = is_half ? float_of_half(bits) : static_cast<float>(bfloat16(values[i]));
      if (std::isfinite(values[i]) && !std::isfinite(rounded))
        throw Error(ErrorKind::Data,
                    fmt::format("{}: tensor '{}' holds {}, which is too large for {}", printable(file_.path().native()),
                                printable(name), values[i], is_half ? "fp16: use bf16" : "bf16: use fp32"));
      std::memcpy(bytes.data() + i * sizeof(bits), &bits, sizeof(bits));
    }
    return keep(file_.at(name), wanted_.dtype, std::move(bytes));
  }

  const TensorFile& file_;
  const Conversion& wanted_;
  std::deque<std::vector<std::byte>> memory_;
};

// What torchvision's norms count with, beside their statistics; not of the network, but of what others load.
std::string count_beside(const std::string& parameter) {
  constexpr std::string_view kVariance = ".running_var";
  if (!parameter.ends_with(kVariance)) return "";
  return parameter.substr(0, parameter.size() - kVariance.size()) + names::kBatchCount;
}

// The network's tensors from the names and layout of one family to those of another.
class NetworkTensors {
 public:
  NetworkTensors(const TensorFile& file, const Conversion& wanted, const Recognized& recognized)
      : file_(file), wanted_(wanted), recognized_(recognized), taken_(names_taken(file, recognized)) {}

  Tensors convert(Rewriter& rewriter) {
    Tensors tensors;
    const ParameterStore network = parameters_of(recognized_.model);
    for (const Parameter& parameter : network.all()) {
      const std::string& own = parameter.name;
      tensors[name_out(own)] = rearranged(own, rewriter.weight(name_in(own)), rewriter);
      const std::string count = count_beside(own);
      if (!count.empty() && taken_.contains(count)) tensors[name_out(count)] = rewriter.as_it_is(name_in(count));
    }
    return tensors;
  }
  // Those of the file that are none of the network's.
  std::vector<std::string> left_out() const {
    std::vector<std::string> names;
    for (const auto& [name, tensor] : file_.tensors())
      if (!used_.contains(name) && !name.starts_with(kOptimizerPrefix)) names.push_back(name);
    return names;
  }

 private:
  std::string name_out(const std::string& own) const { return family_name(wanted_.names_out, own, recognized_.model); }
  const std::string& name_in(const std::string& own) {
    const auto found = taken_.find(own);
    if (found == taken_.end())
      throw Error(ErrorKind::Data, fmt::format("{}: tensor '{}' is missing, which its network has",
                                               printable(file_.path().native()), own));
    return *used_.insert(found->second).first;
  }
  StoredTensor rearranged(const std::string& own, StoredTensor tensor, Rewriter& rewriter) const {
    const ModelConfig& model = recognized_.model;
    if (recognized_.family == wanted_.names_out) return tensor;
    if (is_rearranged(recognized_.family, own))
      tensor =
          rewriter.keep(tensor, tensor.dtype, from_family(recognized_.family, own, tensor.data, tensor.shape, model));
    if (is_rearranged(wanted_.names_out, own))
      tensor = rewriter.keep(tensor, tensor.dtype, to_family(wanted_.names_out, own, tensor.data, tensor.shape, model));
    return tensor;
  }

  const TensorFile& file_;
  const Conversion& wanted_;
  const Recognized& recognized_;
  std::map<std::string, std::string> taken_;
  std::set<std::string> used_;
};

// The network that the file is of: as it says itself, or as its tensors tell.
struct FileNetwork {
  Recognized recognized;
  Config config;
};
FileNetwork network_of(const TensorFile& file, WeightFamily family, const std::optional<Config>& config,
                       const Conversion& wanted) {
  if (config) return {recognized_as(family, config->model), *config};
  const Recognized recognized = recognize(file, wanted.names_in);
  return {recognized, config_for(recognized)};
}

void write(const fs::path& path, Tensors weights, const Tensors& optimizer, Metadata metadata) {
  metadata[kMadeBy] = kMark;
  if (path.extension() != kSafetensors) return save_pytorch(path, weights, optimizer, metadata);
  weights.insert(optimizer.begin(), optimizer.end());
  write_safetensors(path, weights, std::move(metadata));
}

// The tensors of a file that is of no RetinaNet, under their own names without what wrappers put before them.
Tensors other_tensors(const TensorFile& file, const Conversion& wanted, Rewriter& rewriter) {
  if (wanted.names_out != WeightFamily::Torchvision)
    throw Error(ErrorKind::Data, fmt::format("{}: holds no RetinaNet, and only a RetinaNet's tensors have names of {}",
                                             printable(file.path().native()), traits_of(wanted.names_out).program));
  Tensors tensors;
  for (const auto& [name, in_file] : names_taken(file))
    if (!in_file.starts_with(kOptimizerPrefix)) tensors[name] = rewriter.weight(in_file);
  return tensors;
}

// Of a training elsewhere, the average is a state dict of its own.
TensorFile open_weights(const Conversion& wanted) {
  if (!wanted.average) return open_tensor_file(wanted.in, wanted.state_dict);
  const TensorFile file = open_tensor_file(wanted.in);
  return read_info(file).config ? file : open_tensor_file(wanted.in, kAverageWeights);
}

// A checkpoint of ours with its moving average in place of the weights.
TensorFile averaged(const TensorFile& file, const Config& config) {
  if (!file.contains(std::string(kOptimizerPrefix) + kAverageState))
    throw Error(ErrorKind::Data,
                fmt::format("{}: keeps no moving average of its weights", printable(file.path().native())));
  Context context(DeviceKind::Cpu, Precision::F32, kernels::ConvAlgorithm::Direct);
  RetinaNet model(context, config.model, std::nullopt);
  load_weights(file, model.parameters(), LoadMode::Exact, NonFinite::Take);
  Optimizer optimizer(context, model.parameters(), config.train.optimizer);
  restore_optimizer(file, optimizer, NonFinite::Take);
  const AveragedWeights averages(optimizer);
  const auto held = std::make_shared<HostTensors>();
  held->add_parameters(model.parameters());
  return {file.path(), file.format(), std::shared_ptr<const std::byte>(held, nullptr), held->tensors(),
          file.metadata()};
}

}  // namespace

void require_known_format(const fs::path& out) {
  for (const char* known : {kSafetensors, ".pth", ".pt"})
    if (out.extension() == known) return;
  throw Error(ErrorKind::Usage, fmt::format("{}: its name tells no format: end it with .safetensors, .pth or .pt",
                                            printable(out.native())));
}

Converted convert_weights(const Conversion& wanted) {
  require_known_format(wanted.out);
  TensorFile file = open_weights(wanted);
  const CheckpointInfo info = read_info(file);
  if (wanted.average && info.config) file = averaged(file, *info.config);
  Metadata metadata = file.metadata();
  metadata.erase(kChecksums);  // the writer makes them anew
  Rewriter rewriter(file, wanted);
  Converted told{.format = file.format()};
  Tensors weights, optimizer;
  if (const auto family = family_of(file, wanted.names_in)) {
    const FileNetwork network = network_of(file, *family, info.config, wanted);
    const ModelConfig& model = network.config.model;
    if (const std::string missing = missing_in(wanted.names_out, model); !missing.empty())
      throw Error(ErrorKind::Data,
                  fmt::format("{}: its network has {}, which {}'s has not", printable(wanted.in.native()), missing,
                              traits_of(wanted.names_out).program));
    NetworkTensors tensors(file, wanted, network.recognized);
    weights = tensors.convert(rewriter);
    told.left_out = tensors.left_out();
    told.config = network.config;
    if (!info.config) told.recognized = network.recognized;
    metadata[kConfigKey] = to_toml(network.config);
    metadata.erase(kNamesKey);
    if (wanted.names_out != WeightFamily::Torchvision) metadata[kNamesKey] = traits_of(wanted.names_out).word;
  } else {
    weights = other_tensors(file, wanted, rewriter);
  }
  // Rounded weights are a start, no place to go on from.
  if (wanted.strip || wanted.average || !wanted.dtype.empty()) {
    metadata.erase(kStepsKey);
  } else {
    for (const auto& [name, tensor] : file.tensors())
      if (name.starts_with(kOptimizerPrefix)) optimizer[name] = rewriter.as_it_is(name);
  }
  told.tensors = weights.size();
  told.has_optimizer = !optimizer.empty();
  write(wanted.out, std::move(weights), optimizer, std::move(metadata));
  return told;
}

}  // namespace fovea

#include "kernels/conv/cuda/cudnn_graphs.h"

#define NV_CUDNN_FRONTEND_USE_DYNAMIC_LOADING
#include <cudnn_frontend.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <sstream>

#include "kernels/conv/cuda/cudnn_library.h"
#include "kernels/conv/cuda/described_device.h"

namespace cudnn_frontend {
void* cudnn_dlhandle = nullptr;  // the frontend's own hook: Device sets it
}

namespace fovea::cudnn {
namespace fe = cudnn_frontend;
using fe::graph::Graph;
using Tensor = std::shared_ptr<fe::graph::Tensor_attributes>;

namespace {

// Names of the tensors for cuDNN: a field of Operands each.
enum Uid : int64_t { kImage = 1, kWeights, kAdd, kBias, kMask, kOut };

fe::DataType_t type_of(DType dtype) { return dtype == DType::F32 ? fe::DataType_t::FLOAT : fe::DataType_t::BFLOAT16; }

void check(fe::error_t status, const std::string& what) {
  if (status.is_bad())
    throw Error(ErrorKind::Runtime,
                "cuDNN " + version_text(library().version) + ": " + what + ": " + status.get_message());
}

// N, C, H, W as cuDNN orders dimensions, lying in memory as NHWC.
fe::graph::Tensor_attributes nhwc(Uid uid, DType dtype, int64_t n, int64_t c, int64_t h, int64_t w) {
  return fe::graph::Tensor_attributes()
      .set_uid(uid)
      .set_dim({n, c, h, w})
      .set_stride({c * h * w, 1, c * w, c})
      .set_data_type(type_of(dtype));
}

struct Builder {
  Graph& graph;
  const GraphKey& key;
  const ConvShape& s = key.shape;

  fe::graph::Tensor_attributes x(Uid uid) const { return nhwc(uid, key.dtype, s.batch, s.in_c, s.in_h, s.in_w); }
  fe::graph::Tensor_attributes y(Uid uid) const { return nhwc(uid, key.dtype, s.batch, s.out_c, s.out_h(), s.out_w()); }
  fe::graph::Tensor_attributes w(Uid uid) const {
    return nhwc(uid, key.dtype, s.out_c, s.in_c / s.groups, s.kernel_h, s.kernel_w);
  }
  template <class Attributes>
  Attributes window() const {
    return Attributes()
        .set_padding({s.pad.h, s.pad.w})
        .set_stride({s.stride, s.stride})
        .set_dilation({1, 1})
        .set_compute_data_type(fe::DataType_t::FLOAT);
  }
  static fe::graph::Pointwise_attributes pointwise(fe::PointwiseMode_t mode) {
    return fe::graph::Pointwise_attributes().set_mode(mode).set_compute_data_type(fe::DataType_t::FLOAT);
  }
  // What a convolution leaves has no dimensions yet where it is a gradient.
  static void give_shape(const Tensor& tensor, const fe::graph::Tensor_attributes& like) {
    tensor->set_dim(like.get_dim()).set_stride(like.get_stride());
  }
  void output(const Tensor& tensor) const { tensor->set_output(true).set_uid(kOut).set_data_type(type_of(key.dtype)); }

  void forward() const {
    Tensor y_now = graph.conv_fprop(graph.tensor(x(kImage)), graph.tensor(w(kWeights)),
                                    window<fe::graph::Conv_fprop_attributes>());
    if (key.add) y_now = graph.pointwise(y_now, graph.tensor(y(kAdd)), pointwise(fe::PointwiseMode_t::ADD));
    if (key.bias)
      y_now = graph.pointwise(y_now, graph.tensor(nhwc(kBias, key.dtype, 1, s.out_c, 1, 1)),
                              pointwise(fe::PointwiseMode_t::ADD));
    if (key.relu) y_now = graph.pointwise(y_now, pointwise(fe::PointwiseMode_t::RELU_FWD));
    output(y_now);
  }

  void backward_data() const {
    Tensor dx = graph.conv_dgrad(graph.tensor(y(kImage)), graph.tensor(w(kWeights)),
                                 window<fe::graph::Conv_dgrad_attributes>());
    give_shape(dx, x(kOut));
    if (key.add) dx = graph.pointwise(dx, graph.tensor(x(kAdd)), pointwise(fe::PointwiseMode_t::ADD));
    if (key.relu) dx = graph.pointwise(dx, graph.tensor(x(kMask)), pointwise(fe::PointwiseMode_t::RELU_BWD));
    output(dx);
  }

  void backward_weight() const {
    const Tensor dw = graph.conv_wgrad(graph.tensor(y(kWeights)), graph.tensor(x(kImage)),
                                       window<fe::graph::Conv_wgrad_attributes>());
    give_shape(dw, w(kOut));
    output(dw);
  }

  void build() const {
    graph.set_io_data_type(type_of(key.dtype))
        .set_intermediate_data_type(fe::DataType_t::FLOAT)
        .set_compute_data_type(fe::DataType_t::FLOAT);
    if (key.pass == ConvPass::Forward) return forward();
    if (key.pass == ConvPass::BackwardData) return backward_data();
    backward_weight();
  }
};

// Precompiled kernels for Hopper have knobs for the shape of a cluster of blocks; no older ones have.
bool has_clusters(const std::string& engine) {
  const auto has = [&](cudnnBackendKnobType_t knob) {
    std::string name("_k");
    name.append(std::to_string(static_cast<int>(knob))).append("=");
    return engine.find(name) != std::string::npos;
  };
  return has(CUDNN_KNOB_TYPE_TILE_CGA_M) && has(CUDNN_KNOB_TYPE_TILE_CGA_N);
}

// What no engine may do. Same seed, same bits: never add in an order that changes. fp32 is exact: no transforms with
// errors of their own, and no TF32 (TENSOR_CORE and DOWN_CONVERT_INPUTS mark it) unless it was asked for.
std::vector<fe::NumericalNote_t> unwanted(const GraphKey& key) {
  using Note = fe::NumericalNote_t;
  std::vector<Note> notes{Note::NONDETERMINISTIC, Note::REDUCED_PRECISION_REDUCTION};
  if (key.dtype == DType::F32) notes.insert(notes.end(), {Note::FFT, Note::WINOGRAD});
  if (key.dtype == DType::F32 && !key.tf32) notes.insert(notes.end(), {Note::TENSOR_CORE, Note::DOWN_CONVERT_INPUTS});
  return notes;
}

const char* name_of_pass(ConvPass pass) {
  return pass == ConvPass::Forward ? "forward" : pass == ConvPass::BackwardData ? "data" : "weight";
}

// cuDNN's message of an engine that is not there has a paragraph for each that it tried: its first line, and of the
// engines' reasons the most frequent.
std::string one_line(const std::string& message) {
  std::istringstream lines(message);
  std::map<std::string, int> reasons;
  std::string first, reason;
  for (std::string line; std::getline(lines, line);) {
    if (first.empty()) first = line;
    constexpr const char* kWarning = "Warning: ";
    if (line.rfind(kWarning, 0) == 0 && reason.rfind(kWarning, 0) != 0)  // the first of an engine: the cause
      ++reasons[line.substr(std::strlen(kWarning))];
    reason = line;
  }
  const auto most = std::max_element(reasons.begin(), reasons.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  if (first.empty()) return "no engine";
  return most == reasons.end() ? first : first + ": " + most->first;
}

cudnnHandle_t as_handle(void* handle) { return static_cast<cudnnHandle_t>(handle); }

std::string json_string(const std::string& json, const std::string& field) {
  return nlohmann::json::parse(json).at(field).get<std::string>();
}

}  // namespace

std::string text_of(const GraphKey& k) {
  const ConvShape& s = k.shape;
  std::string text = std::string(name_of_pass(k.pass)) + " " + fovea::name_of(k.dtype);
  for (const int value :
       {s.batch, s.in_h, s.in_w, s.in_c, s.out_c, s.kernel_h, s.kernel_w, s.stride, s.pad.h, s.pad.w, s.groups})
    text.append(" ").append(std::to_string(value));
  return text + (k.add ? " add" : "") + (k.bias ? " bias" : "") + (k.relu ? " relu" : "") + (k.tf32 ? " tf32" : "");
}

std::string fusion_text(const GraphKey& k) {
  if (k.pass == ConvPass::BackwardWeight) return "weight gradient";
  const bool forward = k.pass == ConvPass::Forward;
  return std::string(forward ? "conv" : "data gradient") + (k.add ? " + add" : "") + (k.bias ? " + bias" : "") +
         (k.relu ? forward ? " + ReLU" : " + mask" : "");
}

const char* name_of(KernelKind kind, int sm) {
  switch (kind) {
    case KernelKind::Hopper:
      return sm >= 100 ? "Blackwell" : "Hopper";
    case KernelKind::Earlier:
      return "Ampere or earlier";
    case KernelKind::Compiled:
      return "compiled at run time";
  }
  return "?";
}

struct Device::Properties {
  std::shared_ptr<fe::DeviceProperties> value = std::make_shared<fe::DeviceProperties>();
};

Device Device::at_hand(void* handle, const std::string& name, int sm) {
  fe::cudnn_dlhandle = library().loaded.handle;
  Device device;
  device.handle_ = handle;
  device.name_ = name;
  device.sm_ = sm;
  return device;
}

Device Device::described(const std::string& description) {
  fe::cudnn_dlhandle = library().loaded.handle;
  Device device;
  device.name_ = json_string(description, "deviceName");
  device.sm_ = nlohmann::json::parse(description).at("deviceVer").get<int>() / 10;  // 900: sm_90
  std::vector<uint8_t> bytes(description.begin(), description.end());
  bytes.push_back(0);
  auto properties = std::make_shared<Properties>();
  check(properties->value->deserialize(bytes), "the device's description");
  device.properties_ = properties;
  return device;
}

Device Device::h200() { return described(kH200); }

// The list of plans as the frontend keeps it, to know of each whether it may be taken.
struct OpenGraph : Graph {
  bool takes(int64_t plan) { return plans.check_support_at_index(plan).is_good(); }
  void drop(int64_t plan) { plans.execution_plans.at(static_cast<size_t>(plan)).reset(); }
};

struct ConvGraph::Impl {
  GraphKey key;
  OpenGraph graph;
  std::vector<int64_t> offered;  // plans that may be taken: candidate i is the plan offered[i]
  std::string why;
  PlanInfo info;
  int64_t current = 0;  // the plan built last
  bool described = false;

  Impl(const Device& device, const GraphKey& key) : key(key), described(device.is_described()) {
    graph.set_sm_version(device.sm_);  // else the frontend asks a libcudart that it looks for itself
    if (described) graph.set_device_properties(device.properties_->value);
    // Plans outlive what is recorded from them (conv.h), so that a recording need not hold them.
    graph.set_cuda_graph_retention(fe::CudaGraphRetention_t::NONE);
  }

  fe::error_t ask(void* handle) {
    Builder{graph, key}.build();
    if (auto status = graph.validate(); status.is_bad()) return status;
    auto status = described ? graph.build_operation_graph() : graph.build_operation_graph(as_handle(handle));
    if (status.is_bad()) return status;
    // Engines without tensor cores are among the fall-back's only.
    status = graph.create_execution_plans({fe::HeurMode_t::A, fe::HeurMode_t::FALLBACK});
    if (status.is_bad()) return status;
    graph.deselect_numeric_notes(unwanted(key));
    for (int64_t plan = 0; plan < graph.get_execution_plan_count(); ++plan)
      if (graph.takes(plan)) offered.push_back(plan);
    return offered.empty() ? graph.check_support() : status;
  }

  KernelKind kind_of(int64_t plan, const std::string& engine) const {
    std::vector<fe::BehaviorNote_t> notes;
    check(graph.get_behavior_notes_for_plan_at_index(plan, notes), "the notes of a plan");
    if (std::find(notes.begin(), notes.end(), fe::BehaviorNote_t::RUNTIME_COMPILATION) != notes.end())
      return KernelKind::Compiled;
    return has_clusters(engine) ? KernelKind::Hopper : KernelKind::Earlier;
  }
  std::string engine_of(int64_t plan) const {
    std::string engine;
    check(graph.get_plan_name_at_index(plan, engine), "the name of a plan");
    return engine;
  }
  PlanInfo look(int candidate) const {
    PlanInfo found;
    found.engine = engine_of(offered[candidate]);
    found.kind = kind_of(offered[candidate], found.engine);
    found.candidates = static_cast<int>(offered.size());
    for (const int64_t plan : offered) found.hopper += int{kind_of(plan, engine_of(plan)) == KernelKind::Hopper};
    return found;
  }
};

ConvGraph::ConvGraph(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ConvGraph::ConvGraph(ConvGraph&&) noexcept = default;
ConvGraph& ConvGraph::operator=(ConvGraph&&) noexcept = default;
ConvGraph::~ConvGraph() = default;

ConvGraph::ConvGraph(const Device& device, const GraphKey& key) : impl_(new Impl(device, key)) {
  fe::error_t status = impl_->ask(device.handle_);
  if (status.is_bad()) impl_->why = one_line(status.get_message());
}

int ConvGraph::candidates() const { return static_cast<int>(impl_->offered.size()); }
const std::string& ConvGraph::why() const { return impl_->why; }
const PlanInfo& ConvGraph::info() const { return impl_->info; }
const GraphKey& ConvGraph::key() const { return impl_->key; }

PlanInfo ConvGraph::look(int candidate) const { return impl_->look(candidate); }

bool ConvGraph::build(int candidate) {
  const int64_t plan = impl_->offered[candidate];
  int64_t workspace = 0;
  if (impl_->graph.build_plan_at_index(plan).is_bad() ||
      impl_->graph.get_workspace_size_plan_at_index(plan, workspace).is_bad())
    return false;
  impl_->info = impl_->look(candidate);
  impl_->info.workspace = static_cast<size_t>(workspace);
  impl_->current = plan;
  return true;
}

void ConvGraph::drop(int candidate) { impl_->graph.drop(impl_->offered[candidate]); }

void ConvGraph::execute(void* handle, const Operands& operands, void* workspace) const {
  std::unordered_map<int64_t, void*> tensors{{kOut, operands.out}};
  const auto bind = [&](Uid uid, const void* data) {
    if (data != nullptr) tensors.emplace(uid, const_cast<void*>(data));
  };
  bind(kImage, operands.image), bind(kWeights, operands.weights), bind(kAdd, operands.add);
  bind(kBias, operands.bias), bind(kMask, operands.mask);
  check(impl_->graph.execute_plan_at_index(as_handle(handle), tensors, workspace, impl_->current),
        "running " + text_of(impl_->key));
}

std::vector<uint8_t> ConvGraph::serialize() const {
  std::vector<uint8_t> bytes;
  check(impl_->graph.serialize(bytes, /*serialize_structure=*/false), "serializing a plan");
  return bytes;
}

std::optional<ConvGraph> ConvGraph::load(const Device& device, const GraphKey& key, const PlanInfo& info,
                                         const std::vector<uint8_t>& plan) {
  auto impl = std::make_unique<Impl>(device, key);
  try {
    const fe::error_t status =
        impl->described ? impl->graph.deserialize(plan)
                        : impl->graph.deserialize(as_handle(device.handle_), plan, false, /*run_warmup=*/false);
    if (status.is_bad()) return std::nullopt;
  } catch (const nlohmann::json::exception&) {  // not a plan
    return std::nullopt;
  }
  impl->info = info;
  return ConvGraph(std::move(impl));
}

}  // namespace fovea::cudnn

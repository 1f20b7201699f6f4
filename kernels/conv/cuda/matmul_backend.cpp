#include "kernels/conv/cuda/matmul_backend.h"

#include <map>

#include "kernels/conv/backend.h"
#include "kernels/conv/cuda/candidate_timing.h"
#include "kernels/conv/cuda/conv_cost.h"
#include "kernels/conv/cuda/cublaslt_matmul.h"
#include "kernels/conv/cuda/cublaslt_runtime.h"
#include "kernels/conv/cuda/cudnn_runtime.h"
#include "kernels/conv/cuda/plan_file.h"
#include "kernels/conv/cuda/random_tensor.h"
#include "kernels/conv/gpu_libraries.h"
#include "kernels/conv/work.h"
#include "kernels/device/scratch.h"
#include "kernels/notice.h"
#include "kernels/reduce.h"

namespace fovea::kernels {
namespace {

using cublaslt::Matmul;
using cublaslt::MatmulKey;
using cublaslt::MatmulOperands;

constexpr int kRowBytes = 16;  // rows of pixels are multiples of it: what tensor cores take, and vectors

// The form in which a convolution 1x1 is a matmul: as it is, or with a stride on gathered pixels. Empty: it is none.
std::optional<PaddedShape> product_form(const ConvShape& s, DType dtype) {
  const int multiple = kRowBytes / static_cast<int>(size_of(dtype));
  if (s.in_c % multiple != 0 || s.out_c % multiple != 0) return std::nullopt;
  if (gathers(s)) return gathered_shape(s);
  if (s.kernel_h != 1 || s.kernel_w != 1 || s.stride != 1 || s.pad != Extent(0) || s.groups != 1) return std::nullopt;
  return PaddedShape{s, s};
}

int64_t pixels_of(const ConvShape& s) { return int64_t{s.batch} * s.in_h * s.in_w; }

// `fusion.bits`: a ReLU's are written, or read. Gathered gradients are added and masked by the pass that scatters them,
// and without bits others are masked by one too.
MatmulKey key_of(const PaddedShape& form, DType dtype, ConvPass pass, const ConvFusion& fusion) {
  const ConvShape& s = form.shape;
  const bool data = pass == ConvPass::BackwardData, scatters = data && form.gather;
  const bool bits = fusion.bits && !scatters, relu = fusion.relu && (!data || bits);
  return {pass, dtype, pixels_of(s), s.in_c, s.out_c, fusion.add && !scatters, fusion.bias, relu, bits};
}

// The fastest of the matmul's algorithms.
conv::cuda::Timed time_algorithms(Queue& queue, Matmul& matmul) {
  using conv::cuda::RandomTensor;
  const MatmulKey& key = matmul.key();
  const bool weight = key.pass == ConvPass::BackwardWeight, forward = key.pass == ConvPass::Forward;
  const int64_t x = key.pixels * key.in_c, y = key.pixels * key.out_c, w = int64_t{key.in_c} * key.out_c;
  size_t workspace_bytes = 0;
  for (int i = 0; i < matmul.candidates(); ++i) {
    matmul.pick(i);
    workspace_bytes = std::max(workspace_bytes, matmul.workspace_bytes());
  }
  const RandomTensor image(queue, key.pass == ConvPass::BackwardData ? y : x, key.dtype),
      weights(queue, weight ? y : w, key.dtype), bias(queue, key.bias ? key.out_c : 0, DType::F32),
      out(queue,
          weight    ? w
          : forward ? y
                    : x,
          weight ? DType::F32 : key.dtype),
      workspace(queue, static_cast<int64_t>(workspace_bytes / sizeof(float)), DType::F32);
  const RandomTensor bits(queue, key.bits ? static_cast<int64_t>(cublaslt::bits_bytes(key) / sizeof(float)) : 0,
                          DType::F32);
  const MatmulOperands operands{image.data(), weights.data(), key.add ? out.data() : nullptr,
                                bias.data(),  out.data(),     bits.data()};
  return conv::cuda::fastest(queue, {.count = matmul.candidates(),
                                     .what = text_of(key),
                                     .prepare = [&](int i) { return matmul.pick(i), true; },
                                     .run = [&] { matmul.run(queue, operands, workspace.data()); }});
}

bool is_faster(double modeled, double timed, const CudnnEstimate& rival) {
  if (timed > 0 && rival.timed > 0) return timed < rival.timed;
  return rival.on_ties ? modeled < rival.modeled : modeled <= rival.modeled;
}

class CublasltMatmuls final : public ConvMatmuls {
 public:
  CublasltMatmuls(const std::string& folder, PackedWeights& packed)
      : packed_(packed),
        file_(folder, "cublaslt-algorithms",
              "cuBLASLt " + cublaslt::version_text(cublaslt::library()->version) + " on " +
                  conv::cuda::device().name()) {}

  bool forward(Queue& queue, const ConvShape& shape, DType dtype, const ConvForward& args,
               const CudnnEstimate& rival) override {
    const ConvFusion fusion{args.bias != nullptr, args.add != nullptr, args.relu, args.relu_bits != nullptr};
    const Choice choice = faster(queue, {shape, dtype, ConvPass::Forward, fusion}, rival);
    if (choice.entry == nullptr) return describe(queue, choice);
    dispatch(dtype, [&]<class T> { run_forward<T>(queue, choice.form, choice.entry->matmul, args); });
    return true;
  }

  bool backward_data(Queue& queue, const ConvShape& shape, DType dtype, const ConvBackwardData& args,
                     const CudnnEstimate& rival) override {
    const bool bits = args.relu_bits != nullptr;
    const ConvFusion fusion{.add = args.accumulate, .relu = args.relu_mask != nullptr, .bits = bits};
    Choice choice = faster(queue, {shape, dtype, ConvPass::BackwardData, fusion}, rival);
    if (bits && !choice.taken())
      choice = faster(queue, {shape, dtype, ConvPass::BackwardData, {.add = fusion.add, .relu = fusion.relu}}, rival);
    if (choice.entry == nullptr) return describe(queue, choice);
    dispatch(dtype, [&]<class T> { run_backward_data<T>(queue, choice.form, choice.entry->matmul, args); });
    return true;
  }

  bool backward_weight(Queue& queue, const ConvShape& shape, DType dtype, const ConvBackwardWeight& args,
                       const CudnnEstimate& rival) override {
    const Choice choice = faster(queue, {shape, dtype, ConvPass::BackwardWeight, {.add = args.accumulate}}, rival);
    const Entry* entry = choice.entry;
    if (entry == nullptr) return describe(queue, choice);
    if (args.dbias != nullptr && !args.accumulate) {  // which a matmul can only write, not add to
      const Entry* with_bias =
          find(queue, key_of(choice.form, dtype, ConvPass::BackwardWeight, {.bias = true}), rival.timing);
      const bool timed = with_bias != nullptr && with_bias->seconds > 0 && entry->seconds > 0;
      const double bias_pass = ConvCost(choice.form, ConvPass::BackwardWeight, dtype, rates_).bias_pass();
      if (with_bias != nullptr && (!timed || with_bias->seconds < entry->seconds + bias_pass)) entry = with_bias;
    }
    dispatch(dtype, [&]<class T> { run_backward_weight<T>(queue, choice.form, entry->matmul, args); });
    return true;
  }

  size_t relu_bits_bytes(Queue& queue, const ConvShape& shape, DType dtype, const ConvFusion& fusion,
                         const CudnnEstimate& rival) override {
    if (dtype != DType::BF16) return 0;  // there are algorithms for it; of fp32 ones it is not written down
    const Call call{shape, dtype, ConvPass::Forward, {fusion.bias, fusion.add, /*relu=*/true, /*bits=*/true}};
    const Choice choice = faster(queue, call, rival);
    return choice.taken() ? cublaslt::bits_bytes(call.key(choice.form)) : 0;
  }

  void set_tf32(bool allowed) override { tf32_ = allowed; }

  std::optional<ConvPlan> plan(const ConvShape& shape, DType dtype, ConvPass pass, const ConvFusion& fusion,
                               const CudnnEstimate& rival) override;

 private:
  struct Entry {
    Matmul matmul;
    double seconds = 0;  // as timed; 0: not timed
    bool tried = false;  // to time it
  };
  struct Call {
    ConvShape shape;
    DType dtype;
    ConvPass pass;
    ConvFusion fusion;  // of a gradient: `add`, it accumulates; `relu`, it is masked; `bits`, by bits that there are
    MatmulKey key(const PaddedShape& form) const { return key_of(form, dtype, pass, fusion); }
    // What is left to a pass behind a matmul.
    bool adds_apart(const PaddedShape& form) const { return fusion.add && !key(form).add; }
    bool masks_apart(const PaddedShape& form) const { return fusion.relu && !key(form).relu; }
    double matmul(const ConvCost& cost, const PaddedShape& form) const {
      return cost.matmul(fusion.add, fusion.relu, key(form).bits);
    }
    double passes(const ConvCost& cost, const PaddedShape& form) const {
      return cost.product_passes(fusion.add, fusion.relu, key(form).bits);
    }
  };
  struct Choice {
    Call call;
    PaddedShape form;
    const Entry* entry = nullptr;  // nullptr: it is left to cuDNN
    bool described = false;        // taken, to be no more than told of: the device is only described
    bool taken() const { return entry != nullptr || described; }
  };

  // nullptr where cuBLASLt has no algorithm, or where there is no device to ask it for one.
  const Entry* find(Queue& queue, MatmulKey key, bool timing) {
    if (cublaslt::handle() == nullptr) return nullptr;
    key.tf32 = tf32_ && key.dtype == DType::F32;
    auto found = entries_.find(key);
    if (found == entries_.end()) {
      found = entries_.emplace(key, Entry{Matmul(key)}).first;
      const auto stored = file_.plans.find(text_of(key));
      if (stored != file_.plans.end() && found->second.matmul.restore(stored->second.bytes))
        found->second.seconds = stored->second.seconds;
    }
    Entry& entry = found->second;
    if (entry.matmul.candidates() == 0) return nullptr;
    if (timing && entry.seconds == 0 && !entry.tried) time(queue, entry);
    return &entry;
  }

  // Kept on disk at once. Where every algorithm fails, or there is no memory to time them, the first stays.
  void time(Queue& queue, Entry& entry) {
    entry.tried = true;
    const std::string text = text_of(entry.matmul.key());
    conv::cuda::Timed best;
    try {
      best = time_algorithms(queue, entry.matmul);
    } catch (const Error& error) {
      warn(text + " was not timed: " + error.what());
    }
    entry.matmul.pick(std::max(best.candidate, 0));
    if (best.candidate < 0) return;
    entry.seconds = best.seconds;
    conv::cuda::StoredPlan& stored = file_.plans[text];
    stored.info.candidates = entry.matmul.candidates();
    stored.info.workspace = entry.matmul.workspace_bytes();
    stored.seconds = entry.seconds;
    stored.bytes = entry.matmul.serialize();
    file_.write();
  }

  bool takes(const Entry* entry, const PaddedShape& form, const Call& call, const CudnnEstimate& rival) const {
    const ConvCost cost(form, call.pass, call.dtype, rates_);
    const double timed = entry != nullptr && entry->seconds > 0 ? entry->seconds + call.passes(cost, form) : 0;
    return is_faster(call.matmul(cost, form), timed, rival);
  }
  // The matmul, where it is to be taken. cuBLASLt is not asked where it can't be.
  Choice faster(Queue& queue, const Call& call, const CudnnEstimate& rival) {
    const std::optional<PaddedShape> form = product_form(call.shape, call.dtype);
    if (!form) return {};
    const bool timed = rival.timing || rival.timed > 0;
    if (!timed && !takes(nullptr, *form, call, rival)) return {};
    if (cublaslt::handle() == nullptr) return {call, *form, nullptr, /*described=*/true};
    const Entry* entry = find(queue, call.key(*form), rival.timing);
    return {call, *form, entry != nullptr && takes(entry, *form, call, rival) ? entry : nullptr};
  }

  static WorkCost cost_of(const MatmulKey& key, const ConvShape& shape) {
    WorkCost cost = work_of(key.pass, shape, key.dtype, int{key.add}, "cuBLASLt");
    if (key.bits) cost.bytes += static_cast<double>(cublaslt::bits_bytes(key));
    return cost;
  }
  // Gives the queue what run_… would; false where there is nothing to be told of.
  static bool describe(Queue& queue, const Choice& choice) {
    if (!choice.described) return false;
    const Call& call = choice.call;
    const PaddedShape& form = choice.form;
    const auto submit = [&](const char* name, const WorkCost& cost) {
      queue.declare(cost);
      queue.submit(name, [] {});
    };
    const bool data = call.pass == ConvPass::BackwardData, mask = call.masks_apart(form), add = call.adds_apart(form);
    const auto bytes = [&](const ConvShape& shape) {
      return static_cast<double>(size_of(call.dtype)) * static_cast<double>(shape.input_count());
    };
    if (form.gather && !data) submit("gather_pixels", {.bytes = 2 * bytes(form.shape)});
    submit(kConvNames[static_cast<int>(call.pass)], cost_of(call.key(form), form.shape));
    const double finished = add && !mask ? 3 * bytes(form.shape)  // only the pixels that were looked at
                                         : bytes(form.shape) + (1 + int{mask} + int{add}) * bytes(form.given);
    if (data && (form.gather || mask)) submit("finish_gradient", {.bytes = finished});
    return true;
  }

  static void run(Queue& queue, const Matmul& matmul, const MatmulOperands& operands, void* workspace) {
    queue.submit(kConvNames[static_cast<int>(matmul.key().pass)], [&] { matmul.run(queue, operands, workspace); });
  }

  // The workspace comes first in scratch: it is aligned as the queue's is, to 256 bytes.
  template <class T>
  void run_forward(Queue& queue, const PaddedShape& form, const Matmul& matmul, const ConvForward& args) {
    Scratch parts;
    const auto workspace = parts.add<char>(matmul.workspace_bytes());
    const auto bias = parts.add<T>(args.bias != nullptr ? form.shape.out_c : 0);
    const auto x = parts.add<T>(form.gather ? form.shape.input_count() : 0);
    queue.with_workspace(parts.bytes(), [=, this, &queue, &matmul](void* memory) {
      Scratch scratch = parts;
      scratch.place(memory);
      MatmulOperands operands{
          image_for(queue, form, args.x, x(scratch)), args.weights.data, args.add, nullptr, args.y, args.relu_bits};
      if (args.bias != nullptr)
        operands.bias = const_cast<void*>(packed_bias<T>(queue, packed_, form.shape.out_c, args, bias(scratch)));
      run(queue, matmul, operands, workspace(scratch));
    });
  }

  template <class T>
  static void run_backward_data(Queue& queue, const PaddedShape& form, const Matmul& matmul,
                                const ConvBackwardData& args) {
    Scratch parts;
    const auto workspace = parts.add<char>(matmul.workspace_bytes());
    const auto dx = parts.add<T>(form.gather ? form.shape.input_count() : 0);
    queue.with_workspace(parts.bytes(), [=, &queue, &matmul](void* memory) {
      Scratch scratch = parts;
      scratch.place(memory);
      void* out = form.gather ? dx(scratch) : args.dx;
      void* const bits = matmul.key().bits ? const_cast<void*>(args.relu_bits) : nullptr;  // which are only read
      run(queue, matmul, {args.dy, args.weights.data, matmul.key().add ? args.dx : nullptr, nullptr, out, bits},
          workspace(scratch));
      if (form.gather || (args.relu_mask != nullptr && bits == nullptr))  // on dx itself the matmul has added
        finish_data_gradient(queue, form, static_cast<const T*>(out), static_cast<const T*>(args.relu_mask),
                             args.accumulate && form.gather, static_cast<T*>(args.dx));
    });
  }

  template <class T>
  static void run_backward_weight(Queue& queue, const PaddedShape& form, const Matmul& matmul,
                                  const ConvBackwardWeight& args) {
    const bool with_bias = matmul.key().bias;
    Scratch parts;
    const auto workspace = parts.add<char>(matmul.workspace_bytes());
    const auto x = parts.add<T>(form.gather ? form.shape.input_count() : 0);
    queue.with_workspace(parts.bytes(), [=, &queue, &matmul](void* memory) {
      Scratch scratch = parts;
      scratch.place(memory);
      run(queue, matmul,
          {image_for(queue, form, args.x, x(scratch)), args.dy, args.accumulate ? args.dweight : nullptr,
           with_bias ? args.dbias : nullptr, args.dweight},
          workspace(scratch));
    });
    if (args.dbias != nullptr && !with_bias)
      column_sum(queue, form.y_rows(), form.shape.out_c, static_cast<const T*>(args.dy), args.dbias, args.accumulate);
  }

  PackedWeights& packed_;
  conv::cuda::PlanFile file_;
  DeviceRates rates_ = rates_of(conv::cuda::device().name(), conv::cuda::device().sm());
  std::map<MatmulKey, Entry> entries_;
  bool tf32_ = false;
};

std::optional<ConvPlan> CublasltMatmuls::plan(const ConvShape& shape, DType dtype, ConvPass pass,
                                              const ConvFusion& fusion, const CudnnEstimate& rival) {
  const std::optional<PaddedShape> form = product_form(shape, dtype);
  if (!form) return std::nullopt;
  const Call call{shape, dtype, pass, fusion};
  const MatmulKey key = call.key(*form);
  ConvPlan row{.graph = fusion_text(key), .kernels = "cuBLASLt", .passes = passes_of(*form, pass)};
  const bool add = call.adds_apart(*form), mask = call.masks_apart(*form);
  if (add || mask)
    row.passes += std::string(row.passes.empty() ? "" : ", ") + (add ? mask ? "add and mask" : "add" : "mask");
  if (cublaslt::handle() == nullptr) {
    row.engine = "cuBLASLt " + cublaslt::version_text(cublaslt::library()->version) + ", asked on the GPU";
    row.used = takes(nullptr, *form, call, rival);
    return row;
  }
  Queue queue;  // of the CPU: nothing is timed
  const Entry* entry = find(queue, key, /*timing=*/false);
  if (entry == nullptr) return row;
  row.engine = entry->matmul.algorithm();
  row.candidates = entry->matmul.candidates();
  row.workspace = entry->matmul.workspace_bytes();
  row.used = takes(entry, *form, call, rival);
  row.built = true;
  return row;
}

}  // namespace

std::unique_ptr<ConvMatmuls> make_conv_matmuls(const std::string& folder, PackedWeights& packed) {
  if (cublaslt::library() == nullptr) return nullptr;
  return std::make_unique<CublasltMatmuls>(folder, packed);
}

}  // namespace fovea::kernels

namespace fovea {

GpuLibrary cublaslt_library() {
  GpuLibrary library{.name = "cuBLASLt", .without = kernels::kWithoutMatmuls};
  if (const cublaslt::Library* found = cublaslt::library()) {
    library.version = cublaslt::version_text(found->version);
    library.path = found->loaded.path;
    return library;
  }
  try {
    cublaslt::load_library();
  } catch (const Error& error) {
    library.problem = error.what();
  }
  return library;
}

}  // namespace fovea

#include "kernels/conv_cublaslt.h"

#include <cstdio>
#include <limits>
#include <map>

#include "kernels/conv_backend.h"
#include "kernels/conv_cost.h"
#include "kernels/conv_packed.h"
#include "kernels/cublaslt_product.h"
#include "kernels/cudnn_plan_file.h"
#include "kernels/cudnn_runtime.h"
#include "kernels/random_tensor.h"
#include "kernels/reduce.h"
#include "kernels/scratch.h"

namespace fovea::kernels {
namespace {

using cublaslt::Product;
using cublaslt::ProductKey;
using cublaslt::ProductOperands;

constexpr int kRowBytes = 16;  // rows of pixels are multiples of it: what tensor cores take, and vectors

bool is_product(const ConvShape& s, DType dtype) {
  const int multiple = kRowBytes / static_cast<int>(size_of(dtype));
  return s.kernel_h == 1 && s.kernel_w == 1 && s.stride == 1 && s.pad == 0 && s.groups == 1 && s.in_c % multiple == 0 &&
         s.out_c % multiple == 0;
}

int64_t pixels_of(const ConvShape& s) { return int64_t{s.batch} * s.in_h * s.in_w; }

ProductKey key_of(const ConvShape& s, DType dtype, ConvPass pass, const ConvFusion& fusion) {
  return {pass, dtype, pixels_of(s), s.in_c, s.out_c, fusion.add, fusion.bias, fusion.relu};
}

// The fastest of its algorithms is picked. Its seconds.
double time_algorithms(Queue& queue, Product& product) {
  using cudnn::RandomTensor;
  const ProductKey& key = product.key();
  const bool weight = key.pass == ConvPass::BackwardWeight;
  const int64_t x = key.pixels * key.in_c, y = key.pixels * key.out_c, w = int64_t{key.in_c} * key.out_c;
  const bool forward = key.pass == ConvPass::Forward;
  size_t workspace_bytes = 0;
  for (int i = 0; i < product.candidates(); ++i) {
    product.pick(i);
    workspace_bytes = std::max(workspace_bytes, product.workspace_bytes());
  }
  const RandomTensor image(queue, key.pass == ConvPass::BackwardData ? y : x, key.dtype),
      weights(queue, weight ? y : w, key.dtype), bias(queue, key.bias ? key.out_c : 0, DType::F32),
      out(queue,
          weight    ? w
          : forward ? y
                    : x,
          weight ? DType::F32 : key.dtype),
      workspace(queue, static_cast<int64_t>(workspace_bytes / sizeof(float)), DType::F32);
  const ProductOperands operands{image.data(), weights.data(), key.add ? out.data() : nullptr, bias.data(), out.data()};
  int best = 0;
  double least = std::numeric_limits<double>::max();
  for (int i = 0; i < product.candidates(); ++i) {
    product.pick(i);
    const double taken = cudnn::seconds(queue, [&] { product.run(queue, operands, workspace.data()); });
    if (taken < least) best = i, least = taken;
  }
  product.pick(best);
  return least;
}

bool is_faster(double modelled, double timed, const Rival& rival) {
  if (timed > 0 && rival.timed > 0) return timed < rival.timed;
  return rival.on_ties ? modelled < rival.modelled : modelled <= rival.modelled;
}

class CublasltProducts final : public ConvProducts {
 public:
  CublasltProducts(const std::string& folder, PackedWeights& packed)
      : packed_(packed),
        file_(folder, "cublaslt-algorithms",
              "cuBLASLt " + cublaslt::version_text(cublaslt::library()->version) + " on " + cudnn::device().name()) {}

  ~CublasltProducts() override {
    if (!changed_) return;
    for (const auto& [key, entry] : entries_)
      if (entry.seconds > 0)
        file_.plans[text_of(key)] = {
            {.candidates = entry.product.candidates(), .workspace = entry.product.workspace_bytes()},
            entry.seconds,
            entry.product.serialise()};
    file_.write();
  }

  bool forward(Queue& queue, const ConvShape& shape, DType dtype, const ConvForward& args,
               const Rival& rival) override {
    const ConvFusion fusion{args.bias != nullptr, args.add != nullptr, args.relu};
    const Entry* entry = faster(queue, shape, key_of(shape, dtype, ConvPass::Forward, fusion), false, rival);
    if (entry == nullptr) return false;
    dispatch(dtype, [&]<class T> { run_forward<T>(queue, shape, entry->product, args); });
    return true;
  }

  bool backward_data(Queue& queue, const ConvShape& shape, DType dtype, const ConvBackwardData& args,
                     const Rival& rival) override {
    const Entry* entry = faster(queue, shape, key_of(shape, dtype, ConvPass::BackwardData, {.add = args.accumulate}),
                                args.relu_mask != nullptr, rival);
    if (entry == nullptr) return false;
    dispatch(dtype, [&]<class T> { run_backward_data<T>(queue, shape, entry->product, args); });
    return true;
  }

  bool backward_weight(Queue& queue, const ConvShape& shape, DType dtype, const ConvBackwardWeight& args,
                       const Rival& rival) override {
    const Entry* entry =
        faster(queue, shape, key_of(shape, dtype, ConvPass::BackwardWeight, {.add = args.accumulate}), false, rival);
    if (entry == nullptr) return false;
    if (args.dbias != nullptr && !args.accumulate) {  // which a product can only write, not add to
      const Entry* with_bias =
          find(queue, key_of(shape, dtype, ConvPass::BackwardWeight, {.bias = true}), rival.timing);
      const bool timed = with_bias != nullptr && with_bias->seconds > 0 && entry->seconds > 0;
      if (with_bias != nullptr && (!timed || with_bias->seconds < entry->seconds + ConvCost(shape, dtype).bias_pass()))
        entry = with_bias;
    }
    dispatch(dtype, [&]<class T> { run_backward_weight<T>(queue, shape, entry->product, args); });
    return true;
  }

  std::optional<ConvPlan> plan(const ConvShape& shape, DType dtype, ConvPass pass, const ConvFusion& fusion,
                               const Rival& rival) override;

 private:
  struct Entry {
    Product product;
    double seconds = 0;  // as timed; 0: not timed
  };

  // nullptr where cuBLASLt has no algorithm, or where there is no device to ask it for one.
  const Entry* find(Queue& queue, const ProductKey& key, bool timing) {
    if (cublaslt::handle() == nullptr) return nullptr;
    auto found = entries_.find(key);
    if (found == entries_.end()) {
      found = entries_.emplace(key, Entry{Product(key)}).first;
      const auto stored = file_.plans.find(text_of(key));
      if (stored != file_.plans.end() && found->second.product.restore(stored->second.bytes))
        found->second.seconds = stored->second.seconds;
    }
    Entry& entry = found->second;
    if (entry.product.candidates() == 0) return nullptr;
    if (timing && entry.seconds == 0) {
      entry.seconds = time_algorithms(queue, entry.product);
      changed_ = true;
    }
    return &entry;
  }

  static double modelled(const ConvShape& shape, const ProductKey& key, bool mask) {
    const ConvCost cost(shape, key.dtype);
    if (key.pass == ConvPass::Forward) return cost.product_forward(key.add);
    return key.pass == ConvPass::BackwardData ? cost.product_data(key.add, mask) : cost.product_weight(key.add);
  }
  static bool takes(const Entry& entry, const ConvShape& shape, const Rival& rival, bool mask) {
    const ProductKey& key = entry.product.key();
    const double pass = mask ? ConvCost(shape, key.dtype).data_pass(false, true) : 0;
    return is_faster(modelled(shape, key, mask), entry.seconds > 0 ? entry.seconds + pass : 0, rival);
  }
  // The product, where it is to be taken; `mask`: with a pass behind it. cuBLASLt is not asked where it can't be.
  const Entry* faster(Queue& queue, const ConvShape& shape, const ProductKey& key, bool mask, const Rival& rival) {
    if (!is_product(shape, key.dtype)) return nullptr;
    const bool timed = rival.timing || rival.timed > 0;
    if (!timed && !is_faster(modelled(shape, key, mask), 0, rival)) return nullptr;
    const Entry* entry = find(queue, key, rival.timing);
    return entry != nullptr && takes(*entry, shape, rival, mask) ? entry : nullptr;
  }

  static void run(Queue& queue, const Product& product, const ProductOperands& operands, void* workspace) {
    queue.submit(kConvNames[static_cast<int>(product.key().pass)], [&] { product.run(queue, operands, workspace); });
  }

  template <class T>
  void run_forward(Queue& queue, const ConvShape& shape, const Product& product, const ConvForward& args) {
    Scratch parts;
    const auto workspace = parts.add<char>(product.workspace_bytes());  // first: aligned as the queue's is, to 256
    const auto bias = parts.add<T>(args.bias != nullptr ? shape.out_c : 0);
    queue.with_workspace(parts.bytes(), [=, this, &queue, &product](void* memory) {
      Scratch scratch = parts;
      scratch.place(memory);
      ProductOperands operands{args.x, args.weights.data, args.add, nullptr, args.y};
      if (args.bias != nullptr)
        operands.bias = const_cast<void*>(packed_bias<T>(queue, packed_, shape.out_c, args, bias(scratch)));
      run(queue, product, operands, workspace(scratch));
    });
  }

  template <class T>
  static void run_backward_data(Queue& queue, const ConvShape& shape, const Product& product,
                                const ConvBackwardData& args) {
    queue.with_workspace(product.workspace_bytes(), [=, &queue, &product](void* workspace) {
      run(queue, product, {args.dy, args.weights.data, args.accumulate ? args.dx : nullptr, nullptr, args.dx},
          workspace);
      if (args.relu_mask != nullptr)
        finish_gradient(queue, pixels_of(shape), shape.in_c, shape.in_c, static_cast<const T*>(args.dx),
                        static_cast<const T*>(args.relu_mask), /*accumulate=*/false, static_cast<T*>(args.dx));
    });
  }

  template <class T>
  static void run_backward_weight(Queue& queue, const ConvShape& shape, const Product& product,
                                  const ConvBackwardWeight& args) {
    const bool with_bias = product.key().bias;
    queue.with_workspace(product.workspace_bytes(), [=, &queue, &product](void* workspace) {
      run(queue, product,
          {args.x, args.dy, args.accumulate ? args.dweight : nullptr, with_bias ? args.dbias : nullptr, args.dweight},
          workspace);
    });
    if (args.dbias != nullptr && !with_bias)
      column_sum(queue, pixels_of(shape), shape.out_c, static_cast<const T*>(args.dy), args.dbias, args.accumulate);
  }

  PackedWeights& packed_;
  cudnn::PlanFile file_;
  std::map<ProductKey, Entry> entries_;
  bool changed_ = false;
};

std::optional<ConvPlan> CublasltProducts::plan(const ConvShape& shape, DType dtype, ConvPass pass,
                                               const ConvFusion& fusion, const Rival& rival) {
  if (!is_product(shape, dtype)) return std::nullopt;
  const bool mask = pass == ConvPass::BackwardData && fusion.relu;
  const ProductKey key = key_of(shape, dtype, pass, pass == ConvPass::Forward ? fusion : ConvFusion{.add = fusion.add});
  ConvPlan row{.graph = fusion_text(key), .kernels = "cuBLASLt", .passes = mask ? "mask" : ""};
  if (cublaslt::handle() == nullptr) {
    row.engine = "cuBLASLt " + cublaslt::version_text(cublaslt::library()->version) + ", asked on the GPU";
    row.used = is_faster(modelled(shape, key, mask), 0, rival);
    return row;
  }
  Queue queue;  // of the CPU: nothing is timed
  const Entry* entry = find(queue, key, /*timing=*/false);
  if (entry == nullptr) return row;
  row.engine = entry->product.algorithm();
  row.candidates = entry->product.candidates();
  row.workspace = entry->product.workspace_bytes();
  row.used = takes(*entry, shape, rival, mask);
  row.built = true;
  return row;
}

}  // namespace

std::unique_ptr<ConvProducts> make_conv_products(const std::string& folder, PackedWeights& packed) {
  if (cublaslt::library() == nullptr) return nullptr;
  return std::make_unique<CublasltProducts>(folder, packed);
}

}  // namespace fovea::kernels

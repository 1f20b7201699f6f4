// Convolution on the GPU: calls of the contract as cuDNN graphs, with passes of our own (conv_parts.h) around those
// that cuDNN does not take as they are.
//
// bf16 goes to the tensor cores, which take channels in multiples of 8: others are padded in scratch, and the stem's
// pixels folded. The bias is rounded to bf16 because Hopper's kernels take no other. fp32 is exact: TF32 is never used.
//
// A data gradient that is added to what is there, or masked, has two forms: Hopper's plain gradient and one pass behind
// it, or one fused kernel of Ampere's kind. What is 1x1 has a third way to be computed, as a matrix product of cuBLASLt
// (conv_cublaslt.h). The fastest is taken: by time where they were timed, else by a model (conv_cost.h).
#include "kernels/conv_backend.h"
#include "kernels/conv_cost.h"
#include "kernels/conv_cublaslt.h"
#include "kernels/conv_packed.h"
#include "kernels/conv_work.h"
#include "kernels/cudnn_plans.h"
#include "kernels/cudnn_runtime.h"
#include "kernels/reduce.h"
#include "kernels/scratch.h"

namespace fovea::kernels {
namespace {

using cudnn::ConvGraph;
using cudnn::GraphKey;
using cudnn::Operands;

int padded(int channels) { return (channels + kChannelMultiple - 1) / kChannelMultiple * kChannelMultiple; }

// The shape of a call as cuDNN gets it.
struct Form {
  ConvShape given, shape;
  bool fold = false;
  bool pads_x() const { return !fold && shape.in_c != given.in_c; }
  bool pads_y() const { return shape.out_c != given.out_c; }
  bool changes_weights() const { return fold || pads_x() || pads_y(); }
  int64_t x_rows() const { return int64_t{given.batch} * given.in_h * given.in_w; }
  int64_t y_rows() const { return int64_t{given.batch} * given.out_h() * given.out_w(); }
};

Form form_of(const ConvShape& s, DType dtype, ConvPass pass) {
  Form form{s, s};
  if (dtype == DType::F32 || s.groups > 1) return form;
  form.fold = folds(s) && pass != ConvPass::BackwardData;
  if (form.fold) form.shape = folded(s);
  form.shape.in_c = padded(form.shape.in_c);
  form.shape.out_c = padded(form.shape.out_c);
  return form;
}

std::string passes_of(const Form& form, ConvPass pass) {
  std::string text;
  const auto add = [&](bool is, const std::string& what) {
    if (is) text += (text.empty() ? "" : ", ") + what;
  };
  const auto step = [](int from, int to) { return std::to_string(from) + " -> " + std::to_string(to); };
  add(form.fold, "fold 2x2 pixels, " + step(form.given.in_c, form.shape.in_c) + " channels");
  add(form.pads_x(), (pass == ConvPass::BackwardData ? "crop dx " : "pad x ") + step(form.given.in_c, form.shape.in_c));
  add(form.pads_y(), (pass == ConvPass::Forward ? "finish y " : "pad dy ") + step(form.given.out_c, form.shape.out_c));
  return text;
}

template <class T>
const T* typed(const void* data) {
  return static_cast<const T*>(data);
}
template <class T>
T* typed(void* data) {
  return static_cast<T*>(data);
}

class CudnnBackend final : public ConvBackend {
 public:
  void forward(Queue& queue, const ConvShape& shape, DType dtype, const ConvForward& args) override {
    const bool add = args.add != nullptr;
    const ForwardPlan plan = plan_forward(queue, shape, dtype, {args.bias != nullptr, add, args.relu});
    if (products_ && products_->forward(queue, shape, dtype, args, forward_rival(queue, plan, add))) return;
    dispatch(dtype, [&]<class T> { run_forward<T>(queue, plan, args); });
  }

  void backward_data(Queue& queue, const ConvShape& shape, DType dtype, const ConvBackwardData& args) override {
    const bool add = args.accumulate, mask = args.relu_mask != nullptr;
    if (plans_.autotunes(queue)) plan_data(queue, shape, dtype, add, mask);  // so that it is timed
    if (products_ && products_->backward_data(queue, shape, dtype, args, data_rival(queue, shape, dtype, add, mask)))
      return;
    const DataPlan plan = plan_data(queue, shape, dtype, add, mask);
    dispatch(dtype, [&]<class T> { run_backward_data<T>(queue, plan, args); });
  }

  void backward_weight(Queue& queue, const ConvShape& shape, DType dtype, const ConvBackwardWeight& args) override {
    const Form form = form_of(shape, dtype, ConvPass::BackwardWeight);
    const GraphKey key{ConvPass::BackwardWeight, form.shape, dtype};
    if (plans_.autotunes(queue)) need(queue, key);  // so that it is timed
    if (products_ && products_->backward_weight(queue, shape, dtype, args, weight_rival(queue, key, args.accumulate)))
      return;
    const ConvGraph& graph = need(queue, key);
    dispatch(dtype, [&]<class T> { run_backward_weight<T>(queue, form, graph, args); });
  }

  void set_autotune(bool on) override { plans_.set_autotune(on); }
  size_t cached_bytes() const override { return packed_.bytes(); }
  void forget_weights() override { packed_.clear(); }

  std::string describe(const ConvShape& shape, DType dtype, ConvPass pass) override {
    for (const ConvPlan& plan : plans(shape, dtype, pass, {.bias = true, .relu = true}))
      if (plan.used)
        return (plan.kernels == "cuBLASLt" ? "" : "cuDNN ") + plan.graph + ", " + plan.engine + ", " + plan.kernels +
               (plan.passes.empty() ? "" : " (" + plan.passes + ")");
    return "no plan of cuDNN";
  }

  std::vector<ConvPlan> plans(const ConvShape& shape, DType dtype, ConvPass pass, const ConvFusion& fusion) override;

 private:
  // Fused: all of it in one kernel. Otherwise the plain convolution, then one pass over the result.
  struct ForwardPlan {
    Form form;
    const ConvGraph* graph;
    bool fused;
  };
  struct DataPlan {
    Form form;
    const ConvGraph* graph;
    bool fused;
  };

  // Hopper's kernels add only before a bias, and ReLU only behind one: where there is none it is zero.
  static GraphKey forward_key(const Form& form, DType dtype, const ConvFusion& f) {
    return {ConvPass::Forward, form.shape, dtype, f.add, f.bias || f.add || f.relu, f.relu};
  }

  const ConvGraph& need(Queue& queue, const GraphKey& key) {
    if (const ConvGraph* graph = plans_.find(queue, key)) return *graph;
    throw Error(ErrorKind::Runtime, "cuDNN has no engine for " + cudnn::text_of(key) + ": " + plans_.look(key).why);
  }

  ForwardPlan plan_forward(Queue& queue, const ConvShape& shape, DType dtype, const ConvFusion& fusion) {
    const Form form = form_of(shape, dtype, ConvPass::Forward);
    if (!form.pads_y())  // else a pass over y is due anyway
      if (const ConvGraph* graph = plans_.find(queue, forward_key(form, dtype, fusion))) return {form, graph, true};
    return {form, &need(queue, {ConvPass::Forward, form.shape, dtype}), false};
  }

  DataPlan plan_data(Queue& queue, const ConvShape& shape, DType dtype, bool add, bool mask) {
    const Form form = form_of(shape, dtype, ConvPass::BackwardData);
    const GraphKey plain{ConvPass::BackwardData, form.shape, dtype};
    const GraphKey fused{ConvPass::BackwardData, form.shape, dtype, add, false, mask};
    const ConvGraph& graph = need(queue, plain);
    if (form.pads_x() || !(add || mask)) return {form, &graph, false};
    const ConvCost cost(form.shape, dtype);
    const bool known = plans_.autotunes(queue) || plans_.seconds_of(fused) > 0;
    if (!known && !cost.prefers_fused(add, mask)) return {form, &graph, false};
    const ConvGraph* other = plans_.find(queue, fused);
    const double plain_seconds = plans_.seconds_of(plain), fused_seconds = plans_.seconds_of(fused);
    const bool timed = plain_seconds > 0 && fused_seconds > 0;
    const bool faster =
        timed ? fused_seconds < plain_seconds + cost.data_pass(add, mask) : cost.prefers_fused(add, mask);
    return other != nullptr && faster ? DataPlan{form, other, true} : DataPlan{form, &graph, false};
  }

  // What a product is compared with. Of plans that were timed once the times are known, also while the queue records.
  Rival forward_rival(const Queue& queue, const ForwardPlan& plan, bool add) const {
    const GraphKey& key = plan.graph->key();
    const ConvCost cost(key.shape, key.dtype);
    const double seconds = plans_.seconds_of(key);
    return {cost.forward(add, plan.fused), seconds > 0 && !plan.fused ? seconds + cost.forward_pass(add) : seconds,
            plans_.autotunes(queue)};
  }
  Rival data_rival(const Queue& queue, const ConvShape& shape, DType dtype, bool add, bool mask) const {
    const ConvShape as_planned = form_of(shape, dtype, ConvPass::BackwardData).shape;
    const ConvCost cost(as_planned, dtype);
    double seconds = plans_.seconds_of({ConvPass::BackwardData, as_planned, dtype});
    const double fused = plans_.seconds_of({ConvPass::BackwardData, as_planned, dtype, add, false, mask});
    if (seconds > 0) seconds += cost.data_pass(add, mask);
    if (seconds > 0 && fused > 0) seconds = std::min(seconds, fused);
    // Where it adds in its kernel, that is an older one, compiled at run time.
    return {cost.data(add, mask), seconds, plans_.autotunes(queue), /*on_ties=*/!add};
  }
  Rival weight_rival(const Queue& queue, const GraphKey& key, bool accumulate) const {
    const ConvCost cost(key.shape, key.dtype);
    const double seconds = plans_.seconds_of(key);
    return {cost.weight(accumulate), seconds > 0 ? seconds + cost.weight_pass(accumulate) : 0, plans_.autotunes(queue)};
  }

  // The weights in cuDNN's layout: as they are, or kept between calls, or in `scratch`.
  template <class T>
  const void* weights_for(Queue& queue, const Form& form, const ConvWeights& weights, T* scratch) {
    if (!needs_packing(form, weights)) return weights.data;
    const auto pack = [&](void* to) {
      const auto* from = typed<T>(weights.data);
      const int64_t taps = int64_t{form.given.kernel_h} * form.given.kernel_w;
      if (form.fold)
        fold_weights(queue, form.given, from, typed<T>(to));
      else
        pad_channels(queue, form.given.out_c * taps, form.shape.out_c * taps, form.given.in_c, form.shape.in_c, from,
                     typed<T>(to));
    };
    return packed_.get(weights, form.fold ? kFolded : kPadded, form.shape.weight_count() * sizeof(T), scratch, pack,
                       queue.capture_number());
  }
  static bool needs_packing(const Form& form, const ConvWeights& weights) {
    return form.fold || form.pads_x() || (form.pads_y() && weights.rows < form.shape.out_c);
  }
  template <class T>
  static size_t weight_scratch(const Form& form, const ConvWeights& weights) {
    return needs_packing(form, weights) && weights.version == nullptr ? form.shape.weight_count() : 0;
  }

  // The bias in T; zero where there is none.
  template <class T>
  const void* bias_for(Queue& queue, int channels, const ConvForward& args, T* scratch) {
    if (args.bias == nullptr) {
      queue.fill_zero(scratch, channels * sizeof(T));
      return scratch;
    }
    return packed_bias(queue, packed_, channels, args, scratch);
  }

  // Of a pass over elements of T, and of fp32 ones.
  template <class T>
  static void declare(Queue& queue, int64_t elements, int64_t fp32 = 0) {
    queue.declare({.bytes = static_cast<double>(elements) * sizeof(T) + static_cast<double>(fp32) * sizeof(float)});
  }

  template <class T>
  const void* image_for(Queue& queue, const Form& form, const void* x, T* scratch) {
    if (!form.fold && !form.pads_x()) return x;
    declare<T>(queue, form.given.input_count() + form.shape.input_count());
    if (form.fold)
      fold_pixels(queue, form.given, typed<T>(x), scratch);
    else
      pad_channels(queue, form.x_rows(), form.x_rows(), form.given.in_c, form.shape.in_c, typed<T>(x), scratch);
    return scratch;
  }
  template <class T>
  const void* output_gradient_for(Queue& queue, const Form& form, const void* dy, T* scratch) {
    if (!form.pads_y()) return dy;
    declare<T>(queue, form.given.output_count() + form.shape.output_count());
    pad_channels(queue, form.y_rows(), form.y_rows(), form.given.out_c, form.shape.out_c, typed<T>(dy), scratch);
    return scratch;
  }

  static void run(Queue& queue, const ConvGraph& graph, const Operands& operands, void* workspace) {
    const GraphKey& key = graph.key();
    queue.declare(work_of(key.pass, key.shape, key.dtype,
                          int{key.add} + int{key.pass == ConvPass::BackwardData && key.relu},
                          cudnn::name_of(graph.info().kind)));
    queue.submit(kConvNames[static_cast<int>(graph.key().pass)],
                 [&] { cudnn::execute(queue, graph, operands, workspace); });
  }

  template <class T>
  void run_forward(Queue& queue, const ForwardPlan& plan, const ConvForward& args) {
    const Form& form = plan.form;
    Scratch parts;
    const auto workspace = parts.add<char>(plan.graph->info().workspace);  // first: aligned to 256 bytes
    const auto x = parts.add<T>(form.fold || form.pads_x() ? form.shape.input_count() : 0);
    const auto weights = parts.add<T>(weight_scratch<T>(form, args.weights));
    const auto bias = parts.add<T>(form.shape.out_c);
    const auto y = parts.add<T>(plan.fused ? 0 : form.shape.output_count());
    queue.with_workspace(parts.bytes(), [=, this, &queue](void* memory) {
      Scratch scratch = parts;
      scratch.place(memory);
      Operands operands{image_for(queue, form, args.x, x(scratch)),
                        weights_for(queue, form, args.weights, weights(scratch))};
      operands.out = plan.fused ? args.y : y(scratch);
      if (plan.fused && plan.graph->key().bias) {
        operands.add = args.add;
        operands.bias = bias_for(queue, form.shape.out_c, args, bias(scratch));
      }
      run(queue, *plan.graph, operands, workspace(scratch));
      if (plan.fused) return;
      declare<T>(queue, form.shape.output_count() + (args.add != nullptr ? 2 : 1) * form.given.output_count());
      finish_forward(queue, form.y_rows(), form.shape.out_c, form.given.out_c, y(scratch), typed<T>(args.add),
                     args.bias, args.relu, typed<T>(args.y));
    });
  }

  template <class T>
  void run_backward_data(Queue& queue, const DataPlan& plan, const ConvBackwardData& args) {
    const Form& form = plan.form;
    const bool in_place = plan.fused || (!form.pads_x() && !args.accumulate);
    const bool finish = !plan.fused && (form.pads_x() || args.accumulate || args.relu_mask != nullptr);
    Scratch parts;
    const auto workspace = parts.add<char>(plan.graph->info().workspace);  // first: aligned to 256 bytes
    const auto dy = parts.add<T>(form.pads_y() ? form.shape.output_count() : 0);
    const auto weights = parts.add<T>(weight_scratch<T>(form, args.weights));
    const auto dx = parts.add<T>(in_place ? 0 : form.shape.input_count());
    queue.with_workspace(parts.bytes(), [=, this, &queue](void* memory) {
      Scratch scratch = parts;
      scratch.place(memory);
      Operands operands{output_gradient_for(queue, form, args.dy, dy(scratch)),
                        weights_for(queue, form, args.weights, weights(scratch))};
      operands.out = in_place ? args.dx : dx(scratch);
      if (plan.fused) operands.add = args.accumulate ? args.dx : nullptr, operands.mask = args.relu_mask;
      run(queue, *plan.graph, operands, workspace(scratch));
      if (!finish) return;
      declare<T>(queue, form.shape.input_count() +
                            (1 + int{args.accumulate} + int{args.relu_mask != nullptr}) * form.given.input_count());
      finish_gradient(queue, form.x_rows(), form.shape.in_c, form.given.in_c, typed<T>(std::as_const(operands.out)),
                      typed<T>(args.relu_mask), args.accumulate, typed<T>(args.dx));
    });
  }

  // cuDNN has no kernel with fp32 output for bf16 tensors: one pass widens it, and adds where it accumulates.
  template <class T>
  void run_backward_weight(Queue& queue, const Form& form, const ConvGraph& graph, const ConvBackwardWeight& args) {
    const bool in_place = std::is_same_v<T, float> && !args.accumulate && !form.changes_weights();
    Scratch parts;
    const auto workspace = parts.add<char>(graph.info().workspace);  // first: aligned to 256 bytes
    const auto x = parts.add<T>(form.fold || form.pads_x() ? form.shape.input_count() : 0);
    const auto dy = parts.add<T>(form.pads_y() ? form.shape.output_count() : 0);
    const auto dweight = parts.add<T>(in_place ? 0 : form.shape.weight_count());
    queue.with_workspace(parts.bytes(), [=, this, &queue, &graph](void* memory) {
      Scratch scratch = parts;
      scratch.place(memory);
      Operands operands{image_for(queue, form, args.x, x(scratch)),
                        output_gradient_for(queue, form, args.dy, dy(scratch))};
      operands.out = in_place ? static_cast<void*>(args.dweight) : dweight(scratch);
      run(queue, graph, operands, workspace(scratch));
      const T* result = typed<T>(std::as_const(operands.out));
      if (!in_place)
        declare<T>(queue, form.shape.weight_count(), (1 + int{args.accumulate}) * form.given.weight_count());
      if (form.fold)
        unfold_weight_gradient(queue, form.given, result, args.accumulate, args.dweight);
      else if (!in_place)
        finish_gradient<T, float>(queue, int64_t{form.given.out_c} * form.given.kernel_h * form.given.kernel_w,
                                  form.shape.in_c / form.shape.groups, form.given.in_c / form.given.groups, result,
                                  nullptr, args.accumulate, args.dweight);
    });
    if (!args.dbias) return;
    declare<T>(queue, form.given.output_count());
    column_sum(queue, form.y_rows(), form.given.out_c, typed<T>(args.dy), args.dbias, args.accumulate);
  }

  ConvPlan row(const GraphKey& key, bool used, const std::string& passes) {
    const cudnn::Plans::Look look = plans_.look(key);
    ConvPlan plan{.graph = cudnn::fusion_text(key), .used = used, .built = look.built, .passes = passes};
    if (!look.offered) return plan;
    plan.engine = look.info.engine, plan.kernels = cudnn::name_of(look.info.kind);
    plan.candidates = look.info.candidates, plan.hopper = look.info.hopper, plan.workspace = look.info.workspace;
    return plan;
  }

  cudnn::Plans plans_{cudnn::device(), cudnn::plan_folder()};
  PackedWeights packed_{{cudnn::allocate, cudnn::release}};
  std::unique_ptr<ConvProducts> products_ = make_conv_products(cudnn::plan_folder(), packed_);  // or nullptr
};

// Adds the product that may stand for the plans in `rows` from `begin` on, before them where it is the one that is
// used.
void add_product(std::vector<ConvPlan>& rows, size_t begin, std::optional<ConvPlan> product) {
  if (!product) return;
  const auto first = rows.begin() + static_cast<int64_t>(begin);
  if (!product->used) {
    if (begin == 0) rows.push_back(std::move(*product));
    return;
  }
  std::for_each(first, rows.end(), [](ConvPlan& row) { row.used = false; });
  rows.insert(first, std::move(*product));
}

// The plan that is used first, then its alternatives.
std::vector<ConvPlan> CudnnBackend::plans(const ConvShape& shape, DType dtype, ConvPass pass,
                                          const ConvFusion& fusion) {
  Queue queue;  // of the CPU: nothing is timed
  const Form form = form_of(shape, dtype, pass);
  const std::string passes = passes_of(form, pass);
  const auto with = [&](const std::string& more) { return passes.empty() ? more : passes + ", " + more; };
  const auto product = [&](const ConvFusion& of, const Rival& rival) {
    return products_ ? products_->plan(shape, dtype, pass, of, rival) : std::nullopt;
  };
  std::vector<ConvPlan> rows;
  if (pass == ConvPass::BackwardWeight) {
    const GraphKey key{pass, form.shape, dtype};
    rows = {row(key, true, dtype == DType::BF16 ? with("add to the fp32 gradient") : passes)};
    add_product(rows, 0, product({}, weight_rival(queue, key, false)));
  } else if (pass == ConvPass::Forward) {
    const ForwardPlan plan = plan_forward(queue, shape, dtype, fusion);
    const bool finishes = !plan.fused && (fusion.add || fusion.bias || fusion.relu);
    rows = {row(plan.graph->key(), true, finishes ? with("one pass: add, bias, ReLU") : passes)};
    if (!plan.fused && !form.pads_y()) rows.push_back(row(forward_key(form, dtype, fusion), false, passes));
    add_product(rows, 0, product(fusion, forward_rival(queue, plan, fusion.add)));
  } else {
    rows = {row({pass, form.shape, dtype}, true, passes)};
    add_product(rows, 0, product({}, data_rival(queue, shape, dtype, false, false)));
    for (const auto& [add, mask] : {std::pair{true, false}, {false, true}, {true, true}}) {
      if (form.pads_x()) break;  // a pass over dx is due anyway
      const size_t begin = rows.size();
      rows.push_back(row({pass, form.shape, dtype, add, false, mask}, true, passes));
      rows.back().used = !rows.back().engine.empty() && ConvCost(form.shape, dtype).prefers_fused(add, mask);
      add_product(rows, begin, product({.add = add, .relu = mask}, data_rival(queue, shape, dtype, add, mask)));
    }
  }
  return rows;
}

}  // namespace

std::unique_ptr<ConvBackend> make_cudnn_backend() { return std::make_unique<CudnnBackend>(); }

}  // namespace fovea::kernels

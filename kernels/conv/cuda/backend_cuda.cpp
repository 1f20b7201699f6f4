// Convolution on the GPU: calls of the contract as cuDNN graphs, with passes of our own (conv_passes.h) around those
// that cuDNN does not take as they are.
//
// bf16 goes to the tensor cores, which take channels in multiples of 8: others are padded in scratch, and the stem's
// 2x2 pixels made one (space to depth). The bias is rounded to bf16 because Hopper's kernels take no other. fp32 is
// exact: TF32 is used only where it is asked for (set_tf32).
//
// Of the ways that cuDNN has for a call conv_ways.h takes one. What is 1x1 can also be computed as a matmul of
// cuBLASLt (matmul_backend.h), which is taken where it is faster.
#include "kernels/conv/backend.h"
#include "kernels/conv/cuda/conv_ways.h"
#include "kernels/conv/cuda/cudnn_runtime.h"
#include "kernels/conv/cuda/matmul_backend.h"
#include "kernels/conv/work.h"
#include "kernels/device/environment.h"
#include "kernels/device/scratch.h"
#include "kernels/reduce.h"

namespace fovea::kernels {
namespace {

using cudnn::ConvGraph;
using cudnn::GraphKey;
using cudnn::Operands;

template <class T>
const T* typed(const void* data) {
  return static_cast<const T*>(data);
}
template <class T>
T* typed(void* data) {
  return static_cast<T*>(data);
}

// `images` images further on.
template <class P>
P* further(P* data, int64_t images, int64_t count_of_all, int batch, DType dtype) {
  using Byte = std::conditional_t<std::is_const_v<P>, const char, char>;
  if (data == nullptr) return nullptr;
  return static_cast<Byte*>(data) + images * (count_of_all / batch) * static_cast<int64_t>(size_of(dtype));
}

// The call on the images from `first` on.
ConvForward from_image(const ConvForward& all, const ConvShape& s, DType dtype, int first) {
  ConvForward part = all;
  part.x = further(all.x, first, s.input_count(), s.batch, dtype);
  part.add = further(all.add, first, s.output_count(), s.batch, dtype);
  part.y = further(all.y, first, s.output_count(), s.batch, dtype);
  return part;
}
ConvBackwardData from_image(const ConvBackwardData& all, const ConvShape& s, DType dtype, int first) {
  ConvBackwardData part = all;
  part.dy = further(all.dy, first, s.output_count(), s.batch, dtype);
  part.relu_mask = further(all.relu_mask, first, s.input_count(), s.batch, dtype);
  part.dx = further(all.dx, first, s.input_count(), s.batch, dtype);
  return part;
}
ConvBackwardWeight from_image(const ConvBackwardWeight& all, const ConvShape& s, DType dtype, int first) {
  ConvBackwardWeight part = all;
  part.x = further(all.x, first, s.input_count(), s.batch, dtype);
  const int64_t dy_count = s.output_count() / s.out_c * (all.dy_channels > 0 ? all.dy_channels : s.out_c);
  part.dy = further(all.dy, first, dy_count, s.batch, dtype);
  part.accumulate = all.accumulate || first > 0;
  return part;
}

class CudnnBackend final : public ConvBackend {
 public:
  explicit CudnnBackend(const ConvPreference& preference)
      : ways_(plans_, rates_of(conv::cuda::device().name(), conv::cuda::device().sm()), preference) {}

  void forward(Queue& queue, const ConvShape& shape, DType dtype, const ConvForward& args) override {
    const GraphKey call{ConvPass::Forward, shape, dtype, args.add != nullptr, args.bias != nullptr, args.relu};
    const auto matmul = [&](const CudnnEstimate& rival) { return matmuls_->forward(queue, shape, dtype, args, rival); };
    if (takes_matmul(queue, call, matmul)) return;
    require(args.relu_bits == nullptr, "ReLU bits were requested where relu_bits_bytes() reports none");
    const ConvWay& way = ways_.choose(queue, call);
    dispatch(dtype, [&]<class T> { in_parts<T>(queue, way, args); });
  }

  size_t relu_bits_bytes(Queue& queue, const ConvShape& shape, DType dtype, const ConvFusion& fusion) override {
    size_t bytes = 0;
    takes_matmul(queue, {ConvPass::Forward, shape, dtype, fusion.add, fusion.bias, true},
                 [&](const CudnnEstimate& rival) {
                   bytes = matmuls_->relu_bits_bytes(queue, shape, dtype, fusion, rival);
                   return bytes > 0;
                 });
    return bytes;
  }

  void backward_data(Queue& queue, const ConvShape& shape, DType dtype, const ConvBackwardData& args) override {
    const GraphKey call{ConvPass::BackwardData, shape, dtype, args.accumulate, false, args.relu_mask != nullptr};
    const auto matmul = [&](const CudnnEstimate& rival) {
      return matmuls_->backward_data(queue, shape, dtype, args, rival);
    };
    if (takes_matmul(queue, call, matmul)) return;
    const ConvWay& way = ways_.choose(queue, call);
    dispatch(dtype, [&]<class T> { in_parts<T>(queue, way, args); });
  }

  void backward_weight(Queue& queue, const ConvShape& shape, DType dtype, const ConvBackwardWeight& args) override {
    const GraphKey call{ConvPass::BackwardWeight, shape, dtype, args.accumulate};
    const auto matmul = [&](const CudnnEstimate& rival) {
      return matmuls_->backward_weight(queue, shape, dtype, args, rival);
    };
    if (takes_matmul(queue, call, matmul)) return;
    const ConvWay& way = ways_.choose(queue, call);
    dispatch(dtype, [&]<class T> { in_parts<T>(queue, way, args); });
    if (args.dbias == nullptr) return;
    require(args.dy_channels == 0, "a bias gradient of a padded dy");
    dispatch(dtype, [&]<class T> {
      declare_pass<T>(queue, shape.output_count());
      column_sum(queue, way.form.y_rows(), shape.out_c, typed<T>(args.dy), args.dbias, args.accumulate);
    });
  }

  void set_autotune(bool on) override { plans_.set_autotune(on); }
  void set_tf32(bool allowed) override {
    plans_.set_tf32(allowed);
    if (matmuls_) matmuls_->set_tf32(allowed);
  }
  size_t cached_bytes() const override { return packed_.bytes(); }
  void forget_weights() override { packed_.clear(); }

  std::string describe(const ConvShape& shape, DType dtype, ConvPass pass, const ConvFusion& fusion) override {
    const ConvPlan plan = used_plan(shape, dtype, pass, fusion);
    if (!plan.used) return "no cuDNN plan";
    return (plan.kernels == "cuBLASLt" ? "" : "cuDNN ") + plan.graph + ", " + plan.engine + ", " + plan.kernels +
           (plan.passes.empty() ? "" : " (" + plan.passes + ")");
  }

  std::vector<ConvPlanTime> time_plans(Queue& queue, const ConvShape& shape, DType dtype, ConvPass pass,
                                       int most) override {
    const GraphKey key{pass, padded_shape(shape, dtype, pass).shape, dtype};
    std::vector<ConvPlanTime> times;
    for (const cudnn::CandidateTime& time : plans_.time_each(queue, key, most)) {
      ConvPlan plan{.graph = cudnn::fusion_text(key), .built = time.failed.empty()};
      describe(plan, time.info);
      times.push_back({std::move(plan), time.seconds, time.failed});
    }
    return times;
  }
  ConvPlan used_plan(const ConvShape& shape, DType dtype, ConvPass pass, const ConvFusion& fusion) override;
  std::vector<ConvPlan> plans(const ConvShape& shape, DType dtype, ConvPass pass, const ConvFusion& fusion) override;

 private:
  // What a matmul is compared with. Where cuDNN adds to a gradient in its kernel, that is an older one, compiled at
  // run time: a matmul is the better one where the model sees no difference.
  CudnnEstimate rival(const Queue& queue, const GraphKey& call, double modeled, double timed) const {
    return {modeled, timed, plans_.autotunes(queue), call.pass != ConvPass::BackwardData || !call.add};
  }
  // Whether a matmul was taken. cuDNN is not asked for plans where a matmul is faster than they can be.
  template <class Matmul>
  bool takes_matmul(Queue& queue, const GraphKey& call, const Matmul& matmul) {
    if (matmuls_ == nullptr) return false;
    if (!plans_.autotunes(queue) && matmul(rival(queue, call, ways_.least(call), 0))) return true;
    const ConvWay& way = ways_.choose(queue, call);
    return matmul(rival(queue, call, way.modeled, way.timed));
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

  static void run(Queue& queue, const ConvGraph& graph, const Operands& operands, void* workspace) {
    const GraphKey& key = graph.key();
    queue.declare(work_of(key.pass, key.shape, key.dtype,
                          int{key.add} + int{key.pass == ConvPass::BackwardData && key.relu},
                          cudnn::name_of(graph.info().kind, conv::cuda::device().sm())));
    queue.submit(kConvNames[static_cast<int>(key.pass)], [&] { cudnn::execute(queue, graph, operands, workspace); });
  }

  template <class T, class Args>
  void in_parts(Queue& queue, const ConvWay& way, const Args& args) {
    for (int part = 0; part < way.parts; ++part) {
      const ConvGraph* graph = plans_.find(queue, way.part_key(part));  // built when the way was chosen
      const int first = part_begin(way.form.given.batch, way.parts, part);
      run_part<T>(queue, way.part_form(part), *graph, way.fused,
                  from_image(args, way.form.given, dtype_of<T>(), first));
    }
  }

  // The workspace comes first in scratch: it is aligned as the queue's is, to 256 bytes.
  template <class T>
  void run_part(Queue& queue, const PaddedShape& form, const ConvGraph& graph, bool fused, const ConvForward& args) {
    Scratch parts;
    const auto workspace = parts.add<char>(graph.info().workspace);
    const auto x = parts.add<T>(form.changes_x() ? form.shape.input_count() : 0);
    const auto weights = parts.add<T>(weight_scratch<T>(form, args.weights));
    const auto bias = parts.add<T>(form.shape.out_c);
    const auto y = parts.add<T>(fused ? 0 : form.shape.output_count());
    queue.with_workspace(parts.bytes(), [=, this, &queue, &graph](void* memory) {
      Scratch scratch = parts;
      scratch.place(memory);
      Operands operands{image_for(queue, form, args.x, x(scratch)),
                        weights_for(queue, packed_, form, args.weights, weights(scratch))};
      operands.out = fused ? args.y : y(scratch);
      if (fused && graph.key().bias) {
        operands.add = args.add;
        operands.bias = bias_for(queue, form.shape.out_c, args, bias(scratch));
      }
      run(queue, graph, operands, workspace(scratch));
      if (fused) return;
      declare_pass<T>(queue, form.shape.output_count() + (args.add != nullptr ? 2 : 1) * form.given.output_count());
      const auto finish = [&](const auto* bias) {
        finish_forward(queue, form.y_rows(), form.shape.out_c, form.given.out_c, y(scratch), typed<T>(args.add), bias,
                       args.relu, typed<T>(args.y));
      };
      if (args.rounded_bias != nullptr)
        finish(typed<T>(args.rounded_bias));
      else
        finish(args.bias);
    });
  }

  template <class T>
  void run_part(Queue& queue, const PaddedShape& form, const ConvGraph& graph, bool fused,
                const ConvBackwardData& args) {
    const bool moves = form.pads_x() || form.gather;
    const bool in_place = fused || (!moves && !args.accumulate);
    const bool finish = !fused && (moves || args.accumulate || args.relu_mask != nullptr);
    Scratch parts;
    const auto workspace = parts.add<char>(graph.info().workspace);
    const auto dy = parts.add<T>(form.pads_y() ? form.shape.output_count() : 0);
    const auto weights = parts.add<T>(weight_scratch<T>(form, args.weights));
    const auto dx = parts.add<T>(in_place ? 0 : form.shape.input_count());
    queue.with_workspace(parts.bytes(), [=, this, &queue, &graph](void* memory) {
      Scratch scratch = parts;
      scratch.place(memory);
      Operands operands{output_gradient_for(queue, form, args.dy, dy(scratch)),
                        weights_for(queue, packed_, form, args.weights, weights(scratch))};
      operands.out = in_place ? args.dx : dx(scratch);
      if (fused) operands.add = args.accumulate ? args.dx : nullptr, operands.mask = args.relu_mask;
      run(queue, graph, operands, workspace(scratch));
      if (finish)
        finish_data_gradient(queue, form, typed<T>(std::as_const(operands.out)), typed<T>(args.relu_mask),
                             args.accumulate, typed<T>(args.dx));
    });
  }

  // cuDNN has no kernel with fp32 output for bf16 tensors: one pass widens it, and adds where it accumulates.
  template <class T>
  void run_part(Queue& queue, const PaddedShape& form, const ConvGraph& graph, bool, const ConvBackwardWeight& args) {
    const bool in_place = std::is_same_v<T, float> && !args.accumulate && !form.changes_weights();
    Scratch parts;
    const auto workspace = parts.add<char>(graph.info().workspace);
    const auto x = parts.add<T>(form.changes_x() ? form.shape.input_count() : 0);
    const bool pads_dy = form.pads_y() && args.dy_channels != form.shape.out_c;
    const auto dy = parts.add<T>(pads_dy ? form.shape.output_count() : 0);
    const auto dweight = parts.add<T>(in_place ? 0 : form.shape.weight_count());
    queue.with_workspace(parts.bytes(), [=, &queue, &graph](void* memory) {
      Scratch scratch = parts;
      scratch.place(memory);
      Operands operands{image_for(queue, form, args.x, x(scratch)),
                        pads_dy ? output_gradient_for(queue, form, args.dy, dy(scratch)) : args.dy};
      operands.out = in_place ? static_cast<void*>(args.dweight) : dweight(scratch);
      run(queue, graph, operands, workspace(scratch));
      const T* result = typed<T>(std::as_const(operands.out));
      if (!in_place)
        declare_pass<T>(queue, form.shape.weight_count(), (1 + int{args.accumulate}) * form.given.weight_count());
      if (form.space_to_depth)
        depth_to_space_weight_gradient(queue, form.given, result, args.accumulate, args.dweight);
      else if (!in_place)
        finish_gradient<T, float>(queue, int64_t{form.given.out_c} * form.given.kernel_h * form.given.kernel_w,
                                  form.shape.in_c / form.shape.groups, form.given.in_c / form.given.groups, result,
                                  nullptr, args.accumulate, args.dweight);
    });
  }

  static void describe(ConvPlan& plan, const cudnn::PlanInfo& info) {
    plan.engine = info.engine, plan.kernels = cudnn::name_of(info.kind, conv::cuda::device().sm());
    plan.candidates = info.candidates, plan.hopper = info.hopper, plan.workspace = info.workspace;
  }
  std::vector<ConvPlan> rows_of(const GraphKey& call, bool bits = false);
  ConvPlan row(const ConvWay& way, const GraphKey& call);

  cudnn::Plans plans_{conv::cuda::device(), cache_folder()};
  ConvWays ways_;
  PackedWeights packed_{{conv::cuda::allocate, conv::cuda::release}};
  std::unique_ptr<ConvMatmuls> matmuls_ = make_conv_matmuls(cache_folder(), packed_);  // or nullptr
};

// Of a way that is taken in parts the first one's plan.
ConvPlan CudnnBackend::row(const ConvWay& way, const GraphKey& call) {
  const cudnn::Plans::Look look = plans_.look(way.part_key(0));
  ConvPlan plan{.graph = cudnn::fusion_text(way.key), .built = look.built, .passes = passes_of(way.form, call.pass)};
  const auto add = [&](bool is, const std::string& what) {
    if (is) plan.passes += (plan.passes.empty() ? "" : ", ") + what;
  };
  const bool forward = call.pass == ConvPass::Forward, weight = call.pass == ConvPass::BackwardWeight;
  add(weight && call.dtype == DType::BF16, "add to the fp32 gradient");
  add(forward && !way.fused && (call.add || call.bias || call.relu), "one pass: add, bias, ReLU");
  add(!forward && !weight && !way.fused && call.add, call.relu ? "add and mask" : "add");
  add(!forward && !weight && !way.fused && !call.add && call.relu, "mask");
  add(way.parts > 1, "in " + std::to_string(way.parts) + " parts");
  if (look.offered) describe(plan, look.info);
  return plan;
}

// The ways of one call and the matmul that may stand for them, the one that is used first.
std::vector<ConvPlan> CudnnBackend::rows_of(const GraphKey& call, bool bits) {
  Queue queue;  // of the CPU: nothing is timed
  const std::vector<ConvWay> ways = ways_.all(call);
  std::vector<ConvPlan> rows;
  for (const ConvWay& way : ways) rows.push_back(row(way, call));
  rows.front().used = ways.front().possible;
  if (matmuls_ == nullptr) return rows;
  const ConvFusion fusion{.bias = call.bias, .add = call.add, .relu = call.relu, .bits = bits};
  auto matmul = matmuls_->plan(call.shape, call.dtype, call.pass, fusion,
                               rival(queue, call, ways.front().modeled, ways.front().timed));
  if (!matmul) return rows;
  if (matmul->used) rows.front().used = false;
  rows.insert(matmul->used ? rows.begin() : rows.end(), std::move(*matmul));
  return rows;
}

ConvPlan CudnnBackend::used_plan(const ConvShape& shape, DType dtype, ConvPass pass, const ConvFusion& fusion) {
  const GraphKey call{pass, shape, dtype, fusion.add, fusion.bias, fusion.relu};
  Queue queue;  // of the CPU: nothing is timed
  std::optional<ConvPlan> matmul;
  const auto is_faster = [&](const CudnnEstimate& rival) {
    matmul = matmuls_->plan(shape, dtype, pass, fusion, rival);
    return matmul && matmul->used;
  };
  if (matmuls_ && is_faster(rival(queue, call, ways_.least(call), 0))) return *matmul;
  const ConvWay way = ways_.best(call);
  if (matmuls_ && is_faster(rival(queue, call, way.modeled, way.timed))) return *matmul;
  ConvPlan plan = row(way, call);
  plan.used = way.possible;
  return plan;
}

// Of a data gradient also where it is added to what is there, masked, or both; and by bits.
std::vector<ConvPlan> CudnnBackend::plans(const ConvShape& shape, DType dtype, ConvPass pass,
                                          const ConvFusion& fusion) {
  if (pass == ConvPass::Forward)
    return rows_of({pass, shape, dtype, fusion.add, fusion.bias, fusion.relu}, fusion.bits);
  std::vector<ConvPlan> rows = rows_of({pass, shape, dtype});
  if (pass == ConvPass::BackwardWeight) return rows;
  for (const auto& [add, mask] : {std::pair{true, false}, {false, true}, {true, true}})
    for (ConvPlan& row : rows_of({pass, shape, dtype, add, false, mask})) rows.push_back(std::move(row));
  if (dtype == DType::BF16 && shape.kernel_h == 1 && shape.kernel_w == 1)
    for (ConvPlan& row : rows_of({pass, shape, dtype, true, false, true}, /*bits=*/true))
      rows.push_back(std::move(row));
  return rows;
}

}  // namespace

std::unique_ptr<ConvBackend> make_cudnn_backend(const ConvPreference& preference) {
  return std::make_unique<CudnnBackend>(preference);
}

}  // namespace fovea::kernels

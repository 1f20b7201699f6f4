// Focal loss, Lin et al. 2017, eq. 5:  FL(pt) = −αt (1 − pt)^γ log pt,  pt = σ(s), s = +logit for the target class and
// −logit for all others. With z = −s and p = σ(z) = 1 − pt (the probability of being wrong), both stable at any z:
//   loss     = αt p^γ softplus(z)                        softplus(z) = −log pt = max(z, 0) + log1p(e^−|z|)
//   dloss/dz = αt p^γ (γ (1 − p) softplus(z) + p)        a sum of terms >= 0: nothing cancels
// and dloss/dlogit = ∓dloss/dz.
#include "kernels/focal_loss.h"

#include "kernels/launch.h"
#include "kernels/math.h"
#include "kernels/partial_sums.h"

namespace fovea::kernels {
namespace {

constexpr int kLocations = 64;  // of one block: its row of partial sums costs 1/64 of the traffic

enum class Gamma { Zero, Two, Any };

struct FocalTerm {
  float loss, slope;  // without αt and scale
};

template <Gamma GAMMA>
FN FocalTerm focal_term(float z, float gamma) {
  const float e = math::hardware_exp(-fabsf(z));
  const float larger = math::hardware_reciprocal(1.f + e);  // σ(|z|)
  const float p = z < 0.f ? e * larger : larger, pt = z < 0.f ? larger : e * larger;
  const float log_term = math::log1p(e), softplus = (z > 0.f ? z : 0.f) + log_term;
  if constexpr (GAMMA == Gamma::Zero) {
    return {softplus, p};
  } else if constexpr (GAMMA == Gamma::Two) {
    const float power = p * p;
    return {power * softplus, power * math::fused(2.f * pt, softplus, p)};
  } else {
    const float power = math::hardware_exp(gamma * ((z < 0.f ? z : 0.f) - log_term));  // p^γ, log p = −softplus(−z)
    return {power * softplus, power * math::fused(gamma * pt, softplus, p)};
  }
}

// One block = one chunk of locations. A column is one (anchor of the location, class).
template <class T, Gamma GAMMA>
struct FocalLoss {
  LevelView<const T> logits;
  LevelView<T> gradient;
  const int32_t* targets;
  const float* scale;
  float target_weight, other_weight, gamma;
  float* partial;  // [chunks, bias_columns + 1]
  int bias_columns;

  using Shared = NoShared;

  template <class Block>
  FN void operator()(Block& block, int64_t index, Shared&) const {
    const LocationChunk chunk = logits.chunk(index, kLocations);
    const int32_t* target = targets + int64_t{chunk.image} * logits.anchors() + logits.anchor(chunk);
    float* sums = partial + index * (bias_columns + 1);
    const Weights weights{target_weight * scale[chunk.image], other_weight * scale[chunk.image]};
    float loss;
    if constexpr (Block::size() == 1)
      loss = by_location(block, chunk, target, sums, weights);
    else
      loss = by_column(block, chunk, target, sums, weights);
    loss = block.sum(loss);
    if (block.thread() == 0) sums[bias_columns] = loss;
    const int padding = gradient.pixel_stride - gradient.row_columns();
    if (padding > 0)
      for (int i = block.thread(); i < chunk.count * padding; i += block.size())
        gradient.row(chunk)[i / padding * gradient.pixel_stride + gradient.row_columns() + i % padding] = T(0.f);
  }

 private:
  struct Weights {
    float target, other;
  };
  // Loss of the element at x, its gradient into g and `bias`.
  FN float element(const T& x, T& g, float* bias, bool is_target, float weight) const {
    const float sign = is_target ? -1.f : 1.f;
    const FocalTerm term = focal_term<GAMMA>(sign * float(x), gamma);
    const float slope = sign * weight * term.slope;
    g = T(slope);
    *bias += slope;
    return weight * term.loss;
  }

  // GPU: a thread owns columns and walks down the chunk's locations; a warp reads neighbouring columns.
  template <class Block>
  FN float by_column(Block& block, const LocationChunk& chunk, const int32_t* target, float* sums,
                     const Weights& weights) const {
    const int anchors = logits.anchors_per_location;
    float loss = 0;
    for (int column = block.thread(); column < logits.row_columns(); column += block.size()) {
      const int anchor = column / logits.columns, label = column - anchor * logits.columns;
      const T* x = logits.row(chunk) + column;
      T* g = gradient.row(chunk) + column;
      float bias = 0;
#pragma unroll 4
      for (int i = 0; i < chunk.count; ++i) {
        const int32_t t = target[i * anchors + anchor];
        const int64_t at = int64_t{i} * logits.pixel_stride;
        if (t == kIgnored)
          g[at] = T(0.f);
        else
          loss += element(x[at], g[at], &bias, t == label, t == label ? weights.target : weights.other);
      }
      if (bias_columns > 0) sums[column] = bias;
    }
    return loss;
  }

  // CPU: location after location, the columns between two special ones vectorised.
  template <class Block>
  FN float by_location(Block&, const LocationChunk& chunk, const int32_t* target, float* sums,
                       const Weights& weights) const {
    const int anchors = logits.anchors_per_location, columns = logits.columns;
    double loss = 0;
    for (int c = 0; c < bias_columns; ++c) sums[c] = 0;
    for (int i = 0; i < chunk.count; ++i, target += anchors) {
      const T* x = logits.row(chunk) + int64_t{i} * logits.pixel_stride;
      T* g = gradient.row(chunk) + int64_t{i} * logits.pixel_stride;
      int first = 0;  // of the columns since the last special one
      for (int a = 0; a < anchors; ++a) {
        const int begin = a * columns, t = target[a];
        if (t == kBackground) continue;
        const int special = t == kIgnored ? begin : begin + t, next = t == kIgnored ? begin + columns : special + 1;
        loss += double{background(x, g, sums, first, special, weights.other)};
        if (t == kIgnored)
          for (int c = begin; c < next; ++c) g[c] = T(0.f);
        else
          loss += double{special_column(x, g, sums, special, weights.target)};
        first = next;
      }
      loss += double{background(x, g, sums, first, anchors * columns, weights.other)};
    }
    return static_cast<float>(loss);
  }
  FN float background(const T* x, T* g, float* sums, int first, int last, float weight) const {
    float loss = 0;
    if (bias_columns > 0) {
#pragma omp simd reduction(+ : loss)
      for (int c = first; c < last; ++c) loss += element(x[c], g[c], sums + c, false, weight);
    } else {
#pragma omp simd reduction(+ : loss)
      for (int c = first; c < last; ++c) {
        float unused = 0;
        loss += element(x[c], g[c], &unused, false, weight);
      }
    }
    return loss;
  }
  FN float special_column(const T* x, T* g, float* sums, int column, float weight) const {
    float unused = 0;
    return element(x[column], g[column], bias_columns > 0 ? sums + column : &unused, true, weight);
  }
};

template <class T>
int bias_columns_of(const FocalLossArgs<T>& args) {
  return args.bias_gradient != nullptr ? args.logits.row_columns() : 0;
}

template <Gamma GAMMA, class T>
void run(Queue& queue, const FocalLossArgs<T>& args) {
  const bool balanced = args.alpha >= 0.f;
  const int64_t chunks = int64_t{args.logits.images} * args.logits.chunks(kLocations);
  float* partial = static_cast<float*>(args.workspace);
  const int bias_columns = bias_columns_of(args);
  for_rows<256>(queue, "focal_loss", chunks,
                FocalLoss<T, GAMMA>{args.logits, args.gradient, args.targets, args.scale, balanced ? args.alpha : 1.f,
                                    balanced ? 1.f - args.alpha : 1.f, args.gamma, partial, bias_columns});
  sum_partials(queue, {partial, chunks, bias_columns, args.bias_gradient, args.accumulate_bias_gradient, args.loss});
}

}  // namespace

template <class T>
size_t focal_loss_workspace(const FocalLossArgs<T>& args) {
  const size_t chunks = size_t(args.logits.images) * args.logits.chunks(kLocations);
  return chunks * (args.logits.row_columns() + 1) * sizeof(float);
}

template <class T>
void focal_loss(Queue& queue, const FocalLossArgs<T>& args) {
  require(args.gradient.pixel_stride == args.logits.pixel_stride, "the gradient of the logits is laid out as they are");
  require(args.gamma >= 0.f, "the focal loss takes gamma >= 0");
  if (args.gamma == 2.f) return run<Gamma::Two>(queue, args);
  if (args.gamma == 0.f) return run<Gamma::Zero>(queue, args);
  run<Gamma::Any>(queue, args);
}

template size_t focal_loss_workspace(const FocalLossArgs<float>&);
template size_t focal_loss_workspace(const FocalLossArgs<bfloat16>&);
template void focal_loss(Queue&, const FocalLossArgs<float>&);
template void focal_loss(Queue&, const FocalLossArgs<bfloat16>&);

}  // namespace fovea::kernels

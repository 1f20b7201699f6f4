// Box regression losses over the positives of all levels; the formulas, with their sources, are in box_loss_terms.h.
#include "kernels/box_loss.h"

#include "kernels/error.h"
#include "kernels/launch/atomic.h"
#include "kernels/launch/bits.h"
#include "kernels/launch/launch.h"
#include "kernels/launch/pack.h"
#include "kernels/partial_sums.h"

namespace fovea::kernels {
namespace {

constexpr int kBlockLocations = 64;  // of one block, and bits of a word

// One block = one chunk of locations: first each anchor's loss and gradient, then the columns' sums of what was
// written, over the locations that have a positive: all others are 0.
template <class T>
struct BoxLossKernel {
  static constexpr int kResidentThreads = 512;  // of its work most threads do none
  BoxLossArgs<T> args;
  int bias_columns;
  float *bias, *losses;  // [chunks, bias_columns], [chunks]
  bool packs;            // the gradient of an anchor is aligned to its four elements

  struct Shared {
    uint64_t rows;  // bit i: location i has a positive
  };

  template <class Block>
  FOVEA_HD void operator()(Block& block, int64_t index, Shared& shared) const {
    const LocationChunk chunk = args.deltas.chunk(index, kBlockLocations);
    const int per_location = args.deltas.anchors_per_location, columns = per_location * 4;
    const int stride = args.gradient.pixel_stride, first_anchor = args.deltas.anchor(chunk);
    const int32_t* match = args.matches + int64_t{chunk.image} * args.deltas.anchors() + first_anchor;
    T* gradient = args.gradient.row(chunk);
    const T* deltas = args.deltas.row(chunk);
    if (block.thread() == 0) shared.rows = 0;
    block.sync();
    float loss = 0;
    for (int i = block.thread(); i < chunk.count * per_location; i += block.size()) {
      const int location = i / per_location, at = location * stride + (i - location * per_location) * 4;
      Pack<T, 4> derivative{};
      if (match[i] >= 0) {
        loss += positive(chunk.image, first_anchor + i, match[i], deltas + at, derivative);
        atomic_or(&shared.rows, uint64_t{1} << location);
      }
      if (packs)
        store_pack(gradient + at, derivative);
      else
        for (int k = 0; k < 4; ++k) gradient[at + k] = derivative[k];
    }
    const int padding = stride - columns;
    for (int i = block.thread(); i < chunk.count * padding; i += block.size())
      gradient[int64_t{i / padding} * stride + columns + i % padding] = T(0.f);
    loss = block.sum(loss);  // its barrier also shows every gradient to the whole block
    if (block.thread() == 0) losses[index] = loss;
    for (int c = block.thread(); c < bias_columns; c += block.size()) {
      float sum = 0;
      for (uint64_t rows = shared.rows; rows != 0; rows &= rows - 1)
        sum += float(gradient[lowest_bit(rows) * stride + c]);
      bias[index * bias_columns + c] = sum;
    }
  }

 private:
  FOVEA_HD float positive(int image, int anchor, int match, const T* deltas, Pack<T, 4>& gradient) const {
    const float scale = args.scale[image];
    const Dual<float> term =
        box_loss_term<float>(args.kind, args.beta, args.coder, load_box(args.anchors, anchor),
                             {float(deltas[0]), float(deltas[1]), float(deltas[2]), float(deltas[3])},
                             load_box(args.truth, int64_t{image} * args.max_boxes + match));
    for (int k = 0; k < 4; ++k) gradient[k] = T(scale * term.derivative[k]);
    return scale * term.value;
  }
};

template <class T>
int64_t chunks_of(const BoxLossArgs<T>& args) {
  return int64_t{args.deltas.images} * args.deltas.chunks(kBlockLocations);
}

}  // namespace

template <class T>
size_t box_loss_workspace(const BoxLossArgs<T>& args) {
  return static_cast<size_t>(chunks_of(args)) * (args.deltas.row_columns() + 1) * sizeof(float);
}

template <class T>
void box_loss(Queue& queue, const BoxLossArgs<T>& args) {
  require(args.deltas.columns == 4 && args.gradient.pixel_stride == args.deltas.pixel_stride,
          "deltas do not have 4 columns, or their gradient has another layout");
  const int bias_columns = args.bias_gradient != nullptr ? args.deltas.row_columns() : 0;
  const int64_t chunks = chunks_of(args);
  float *losses = static_cast<float*>(args.workspace), *bias = losses + chunks;
  bool packs = args.gradient.pixel_stride % 4 == 0;
  for (int level = 0; level < args.gradient.levels; ++level)
    packs = packs && all_aligned(4 * sizeof(T), args.gradient.data[level]);
  for_rows<128>(queue, "box_loss", chunks, BoxLossKernel<T>{args, bias_columns, bias, losses, packs});
  sum_partials(queue, {bias, chunks, bias_columns, args.bias_gradient, args.accumulate_bias_gradient, losses, chunks,
                       args.loss});
}

template size_t box_loss_workspace(const BoxLossArgs<float>&);
template size_t box_loss_workspace(const BoxLossArgs<bfloat16>&);
template void box_loss(Queue&, const BoxLossArgs<float>&);
template void box_loss(Queue&, const BoxLossArgs<bfloat16>&);

}  // namespace fovea::kernels

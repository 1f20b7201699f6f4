// out[o] = Σ_i w(i, o)·in[i] / Σ_i w(i, o), along y and along x, with the triangle
//   w(i, o) = max(0, 1 − |(i + ½) − (o + ½)·in/out| / width),   width = 1, or in/out where that is larger and antialias
// Width 1 is bilinear interpolation with half-pixel centres: two neighbours, at the border one. The wider triangle is
// PIL's and torchvision's antialiased form. Times 2·out·width every w is a whole number, so the weights are exact.
#include "kernels/image.h"

#include "kernels/launch.h"
#include "kernels/pack.h"

namespace fovea::kernels {
namespace {

FN int floor_div(int64_t a, int64_t b) { return static_cast<int>(a >= 0 ? a / b : -((b - 1 - a) / b)); }  // b > 0

struct Resampling {
  int in, out;
  int64_t reach;  // 2·out·width

  FN static Resampling make(int in, int out, bool antialias) {
    return {in, out, 2 * int64_t{antialias && in > out ? in : out}};
  }
};

// The pixels of one axis that output pixel o is made of, and their weights.
struct Taps {
  int64_t centre, reach;
  int out, first, last;
  float inv_sum;

  FN Taps(const Resampling& r, int o) : centre((2 * int64_t{o} + 1) * r.in), reach(r.reach), out(r.out) {
    first = floor_div(centre - reach - out, 2 * int64_t{out}) + 1;
    last = -floor_div(-(centre + reach - out), 2 * int64_t{out}) - 1;
    first = first > 0 ? first : 0;
    last = last < r.in ? last : r.in - 1;
    int64_t sum = 0;
    for (int i = first; i <= last; ++i) sum += whole(i);
    inv_sum = 1.f / static_cast<float>(sum);
  }
  FN int64_t whole(int i) const {
    const int64_t distance = (2 * int64_t{i} + 1) * out - centre;
    return reach - (distance < 0 ? -distance : distance);
  }
  FN float weight(int i) const { return static_cast<float>(whole(i)) * inv_sum; }
};

template <class T>
struct Preprocess {
  PreprocessArgs<T> args;

  struct AtRow {
    const PreprocessArgs<T>& args;
    const SourceImage& image;
    bool inside;
    Resampling horizontal;
    Taps rows;
    T* slot;

    template <int W>
    FN void operator()(int64_t column) const {
      static_assert(W == 1);
      T* out = slot + column * args.slot_channels;
      float pixel[3] = {0, 0, 0};
      if (inside && column < image.out_w) {
        resample(static_cast<int>(image.flip != 0 ? image.out_w - 1 - column : column), pixel);
        for (int c = 0; c < 3; ++c) pixel[c] = (pixel[c] / 255.f - args.mean[c]) * args.inv_std[c];
      }
      for (int c = 0; c < args.slot_channels; ++c) out[c] = static_cast<T>(c < 3 ? pixel[c] : 0.f);
    }

    FN void resample(int column, float (&pixel)[3]) const {
      const Taps columns(horizontal, column);
      for (int y = rows.first; y <= rows.last; ++y) {
        const uint8_t* line = image.pixels + int64_t{y} * image.width * 3;
        float sum[3] = {0, 0, 0};
        for (int x = columns.first; x <= columns.last; ++x) {
          const float weight = columns.weight(x);
          for (int c = 0; c < 3; ++c) sum[c] += weight * static_cast<float>(line[x * 3 + c]);
        }
        const float weight = rows.weight(y);
        for (int c = 0; c < 3; ++c) pixel[c] += weight * sum[c];
      }
    }
  };

  FN AtRow row(int64_t index) const {
    const SourceImage& image = args.images[index / args.slot_h];
    const int row = static_cast<int>(index % args.slot_h);
    const bool inside = row < image.out_h;
    const auto vertical = Resampling::make(image.height, image.out_h, args.antialias);
    return {args,
            image,
            inside,
            Resampling::make(image.width, image.out_w, args.antialias),
            Taps(vertical, inside ? row : 0),
            args.slots + index * args.slot_w * args.slot_channels};
  }
};

struct TransformBox {
  TransformBoxesArgs args;
  FN void operator()(int64_t image, int64_t index) const {
    if (index >= args.counts[image]) return;
    const SourceImage& source = args.images[image];
    const float scale_x = static_cast<float>(source.out_w) / static_cast<float>(source.width);
    const float scale_y = static_cast<float>(source.out_h) / static_cast<float>(source.height);
    const float width = static_cast<float>(source.out_w);
    const float* box = args.boxes + (image * args.max_boxes + index) * 4;
    const float x1 = box[0] * scale_x, y1 = box[1] * scale_y, x2 = box[2] * scale_x, y2 = box[3] * scale_y;
    float* out = args.out + (image * args.max_boxes + index) * 4;
    out[0] = source.flip != 0 ? width - x2 : x1;
    out[1] = y1;
    out[2] = source.flip != 0 ? width - x1 : x2;
    out[3] = y2;
  }
};

}  // namespace

void require_fits(const SourceImage& image, int slot_h, int slot_w) {
  require(image.height > 0 && image.width > 0 && image.out_h > 0 && image.out_w > 0, "an image to resize is not empty");
  require(image.out_h <= slot_h && image.out_w <= slot_w, "the resized image fits into its slot");
}

template <class T>
void preprocess(Queue& queue, const PreprocessArgs<T>& args) {
  require(args.slot_channels >= 3, "a slot has at least three channels");
  for_row_packs<1>(queue, "preprocess", int64_t{args.batch} * args.slot_h, args.slot_w, Preprocess<T>{args}, true);
}

void transform_boxes(Queue& queue, const TransformBoxesArgs& args) {
  for_each_2d(queue, "transform_boxes", args.batch, args.max_boxes, TransformBox{args});
}

template void preprocess<float>(Queue&, const PreprocessArgs<float>&);
template void preprocess<bfloat16>(Queue&, const PreprocessArgs<bfloat16>&);

}  // namespace fovea::kernels

// out[o] = Σ_i w(i, o)·in[i] / Σ_i w(i, o), along y and along x, with the triangle
//   w(i, o) = max(0, 1 − |(i + ½) − (o + ½)·in/out| / width),   width = 1, or in/out where that is larger and antialias
// Width 1 is bilinear interpolation with half-pixel centers: two neighbors, at the border one. The wider triangle is
// PIL's and torchvision's antialiased form. Times 2·out·width every w is a whole number, so the weights are exact: in
// 64 bits where they are looked for, in fp32 where they are used, of sides up to 2²² pixels.
#include "kernels/image.h"

#include <cmath>

#include "kernels/error.h"
#include "kernels/launch/bfloat16.h"  // IWYU pragma: keep (a template's argument)
#include "kernels/launch/launch.h"

namespace fovea::kernels {
namespace {

FOVEA_HD int floor_div(int64_t a, int64_t b) { return static_cast<int>(a >= 0 ? a / b : -((b - 1 - a) / b)); }  // b > 0

// The pixels first … last of one axis that an output pixel is made of.
struct alignas(16) Taps {
  int first, last;
  float start;  // 2·out·(first's center − the output pixel's), in pixels of the input
  float inv_sum;

  FOVEA_HD int count() const { return last - first + 1; }
  FOVEA_HD int pixel(int i) const { return first + i <= last ? first + i : last; }
};

struct Resampling {
  int in, out;
  int64_t reach;  // 2·out·width

  FOVEA_HD static Resampling make(int in, int out, bool antialias) {
    return {in, out, 2 * int64_t{antialias && in > out ? in : out}};
  }

  // How many neighboring outputs are sure to be made of no more than `pixels`: the first and last pixel of k outputs
  // are less than ((k − 1)·in + reach)/out + 1 apart.
  FOVEA_HD int outputs_of(int pixels) const {
    const int64_t between = (int64_t{pixels} - 1) * out - reach;
    return between < 0 ? 0 : static_cast<int>(between / in) + 1;
  }

  FOVEA_HD Taps taps(int o) const {
    const int64_t center = (2 * int64_t{o} + 1) * in, step = 2 * int64_t{out};
    const int first = floor_div(center - reach - out, step) + 1, last = -floor_div(-(center + reach - out), step) - 1;
    Taps taps{first > 0 ? first : 0, last < in ? last : in - 1, 0, 0};
    const int64_t start = taps.first * step + out - center;
    int64_t sum = 0;
    for (int64_t i = 0; i <= taps.last - taps.first; ++i) sum += reach - std::abs(i * step + start);
    taps.start = static_cast<float>(start);
    taps.inv_sum = 1.f / static_cast<float>(sum);
    return taps;
  }
};

struct Triangle {
  float step, reach;
  FOVEA_HD explicit Triangle(const Resampling& r)
      : step(2.f * static_cast<float>(r.out)), reach(static_cast<float>(r.reach)) {}
  FOVEA_HD float weight(const Taps& taps, int i) const {  // of first + i
    const float whole = reach - std::abs(static_cast<float>(i) * step + taps.start);
    return taps.first + i <= taps.last ? whole * taps.inv_sum : 0.f;
  }
};

// The taps of every row and column of the slots' content: [batch, slot_h + slot_w].
struct FindTaps {
  const SourceImage* images;
  Taps* taps;
  int slot_h, slot_w;
  bool antialias;

  FOVEA_HD void operator()(int64_t n, int64_t line) const {
    const SourceImage& image = images[n];
    const bool is_row = line < slot_h;
    const int o = static_cast<int>(is_row ? line : line - slot_h), out = is_row ? image.out_h : image.out_w;
    if (o >= out) return;
    const auto axis = Resampling::make(is_row ? image.height : image.width, out, antialias);
    taps[n * (slot_h + slot_w) + line] = axis.taps(!is_row && image.flip != 0 ? out - 1 - o : o);
  }
};

// The bytes of a pixel, and where in it channel c of RGB is. RgbForm: known when this is compiled.
struct RgbForm {
  FOVEA_HD explicit RgbForm(const PixelForm&) {}
  FOVEA_HD int bytes() const { return 3; }
  FOVEA_HD int place(int c) const { return c; }
};
struct AnyForm {
  PixelForm form;
  FOVEA_HD explicit AnyForm(const PixelForm& of) : form(of) {}
  FOVEA_HD int bytes() const { return form.bytes; }
  FOVEA_HD int place(int c) const { return c == 0 ? form.red : c == 1 ? form.green : form.blue; }
};
FOVEA_HD bool is_rgb(const PixelForm& form) {
  return form.bytes == 3 && form.red == 0 && form.green == 1 && form.blue == 2;
}

// A block makes a row of a slot: a stretch of the source's rows at a time, put together down the columns into a line,
// then the line along itself.
template <class T>
struct Preprocess {
  PreprocessArgs<T> args;
  const Taps* taps;
  float scale[3], offset[3];  // pixel·scale + offset

  static constexpr int kLine = 1024, kMostBytes = 4;  // pixels, with all their bytes: colors are taken at last
  struct Shared {
    float line[kLine * kMostBytes];
  };

  template <class Block>
  FOVEA_HD void operator()(Block& block, int64_t index, Shared& shared) const {
    const int64_t n = index / args.slot_h;
    const int y = static_cast<int>(index % args.slot_h);
    const SourceImage& image = args.images[n];
    const int content = y < image.out_h ? image.out_w : 0;
    const Taps* of_image = taps + n * (args.slot_h + args.slot_w);
    T* slot = args.slots + index * args.slot_w * args.slot_channels;
    if (content > 0) {
      const Taps* columns = of_image + args.slot_h;
      if (is_rgb(image.form))
        make_content<RgbForm>(block, image, of_image[y], columns, slot, shared.line);
      else
        make_content<AnyForm>(block, image, of_image[y], columns, slot, shared.line);
    }
    const int padding = (args.slot_w - content) * args.slot_channels;
    T* behind = slot + content * args.slot_channels;
    block.loop(padding, [=](int i) { behind[i] = static_cast<T>(0.f); });
  }

 private:
  template <class Form>
  struct Row {
    const SourceImage& image;
    Form form;
    int64_t stride;
    Triangle vertical, horizontal;
    Taps down;
    const Taps* columns;
    T* slot;
    FOVEA_HD const uint8_t* source(int j, int x) const {
      return image.pixels + down.pixel(j) * stride + int64_t{x} * form.bytes();
    }
  };

  template <class Form, class Block>
  FOVEA_HD void make_content(Block& block, const SourceImage& image, const Taps& down, const Taps* columns, T* slot,
                             float* line) const {
    const auto vertical = Resampling::make(image.height, image.out_h, args.antialias);
    const auto horizontal = Resampling::make(image.width, image.out_w, args.antialias);
    const Form form(image.form);
    const int64_t stride = image.row_stride != 0 ? image.row_stride : int64_t{image.width} * form.bytes();
    const Row<Form> row{image, form, stride, Triangle(vertical), Triangle(horizontal), down, columns, slot};
    const int at_once = horizontal.outputs_of(kLine);
    for (int o = 0; o < image.out_w && at_once == 0; ++o) wide(block, row, o);
    for (int first = 0; first < image.out_w && at_once > 0; first += at_once) {
      const int last = (first + at_once < image.out_w ? first + at_once : image.out_w) - 1;
      if (args.antialias)
        stretch<0>(block, row, first, last, line);
      else
        stretch<2>(block, row, first, last, line);
    }
  }

  // The outputs first … last. TAPS: of each axis, or 0 for any number. Two are taken also where the border leaves one:
  // the other weighs nothing.
  template <int TAPS, class Block, class Form>
  FOVEA_HD void stretch(Block& block, const Row<Form>& row, int first, int last, float* line) const {
    const bool flip = row.image.flip != 0;
    const int begin = row.columns[flip ? last : first].first, end = row.columns[flip ? first : last].last + 1;
    down_columns<TAPS>(block, row, begin, end - begin, line);
    block.sync();
    for (int o = first + block.thread(); o <= last; o += block.size()) {
      const Taps& across = row.columns[o];
      float pixel[3] = {0, 0, 0};
      for (int i = 0; i < (TAPS > 0 ? TAPS : across.count()); ++i) {
        const float weight = row.horizontal.weight(across, i);
        const float* in = line + (across.pixel(i) - begin) * row.form.bytes();
        for (int c = 0; c < 3; ++c) pixel[c] += weight * in[row.form.place(c)];
      }
      write(row, o, pixel);
    }
    block.sync();
  }

  template <int TAPS, class Block, class Form>
  FOVEA_HD void down_columns(Block& block, const Row<Form>& row, int begin, int pixels, float* line) const {
    const int values = pixels * row.form.bytes();
    if constexpr (TAPS == 2) {
      const float w0 = row.vertical.weight(row.down, 0), w1 = row.vertical.weight(row.down, 1);
      const uint8_t *in0 = row.source(0, begin), *in1 = row.source(1, begin);
      block.loop(values, [=](int i) { line[i] = w0 * static_cast<float>(in0[i]) + w1 * static_cast<float>(in1[i]); });
    } else {
      for (int j = 0; j < row.down.count(); ++j) {
        const float weight = row.vertical.weight(row.down, j);
        const uint8_t* in = row.source(j, begin);
        block.loop(values, [=](int i) { line[i] = (j > 0 ? line[i] : 0.f) + weight * static_cast<float>(in[i]); });
      }
    }
  }

  // An output of more pixels than a line holds.
  template <class Block, class Form>
  FOVEA_HD void wide(Block& block, const Row<Form>& row, int o) const {
    const Taps& across = row.columns[o];
    float pixel[3];
    for (int c = 0; c < 3; ++c)
      pixel[c] = block.sum(across.count(), [&](int i) {
        float sum = 0;
        for (int j = 0; j < row.down.count(); ++j)
          sum +=
              row.vertical.weight(row.down, j) * static_cast<float>(row.source(j, across.first + i)[row.form.place(c)]);
        return row.horizontal.weight(across, i) * sum;
      });
    if (block.thread() == 0) write(row, o, pixel);
  }

  template <class Form>
  FOVEA_HD void write(const Row<Form>& row, int o, const float (&pixel)[3]) const {
    T* out = row.slot + o * args.slot_channels;
    for (int c = 0; c < 3; ++c) out[c] = static_cast<T>(pixel[c] * scale[c] + offset[c]);
    for (int c = 3; c < args.slot_channels; ++c) out[c] = static_cast<T>(0.f);
  }
};

struct TransformBox {
  TransformBoxesArgs args;
  FOVEA_HD void operator()(int64_t image, int64_t index) const {
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
  require(image.height > 0 && image.width > 0 && image.out_h > 0 && image.out_w > 0,
          "an empty image cannot be resized");
  require(image.out_h <= slot_h && image.out_w <= slot_w, "the resized image does not fit into its slot");
}

template <class T>
size_t preprocess_workspace(const PreprocessArgs<T>& args) {
  return static_cast<size_t>(args.batch) * static_cast<size_t>(args.slot_h + args.slot_w) * sizeof(Taps);
}

template <class T>
void preprocess(Queue& queue, const PreprocessArgs<T>& args) {
  require(args.slot_channels >= 3, "a slot has fewer than three channels");
  auto* taps = static_cast<Taps*>(args.workspace);
  for_each_2d(queue, "resize_taps", args.batch, int64_t{args.slot_h} + args.slot_w,
              FindTaps{args.images, taps, args.slot_h, args.slot_w, args.antialias});
  Preprocess<T> pass{.args = args, .taps = taps, .scale = {}, .offset = {}};
  for (int c = 0; c < 3; ++c) {
    pass.scale[c] = args.inv_std[c] / 255.f;
    pass.offset[c] = -args.mean[c] * args.inv_std[c];
  }
  for_rows<256>(queue, "preprocess", int64_t{args.batch} * args.slot_h, pass);
}

void transform_boxes(Queue& queue, const TransformBoxesArgs& args) {
  for_each_2d(queue, "transform_boxes", args.batch, args.max_boxes, TransformBox{args});
}

template size_t preprocess_workspace<float>(const PreprocessArgs<float>&);
template size_t preprocess_workspace<bfloat16>(const PreprocessArgs<bfloat16>&);
template void preprocess<float>(Queue&, const PreprocessArgs<float>&);
template void preprocess<bfloat16>(Queue&, const PreprocessArgs<bfloat16>&);

}  // namespace fovea::kernels

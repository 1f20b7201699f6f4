#include "kernels/conv/cuda/padded_shape.h"

#include "kernels/launch/math.h"

namespace fovea::kernels {
namespace {

int padded(int channels) { return round_up(channels, kChannelMultiple); }

}  // namespace

PaddedShape padded_shape(const ConvShape& s, DType dtype, ConvPass pass) {
  PaddedShape form{s, s};
  if (dtype == DType::F32 || s.groups > 1) return form;
  form.space_to_depth = uses_space_to_depth(s) && pass != ConvPass::BackwardData;
  if (form.space_to_depth) form.shape = space_to_depth_shape(s);
  form.shape.in_c = padded(form.shape.in_c);
  form.shape.out_c = padded(form.shape.out_c);
  return form;
}

bool may_gather(const ConvShape& s, DType dtype) {
  return gathers(s) && (dtype == DType::F32 || (padded(s.in_c) == s.in_c && padded(s.out_c) == s.out_c));
}

PaddedShape gathered_shape(const ConvShape& s) { return {.given = s, .shape = gathered(s), .gather = true}; }

std::string passes_of(const PaddedShape& form, ConvPass pass) {
  std::string text;
  const auto add = [&](bool is, const std::string& what) {
    if (is) text += (text.empty() ? "" : ", ") + what;
  };
  const auto step = [](int from, int to) { return std::to_string(from) + " -> " + std::to_string(to); };
  add(form.space_to_depth, "space to depth, " + step(form.given.in_c, form.shape.in_c) + " channels");
  add(form.gather, pass == ConvPass::BackwardData ? "scatter dx" : "gather x");
  add(form.pads_x(), (pass == ConvPass::BackwardData ? "crop dx " : "pad x ") + step(form.given.in_c, form.shape.in_c));
  add(form.pads_y(), (pass == ConvPass::Forward ? "finish y " : "pad dy ") + step(form.given.out_c, form.shape.out_c));
  return text;
}

}  // namespace fovea::kernels

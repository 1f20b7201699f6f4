#include "kernels/conv/cuda/conv_form.h"

namespace fovea::kernels {
namespace {

int padded(int channels) { return (channels + kChannelMultiple - 1) / kChannelMultiple * kChannelMultiple; }

}  // namespace

ConvForm form_of(const ConvShape& s, DType dtype, ConvPass pass) {
  ConvForm form{s, s};
  if (dtype == DType::F32 || s.groups > 1) return form;
  form.fold = folds(s) && pass != ConvPass::BackwardData;
  if (form.fold) form.shape = folded(s);
  form.shape.in_c = padded(form.shape.in_c);
  form.shape.out_c = padded(form.shape.out_c);
  return form;
}

bool may_gather(const ConvShape& s, DType dtype) {
  return gathers(s) && (dtype == DType::F32 || (padded(s.in_c) == s.in_c && padded(s.out_c) == s.out_c));
}

ConvForm gathered_form(const ConvShape& s) { return {.given = s, .shape = gathered(s), .gather = true}; }

std::string passes_of(const ConvForm& form, ConvPass pass) {
  std::string text;
  const auto add = [&](bool is, const std::string& what) {
    if (is) text += (text.empty() ? "" : ", ") + what;
  };
  const auto step = [](int from, int to) { return std::to_string(from) + " -> " + std::to_string(to); };
  add(form.fold, "fold 2x2 pixels, " + step(form.given.in_c, form.shape.in_c) + " channels");
  add(form.gather, pass == ConvPass::BackwardData ? "scatter dx" : "gather x");
  add(form.pads_x(), (pass == ConvPass::BackwardData ? "crop dx " : "pad x ") + step(form.given.in_c, form.shape.in_c));
  add(form.pads_y(), (pass == ConvPass::Forward ? "finish y " : "pad dy ") + step(form.given.out_c, form.shape.out_c));
  return text;
}

}  // namespace fovea::kernels

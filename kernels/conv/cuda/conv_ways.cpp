#include "kernels/conv/cuda/conv_ways.h"

#include <algorithm>
#include <limits>

#include "kernels/conv/cuda/conv_cost.h"

namespace fovea::kernels {
namespace {

using cudnn::GraphKey;
using cudnn::Plans;

// Parts smaller than an eighth would be many launches of kernels that no longer fill the device.
constexpr int kMostParts = 8;

bool masks(const GraphKey& call) { return call.pass == ConvPass::BackwardData && call.relu; }

// Hopper's kernels add only before a bias, and ReLU only behind one: where there is none it is zero.
GraphKey forward_key(const PaddedShape& form, const GraphKey& call) {
  return {call.pass, form.shape, call.dtype, call.add, call.bias || call.add || call.relu, call.relu};
}

// Best first. By time only where all that are possible were timed: a time and a model do not compare.
void sort(std::vector<ConvWay>& ways) {
  const bool timed = std::all_of(ways.begin(), ways.end(), [](const ConvWay& w) { return !w.possible || w.timed > 0; });
  const auto seconds = [&](const ConvWay& way) {
    if (!way.possible) return std::numeric_limits<double>::infinity();
    return timed ? way.timed : way.modeled;
  };
  std::stable_sort(ways.begin(), ways.end(),
                   [&](const ConvWay& a, const ConvWay& b) { return seconds(a) < seconds(b); });
}

// Whether each image of the tensors that go to cuDNN as they are begins where its kernels can read: at 16 bytes.
bool has_even_images(const PaddedShape& form, DType dtype) {
  const auto even = [&](int64_t count) {
    return count / form.given.batch * static_cast<int64_t>(size_of(dtype)) % 16 == 0;
  };
  return (form.changes_x() || even(form.given.input_count())) && (form.pads_y() || even(form.given.output_count()));
}

}  // namespace

GraphKey ConvWay::part_key(int part) const {
  GraphKey of_part = key;
  of_part.shape.batch = part_size(key.shape.batch, parts, part);
  return of_part;
}

PaddedShape ConvWay::part_form(int part) const {
  PaddedShape of_part = form;
  of_part.set_batch(part_size(form.given.batch, parts, part));
  return of_part;
}

// With the passes' seconds, and a model that takes each kernel for the fastest that it can be.
std::vector<ConvWay> ConvWays::known(const GraphKey& call) const {
  std::vector<PaddedShape> forms{padded_shape(call.shape, call.dtype, call.pass)};
  if (may_gather(call.shape, call.dtype)) forms.push_back(gathered_shape(call.shape));
  if (preference_.gathers) forms.erase(forms.begin(), forms.end() - 1);
  std::vector<ConvWay> ways;
  const auto add = [&](const PaddedShape& form, const GraphKey& key, bool fused, double passes) {
    const int parts = has_even_images(form, call.dtype) ? std::min(preference_.parts, call.shape.batch) : 1;
    ways.push_back({.form = form, .key = key, .fused = fused, .parts = parts, .passes = passes});
    ways.back().modeled = model(ways.back(), call, /*older=*/call.pass == ConvPass::BackwardData && fused);
  };
  for (const PaddedShape& form : forms) {
    const GraphKey plain{call.pass, form.shape, call.dtype};
    const ConvCost cost(form, call.pass, call.dtype, rates_);
    if (call.pass == ConvPass::Forward) {
      const GraphKey fused = forward_key(form, call);
      if (!form.pads_y()) add(form, fused, true, cost.forward_passes(true, call.add));  // else a pass is due anyway
      if (form.pads_y() || !(fused == plain)) add(form, plain, false, cost.forward_passes(false, call.add));
    } else if (call.pass == ConvPass::BackwardData) {
      add(form, plain, false, cost.data_passes(call.add, call.relu));
      if ((call.add || call.relu) && !form.pads_x() && !form.gather)
        add(form, {call.pass, form.shape, call.dtype, call.add, false, call.relu}, true, 0);
    } else {
      add(form, plain, false, cost.weight_passes(call.add));
    }
  }
  return ways;
}

double ConvWays::model(const ConvWay& way, const GraphKey& call, bool older) const {
  const bool in_kernel = way.fused;
  double seconds = way.passes;
  for (int part = 0; part < way.parts; ++part) {
    const ConvCost cost(way.part_form(part), call.pass, call.dtype, rates_);
    seconds += cost.kernel(in_kernel && call.add, in_kernel && masks(call), older);
    if (part > 0 && call.pass == ConvPass::BackwardWeight) seconds += cost.weight_passes(/*accumulate=*/true);
  }
  return seconds;
}

// Whether each part has kernels for the architecture.
bool ConvWays::is_native(const ConvWay& way) {
  for (int part = 0; part < way.parts; ++part)
    if (plans_.look(way.part_key(part)).info.hopper == 0) return false;
  return true;
}

// What cuDNN says of the way's plans.
void ConvWays::evaluate(ConvWay& way, const GraphKey& call) {
  bool timed = true;
  double graphs = 0;
  for (int part = 0; part < way.parts; ++part) {
    const GraphKey key = way.part_key(part);
    way.possible = way.possible && plans_.look(key).offered;
    const double seconds = plans_.seconds_of(key);
    timed = timed && seconds > 0;
    graphs += seconds;
  }
  way.timed = timed ? graphs + way.passes : 0;
  way.modeled = model(way, call, rates_.has_older_kernels && !is_native(way));
}

// Whether parts of the batch could do better than the whole. Never a fused gradient, of which there are only older
// kernels.
bool ConvWays::may_split(const ConvWay& whole, const GraphKey& call) {
  if (whole.parts > 1 || whole.key.shape.batch < 2 || !has_even_images(whole.form, call.dtype) ||
      (call.pass == ConvPass::BackwardData && whole.fused))
    return false;
  if (!whole.possible) return true;
  if (!rates_.has_older_kernels || call.dtype != DType::BF16 || is_native(whole)) return false;
  ConvWay halves = whole;
  halves.parts = 2;
  return model(halves, call, /*older=*/false) < whole.modeled;
}

// The way in the fewest parts that have what the whole has not. `parts` is 1 where there is none.
ConvWay ConvWays::split(const ConvWay& whole) {
  const bool possible = plans_.look(whole.key).offered;
  ConvWay way = whole;
  for (way.parts = 2; way.parts <= std::min(kMostParts, whole.key.shape.batch); way.parts *= 2) {
    if (rates_.has_older_kernels && whole.key.dtype == DType::BF16 && is_native(way)) return way;
    if (!possible && plans_.look(way.part_key(0)).offered && plans_.look(way.part_key(way.parts - 1)).offered)
      return way;
  }
  way.parts = 1;
  return way;
}

// Best first. Ways that cannot be faster than the best, whatever cuDNN says of them, are not asked for but with `all`.
std::vector<ConvWay> ConvWays::evaluated(const GraphKey& call, bool all) {
  std::vector<ConvWay> open = known(call), done;
  sort(open);
  all = all || were_timed(open);
  double best = std::numeric_limits<double>::infinity();
  for (ConvWay& way : open) {
    if (!all && way.modeled >= best) break;
    evaluate(way, call);
    done.push_back(way);
    if (way.possible) best = std::min(best, way.modeled);
    if (!may_split(way, call)) continue;
    if (ConvWay parts = split(way); parts.parts > 1) {
      parts.possible = true;
      evaluate(parts, call);
      done.push_back(parts);
      best = std::min(best, parts.modeled);
    }
  }
  sort(done);
  return done;
}

bool ConvWays::build(Queue& queue, const ConvWay& way) {
  for (int part = 0; part < way.parts; ++part)
    if (plans_.find(queue, way.part_key(part)) == nullptr) return false;
  return true;
}

bool ConvWays::were_timed(const std::vector<ConvWay>& ways) const {
  return plans_.seconds_of(ways.front().part_key(0)) > 0;
}

double ConvWays::least(const GraphKey& call) {
  const auto found = least_.find(call);
  if (found != least_.end()) return found->second;
  std::vector<ConvWay> ways = known(call);
  sort(ways);
  return least_[call] = were_timed(ways) ? 0 : ways.front().modeled;
}

const ConvWay& ConvWays::choose(Queue& queue, const GraphKey& call) {
  const bool timing = plans_.autotunes(queue);
  if (const auto found = chosen_.find(call); found != chosen_.end() && (found->second.timed || !timing))
    return found->second.way;
  std::vector<ConvWay> ways = evaluated(call, timing);
  if (timing) {
    for (ConvWay& way : ways) {
      way.possible = way.possible && build(queue, way);  // times it
      if (way.possible) evaluate(way, call);
    }
    sort(ways);
  }
  for (const ConvWay& way : ways)
    if (way.possible && build(queue, way)) return (chosen_[call] = {way, timing}).way;
  const GraphKey key = ways.front().part_key(0);
  throw Error(ErrorKind::Runtime, "cuDNN has no engine for " + cudnn::text_of(key) + ": " + plans_.look(key).why);
}

}  // namespace fovea::kernels

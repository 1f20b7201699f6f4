#include "kernels/conv/cuda/cudnn_plans.h"

#include <algorithm>
#include <limits>

#include "kernels/conv/cuda/candidate_timing.h"
#include "kernels/conv/cuda/cudnn_library.h"
#include "kernels/conv/cuda/cudnn_runtime.h"
#include "kernels/conv/cuda/random_tensor.h"
#include "kernels/notice.h"

namespace fovea::cudnn {
namespace {

// Plans that take more are passed over where there are others: memory that activations need.
constexpr size_t kMostWorkspace = size_t{256} << 20;

int64_t image_count(const GraphKey& k) {
  return k.pass == ConvPass::BackwardData ? k.shape.output_count() : k.shape.input_count();
}
int64_t weights_count(const GraphKey& k) {
  return k.pass == ConvPass::BackwardWeight ? k.shape.output_count() : k.shape.weight_count();
}
int64_t out_count(const GraphKey& k) {
  if (k.pass == ConvPass::BackwardWeight) return k.shape.weight_count();
  return k.pass == ConvPass::Forward ? k.shape.output_count() : k.shape.input_count();
}

// Builds the first candidate that keeps within the workspace, or else the one that takes the least. Whether there is
// one.
bool pick(ConvGraph& graph) {
  int best = -1;
  size_t least = std::numeric_limits<size_t>::max();
  for (int i = 0; i < graph.candidates() && least > kMostWorkspace; ++i)
    if (graph.build(i) && graph.info().workspace < least) best = i, least = graph.info().workspace;
  return best >= 0 && graph.build(best);
}

// Random tensors for a graph, and a workspace for its candidates.
class TimingOperands {
 public:
  TimingOperands(Queue& queue, const GraphKey& key)
      : image_(queue, image_count(key), key.dtype),
        weights_(queue, weights_count(key), key.dtype),
        add_(queue, key.add ? out_count(key) : 0, key.dtype),
        bias_(queue, key.bias ? key.shape.out_c : 0, key.dtype),
        mask_(queue, key.relu && key.pass == ConvPass::BackwardData ? out_count(key) : 0, key.dtype),
        out_(queue, out_count(key), key.dtype),
        workspace_(queue, kMostWorkspace / sizeof(float), DType::F32) {}
  static bool prepare(ConvGraph& graph, int candidate) {
    return graph.build(candidate) && graph.info().workspace <= kMostWorkspace;
  }
  void run(Queue& queue, const ConvGraph& graph) const {
    execute(queue, graph, {image_.data(), weights_.data(), add_.data(), bias_.data(), mask_.data(), out_.data()},
            workspace_.data());
  }

 private:
  conv::cuda::RandomTensor image_, weights_, add_, bias_, mask_, out_, workspace_;
};

// The fastest candidate within the workspace, and its seconds.
conv::cuda::Timed time_candidates(Queue& queue, ConvGraph& graph) {
  const TimingOperands operands(queue, graph.key());
  return conv::cuda::fastest(queue, {.count = graph.candidates(),
                                     .what = text_of(graph.key()),
                                     .prepare = [&](int i) { return TimingOperands::prepare(graph, i); },
                                     .run = [&] { operands.run(queue, graph); },
                                     .drop = [&](int i) { graph.drop(i); }});
}

}  // namespace

Plans::Plans(const Device& device, const std::string& folder, bool times)
    : device_(device),
      times_(times),
      file_(folder, "cudnn-plans", "cuDNN " + version_text(library().version) + " on " + device.name()) {}

Plans::~Plans() {
  try {
    save();
  } catch (const Error& error) {
    warn(error.what());
  }
}

void Plans::save() {
  if (unsaved_.empty()) return;
  for (const GraphKey& key : unsaved_) {
    const Entry& entry = plans_.at(key);
    file_.plans[text_of(key)] = {entry.graph.info(), entry.seconds, entry.graph.serialize()};
  }
  unsaved_.clear();
  file_.write();
}

Plans::Entry Plans::make(const GraphKey& key) const {
  if (const auto stored = file_.plans.find(text_of(key)); stored != file_.plans.end())
    if (auto graph = ConvGraph::load(device_, key, stored->second.info, stored->second.bytes))
      return {std::move(*graph), true, stored->second.seconds};
  return {ConvGraph(device_, key)};
}

Plans::Entry& Plans::entry_of(const GraphKey& key) {
  const auto found = plans_.find(key);
  return found != plans_.end() ? found->second : plans_.emplace(key, make(key)).first->second;
}

void Plans::build(Entry& entry) {
  if (entry.built) return;
  entry.built = pick(entry.graph);
  if (entry.built) unsaved_.insert(entry.graph.key());
}

GraphKey Plans::allowed(GraphKey key) const {
  key.tf32 = tf32_ && key.dtype == DType::F32;
  return key;
}

const ConvGraph* Plans::find(Queue& queue, const GraphKey& asked) {
  const GraphKey key = allowed(asked);
  Entry& entry = entry_of(key);
  build(entry);
  if (!entry.built) return nullptr;
  if (autotunes(queue) && entry.seconds == 0 && !entry.tried) time(queue, entry);
  return &entry.graph;
}

// What was timed is on disk before the next graph is, whatever happens then.
void Plans::time(Queue& queue, Entry& entry) {
  entry.tried = true;
  ConvGraph timed(device_, entry.graph.key());  // anew: one that was loaded knows no other candidates
  conv::cuda::Timed best;
  try {
    best = time_candidates(queue, timed);
  } catch (const Error& error) {  // no memory for the tensors
    warn(text_of(entry.graph.key()) + " was not timed: " + error.what());
  }
  if (best.candidate < 0 || !timed.build(best.candidate)) return;
  replaced_.push_back(std::move(entry.graph));
  entry = {std::move(timed), true, best.seconds, true};
  unsaved_.insert(entry.graph.key());
  save();
}

std::vector<CandidateTime> Plans::time_each(Queue& queue, const GraphKey& asked, int most) const {
  if (!times_) throw Error(ErrorKind::Runtime, "timing plans needs a GPU, and this machine has none");
  const GraphKey key = allowed(asked);
  ConvGraph graph(device_, key);
  const TimingOperands operands(queue, key);
  std::vector<CandidateTime> times;
  for (int i = 0; i < std::min(most, graph.candidates()); ++i) {
    CandidateTime time{graph.look(i)};
    try {
      if (TimingOperands::prepare(graph, i)) {
        time.info = graph.info();
        time.seconds =
            conv::cuda::time_one(queue, [&] { operands.run(queue, graph); }, std::numeric_limits<double>::infinity());
      } else {
        time.failed = "it cannot be built, or needs too large a workspace";
      }
    } catch (const Error& error) {
      time.failed = error.what();
    }
    graph.drop(i);
    times.push_back(std::move(time));
  }
  return times;
}

Plans::Look Plans::look(const GraphKey& key) {
  Entry& entry = entry_of(allowed(key));
  if (!entry.built && entry.graph.candidates() == 0) return {{}, false, false, entry.graph.why()};
  if (!entry.built && entry.graph.look(0).kind != KernelKind::Compiled) build(entry);
  return {entry.built ? entry.graph.info() : entry.graph.look(0), true, entry.built, ""};
}

double Plans::seconds_of(const GraphKey& asked) const {
  const GraphKey key = allowed(asked);
  if (const auto found = plans_.find(key); found != plans_.end()) return found->second.seconds;
  const auto stored = file_.plans.find(text_of(key));
  return stored == file_.plans.end() ? 0 : stored->second.seconds;
}

}  // namespace fovea::cudnn

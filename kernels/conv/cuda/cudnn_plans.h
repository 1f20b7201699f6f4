// The plan of each graph, found once: kept in memory by the graph's key, and on disk for the next process. Picked by
// cuDNN's heuristics, or by timing its candidates.
//
// On disk: one file for each device and version of cuDNN in cache_folder(). One that is damaged is ignored, one that
// cannot be written costs the next process's time only; both with a warning.
#pragma once
#include <map>
#include <set>
#include <string>
#include <vector>

#include "kernels/conv/cuda/cudnn_graphs.h"
#include "kernels/conv/cuda/plan_file.h"

namespace fovea::cudnn {

// One of the candidates for a graph, as it ran.
struct CandidateTime {
  PlanInfo info;
  double seconds = 0;
  std::string failed;  // why it did not run
};

class Plans {
 public:
  // `folder`: where the file is; empty: nothing is kept on disk. `times`: whether the device can run what is timed.
  Plans(const Device& device, const std::string& folder, bool times);
  Plans(const Device& device, const std::string& folder) : Plans(device, folder, !device.is_described()) {}
  ~Plans();  // saves
  Plans(const Plans&) = delete;
  Plans& operator=(const Plans&) = delete;

  // The plan for the key, or nullptr where cuDNN has none. Valid as long as *this. With autotune on it is the fastest
  // of the candidates, timed on random tensors, and saved at once; not while the queue records, nor for a device that
  // is only described. Candidates that fail are passed over; where all do, the plan is the heuristics'.
  const ConvGraph* find(Queue& queue, const GraphKey& asked);
  // As find(), for tables: nothing is timed, and nothing compiled.
  struct Look {
    PlanInfo info;
    bool offered = false, built = false;
    std::string why;  // not offered
  };
  Look look(const GraphKey& key);

  // The first `most` candidates for the key, each timed on random tensors. Keeps nothing.
  std::vector<CandidateTime> time_each(Queue& queue, const GraphKey& asked, int most) const;

  // Seconds that the plan of the key takes, as timed by find(), in this process or one before; 0: not timed.
  double seconds_of(const GraphKey& asked) const;

  void set_autotune(bool on) { autotune_ = on; }
  void set_tf32(bool allowed) { tf32_ = allowed; }  // for fp32 graphs, whatever their key says
  bool autotunes(const Queue& queue) const { return autotune_ && times_ && !queue.recording(); }
  void save();  // where there are new ones

 private:
  struct Entry {
    ConvGraph graph;
    bool built = false;
    double seconds = 0;  // as timed; 0: not timed
    bool tried = false;  // to time it
  };
  GraphKey allowed(GraphKey key) const;
  Entry make(const GraphKey& key) const;
  Entry& entry_of(const GraphKey& key);
  void build(Entry& entry);
  void time(Queue& queue, Entry& entry);

  const Device& device_;
  bool times_;
  conv::cuda::PlanFile file_;
  bool autotune_ = false, tf32_ = false;
  std::map<GraphKey, Entry> plans_;
  std::set<GraphKey> unsaved_;
  std::vector<ConvGraph> replaced_;  // recordings may still run them
};

}  // namespace fovea::cudnn

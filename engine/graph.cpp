#include "engine/graph.h"

#include <utility>

namespace fovea {

bool RepeatedWork::run(Context& context, const std::function<void()>& body, const RecordOptions& options) {
  if (!recording_) {
    if (!std::exchange(ran_, true)) {
      context.queue.rehearse(body);
      return false;
    }
    recording_ = context.queue.record(body, options);
  }
  recording_->replay();
  return true;
}

}  // namespace fovea

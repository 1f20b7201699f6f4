#include "engine/graph.h"

#include <utility>

#include "engine/communicator.h"

namespace fovea {

bool RepeatedWork::run(Context& context, const std::function<void()>& body, const RecordOptions& options) {
  const bool again = std::exchange(ran_, true) && !context.recordings.given_up();
  if (!again || (!recorded() && !record(context, body, options))) {
    context.queue.rehearse(body);
    return false;
  }
  (*recording_)->replay();
  return true;
}

// Nothing of `body` is done yet where memory runs out.
bool RepeatedWork::record(Context& context, const std::function<void()>& body, const RecordOptions& options) {
  try {
    *recording_ = context.queue.record(body, options);
  } catch (const Error& error) {
    // Ranks would have to give up together.
    const bool alone = context.ranks == nullptr || context.ranks->alone();
    if (error.kind() != ErrorKind::OutOfMemory || !alone) throw;
    context.recordings.give_up();
    return false;
  }
  context.recordings.add(recording_);
  return true;
}

}  // namespace fovea

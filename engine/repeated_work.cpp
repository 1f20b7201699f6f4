#include "engine/repeated_work.h"

namespace fovea {

RepeatedWork::Next RepeatedWork::next(const Context& context) const {
  if (!ran_ || context.recordings.given_up()) return Next::AsItIs;
  return recorded() ? Next::Replayed : Next::Recorded;
}

bool RepeatedWork::run(Context& context, const std::function<void()>& body, const RecordOptions& options, Next next) {
  ran_ = true;
  const bool replays = next == Next::Recorded ? record(context, body, options) : next == Next::Replayed && recorded();
  if (replays)
    (*recording_)->replay();
  else
    context.queue.warm_up(body);
  return replays;
}

// Nothing of `body` is done yet where memory runs out, on no rank.
bool RepeatedWork::record(Context& context, const std::function<void()>& body, const RecordOptions& options) {
  try {
    *recording_ = context.queue.record(body, options);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::OutOfMemory) throw;
    context.recordings.give_up();
    return false;
  }
  context.recordings.add(recording_);
  return true;
}

}  // namespace fovea

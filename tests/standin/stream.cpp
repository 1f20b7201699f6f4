// Streams, events and captures. Work is done at once, or (Order::Adverse) not before something waits for it, or
// (Order::Concurrent) by a thread of the device's own.
#include <algorithm>
#include <utility>

#include "tests/standin/state.h"

namespace standin {
namespace {

std::shared_ptr<Event> find_event(cudaEvent_t event) {
  const auto found = state().events.find(event);
  return found != state().events.end() ? found->second : nullptr;
}

void join(std::vector<size_t>& frontier, const std::vector<size_t>& more) {
  for (const size_t node : more)
    if (std::find(frontier.begin(), frontier.end(), node) == frontier.end()) frontier.push_back(node);
}

void run_next(Stream& stream) {
  const Step step = std::move(stream.pending.front());
  stream.pending.pop_front();
  stream.running = true;
  for (const Point& before : step.after) finish(before);
  step.work();
  stream.running = false;
  ++stream.done;
  state().moved.notify_all();
}

// The device: does what is submitted, in that order.
void run_device() {
  State& s = state();
  s.mutex.lock();
  for (;;) {
    while (s.for_device.empty()) s.moved.wait(s.mutex);
    const std::shared_ptr<Stream> stream = std::move(s.for_device.front());
    s.for_device.pop_front();
    run_next(*stream);
  }
}

// Puts a step into a stream that does not capture.
void push(const std::shared_ptr<Stream>& stream, Step step) {
  State& s = state();
  stream->pending.push_back(std::move(step));
  ++stream->submitted;
  if (s.order == Order::Submitted) finish({stream, stream->submitted});
  if (s.order != Order::Concurrent) return;
  s.for_device.push_back(stream);
  s.moved.notify_all();
  if (!std::exchange(s.device_runs, true)) std::thread(run_device).detach();
}

// Whether all nodes come before the origin's next one: every stream that took part has been joined.
bool joined(const Capture& capture, const std::vector<size_t>& frontier) {
  std::vector<bool> before(capture.nodes.size(), false);
  std::vector<size_t> open = frontier;
  while (!open.empty()) {
    const size_t node = open.back();
    open.pop_back();
    if (before[node]) continue;
    before[node] = true;
    open.insert(open.end(), capture.nodes[node].after.begin(), capture.nodes[node].after.end());
  }
  return std::find(before.begin(), before.end(), false) == before.end();
}

cudaError_t record(cudaEvent_t handle, cudaStream_t stream) {
  const auto event = find_event(handle);
  const auto in = find(stream);
  if (!event || !in) return cudaErrorInvalidResourceHandle;
  event->capture = in->capture;
  if (in->capture) {
    event->frontier = in->frontier;
    return cudaSuccess;
  }
  const auto time = std::make_shared<Clock::time_point>();
  event->time = time;
  event->point = {in, in->submitted + 1};
  push(in, {[time] { *time = Clock::now(); }, {}});
  return cudaSuccess;
}

cudaError_t record_in_graph(cudaEvent_t handle, cudaStream_t stream) {
  const auto event = find_event(handle);
  const auto in = find(stream);
  if (!event || !in) return cudaErrorInvalidResourceHandle;
  if (!in->capture) return cudaErrorInvalidValue;
  event->in_graph = true;
  event->time = std::make_shared<Clock::time_point>();
  return submit(stream, "event", false, [time = event->time] { *time = Clock::now(); });
}

cudaError_t wait(cudaStream_t stream, cudaEvent_t handle) {
  const auto event = find_event(handle);
  const auto in = find(stream);
  if (!event || !in) return cudaErrorInvalidResourceHandle;
  if (event->capture) {  // the stream becomes part of the capture
    if (in->capture && in->capture != event->capture) return cudaErrorStreamCaptureIsolation;
    if (!event->capture->origin->capture) return cudaErrorStreamCaptureIsolation;  // it has ended
    if (!in->capture) in->frontier.clear();
    in->capture = event->capture;
    join(in->frontier, event->frontier);
    return cudaSuccess;
  }
  if (in->capture) {
    in->capture->invalid = true;
    return cudaErrorStreamCaptureIsolation;
  }
  if (event->point.stream) push(in, {[] {}, {event->point}});
  return cudaSuccess;
}

cudaError_t end_capture(cudaStream_t stream, cudaGraph_t* graph) {
  const auto in = find(stream);
  if (!in) return cudaErrorInvalidResourceHandle;
  if (!in->capture || in->capture->origin != in) return cudaErrorInvalidValue;
  *graph = nullptr;
  const auto capture = in->capture;
  const bool whole = joined(*capture, in->frontier);
  for (const auto& [handle, other] : state().streams)
    if (other->capture == capture) {
      other->capture = nullptr;
      other->frontier.clear();
    }
  capture->origin = nullptr;
  auto nodes = std::move(capture->nodes);  // events may know the capture for longer
  if (capture->invalid) return cudaErrorStreamCaptureInvalidated;
  if (!whole) return cudaErrorStreamCaptureUnjoined;
  *graph = reinterpret_cast<cudaGraph_t>(state().next_handle++);
  state().graphs[*graph] = std::make_shared<Graph>(Graph{std::move(nodes)});
  return cudaSuccess;
}

}  // namespace

std::shared_ptr<Stream> find(cudaStream_t stream) {
  const auto found = state().streams.find(stream);
  return found != state().streams.end() ? found->second : nullptr;
}

cudaError_t submit(cudaStream_t stream, const std::string& name, bool launch, std::function<void()> work,
                   Chain* chain) {
  const auto in = find(stream);
  if (!in) return cudaErrorInvalidResourceHandle;
  if (!in->capture) {
    Step step{std::move(work), {}};
    if (chain != nullptr && chain->point.stream) step.after.push_back(chain->point);
    if (chain != nullptr) chain->point = {in, in->submitted + 1};
    push(in, std::move(step));
    return cudaSuccess;
  }
  Capture& capture = *in->capture;
  if (capture.invalid) return cudaErrorStreamCaptureInvalidated;
  if (chain != nullptr && chain->capture.lock() == in->capture) join(in->frontier, {chain->node});
  capture.nodes.push_back({name, std::move(work), in->frontier, launch});
  in->frontier = {capture.nodes.size() - 1};
  if (chain != nullptr) {
    chain->capture = in->capture;
    chain->node = in->frontier[0];
  }
  return cudaSuccess;
}

void finish(const Point& point) {
  Stream& stream = *point.stream;
  while (stream.done < point.step) {
    if (stream.running || state().order == Order::Concurrent)
      state().moved.wait(state().mutex);
    else
      run_next(stream);
  }
}

void finish_all() {
  const auto streams = state().streams;  // as they are now: others may make some while this waits
  for (const auto& [handle, stream] : streams) finish({stream, stream->submitted});
}

void while_unlocked(const std::function<void()>& wait) {
  state().mutex.unlock();
  wait();
  state().mutex.lock();
}

cudaError_t refuse_in_capture(int64_t& counter) {
  cudaError_t status = cudaSuccess;
  for (const auto& [handle, stream] : state().streams)
    if (stream->capture && stream->capture->strict && stream->capture->thread == std::this_thread::get_id()) {
      stream->capture->invalid = true;
      status = cudaErrorStreamCaptureUnsupported;
    }
  if (status != cudaSuccess) ++counter;
  return status;
}

}  // namespace standin

using namespace standin;

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  return call("cudaStreamCreateWithFlags", [&] {
    *stream = reinterpret_cast<cudaStream_t>(state().next_handle++);
    state().streams[*stream] = std::make_shared<Stream>();
    return cudaSuccess;
  });
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return call("cudaStreamDestroy", [&] {
    const auto found = find(stream);
    if (!found) return cudaErrorInvalidResourceHandle;
    finish({found, found->submitted});
    state().streams.erase(stream);
    return cudaSuccess;
  });
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return call("cudaStreamSynchronize", [&] {
    const auto in = find(stream);
    if (!in) return cudaErrorInvalidResourceHandle;
    if (in->capture) {
      in->capture->invalid = true;
      ++state().counts.waits_in_capture;
      return cudaErrorStreamCaptureUnsupported;
    }
    const cudaError_t refused = refuse_in_capture(state().counts.waits_in_capture);
    if (refused == cudaSuccess) finish({in, in->submitted});
    return refused;
  });
}
cudaError_t cudaDeviceSynchronize() {
  return call("cudaDeviceSynchronize", [&] {
    const cudaError_t refused = refuse_in_capture(state().counts.waits_in_capture);
    if (refused == cudaSuccess) finish_all();
    return refused;
  });
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  return call("cudaStreamWaitEvent", [&] { return wait(stream, event); });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return call("cudaEventCreateWithFlags", [&] {
    *event = reinterpret_cast<cudaEvent_t>(state().next_handle++);
    const auto made = std::make_shared<Event>();
    made->timed = (flags & cudaEventDisableTiming) == 0;
    state().events[*event] = made;
    return cudaSuccess;
  });
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return call("cudaEventDestroy",
              [&] { return state().events.erase(event) == 1 ? cudaSuccess : cudaErrorInvalidResourceHandle; });
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return call("cudaEventRecord", [&] { return record(event, stream); });
}
cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned flags) {
  return call("cudaEventRecordWithFlags", [&] {
    return flags == cudaEventRecordExternal ? record_in_graph(event, stream) : record(event, stream);
  });
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return call("cudaEventSynchronize", [&] {
    const auto found = find_event(event);
    if (!found) return cudaErrorInvalidResourceHandle;
    if (found->capture) return cudaErrorCapturedEvent;
    const cudaError_t refused = refuse_in_capture(state().counts.waits_in_capture);
    if (refused == cudaSuccess && found->point.stream) finish(found->point);
    return refused;
  });
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  return call("cudaEventQuery", [&] {
    const auto found = find_event(event);
    if (!found) return cudaErrorInvalidResourceHandle;
    if (found->capture) return cudaErrorCapturedEvent;
    const Point& point = found->point;
    return !point.stream || point.stream->done >= point.step ? cudaSuccess : cudaErrorNotReady;
  });
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  return call("cudaEventElapsedTime", [&] {
    const auto from = find_event(begin), to = find_event(end);
    if (!from || !to || !from->timed || !to->timed || from->in_graph != to->in_graph)
      return cudaErrorInvalidResourceHandle;
    for (const Event& event : {*from, *to}) {
      if (!event.in_graph && !event.point.stream) return cudaErrorInvalidResourceHandle;
      const bool reached =
          event.in_graph ? *event.time != Clock::time_point{} : event.point.stream->done >= event.point.step;
      if (!reached) return cudaErrorNotReady;
    }
    *milliseconds = std::chrono::duration<float, std::milli>(*to->time - *from->time).count();
    return cudaSuccess;
  });
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  return call("cudaStreamBeginCapture", [&] {
    const auto in = find(stream);
    if (!in) return cudaErrorInvalidResourceHandle;
    if (in->capture) return cudaErrorIllegalState;
    in->capture = std::make_shared<Capture>();
    in->capture->strict = mode != cudaStreamCaptureModeRelaxed;
    in->capture->thread = std::this_thread::get_id();
    in->capture->origin = in;
    in->frontier.clear();
    return cudaSuccess;
  });
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  return call("cudaStreamEndCapture", [&] { return end_capture(stream, graph); });
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  return call("cudaStreamIsCapturing", [&] {
    const auto in = find(stream);
    if (!in) return cudaErrorInvalidResourceHandle;
    *status = !in->capture           ? cudaStreamCaptureStatusNone
              : in->capture->invalid ? cudaStreamCaptureStatusInvalidated
                                     : cudaStreamCaptureStatusActive;
    return cudaSuccess;
  });
}

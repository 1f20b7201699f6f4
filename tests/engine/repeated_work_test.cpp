// Work of recurring shapes: eager, then recorded, then replayed; and the cache that holds it.
#include "engine/repeated_work.h"

#include "tests/support/catch.h"

using namespace fovea;

TEST_CASE("repeated work runs as it is, is recorded, and is replayed from then on", "[replay]") {
  Context context;
  const Tensor in = Tensor::from<float>(context.memory, {2}, {1, 2});
  const Tensor out = Tensor::zeros(context.memory, {2}, DType::F32);
  int bodies = 0;
  const auto body = [&] {
    ++bodies;
    context.queue.copy(out.raw(), in.raw(), out.bytes());
  };
  RepeatedWork work;
  const auto run_with = [&](float value) {
    in.upload(std::vector<float>{value, value});
    const bool replayed = work.run(context, body);
    CHECK(out.to_host<float>() == std::vector<float>{value, value});
    return replayed;
  };
  CHECK_FALSE(run_with(3));
  CHECK(run_with(4));
  CHECK(run_with(5));
  CHECK(bodies == 2);
}

TEST_CASE("replay: a host read in repeated work throws when it is recorded, with its reason", "[replay][fault]") {
  Context context;
  const Tensor x = Tensor::zeros(context.memory, {1}, DType::F32);
  RepeatedWork work;
  const auto body = [&] { x.to_host<float>(); };
  CHECK_NOTHROW(work.run(context, body));
  CHECK_THROWS_WITH(work.run(context, body), Catch::Contains("copying a tensor to the host"));
  CHECK_FALSE(work.recorded());
  CHECK_NOTHROW(context.queue.synchronize("after a recording that failed"));
}

TEST_CASE("replay: recordings that are given up are freed, and their work runs as it is, with the same outcome",
          "[replay][memory]") {
  Context context;
  const Tensor in = Tensor::from<float>(context.memory, {2}, {1, 2});
  const Tensor out = Tensor::zeros(context.memory, {2}, DType::F32);
  int notices = 0, bodies = 0;
  context.recordings.set_notice([&] { ++notices; });
  const auto body = [&] {
    ++bodies;
    const Tensor passing = context.empty({1 << 20}, DType::F32);
    context.queue.copy(out.raw(), in.raw(), out.bytes());
  };
  RepeatedWork work, later;
  for (int i = 0; i < 3; ++i) work.run(context, body);
  CHECK(work.recorded());
  CHECK(context.memory.statistics().recorded > 0);
  context.recordings.give_up();
  context.memory.release_cached();
  CHECK_FALSE(work.recorded());
  CHECK(context.queue.recording_count() == 0);
  CHECK(context.memory.statistics().recorded == 0);
  bodies = 0;
  for (RepeatedWork* each : {&work, &later}) {
    for (int i = 0; i < 3; ++i) {
      in.upload(std::vector<float>{5, float(i)});
      CHECK_FALSE(each->run(context, body));
      CHECK(out.to_host<float>() == std::vector<float>{5, float(i)});
    }
  }
  CHECK(bodies == 6);
  context.recordings.give_up();
  CHECK(notices == 1);
}

TEST_CASE("the least recently used value makes room", "[replay]") {
  RecentlyUsed<int, int> values(2);
  int made = 0;
  const auto get = [&](int key) { return values.at(key, [&] { return ++made; }); };
  CHECK(get(1) == 1);
  CHECK(get(2) == 2);
  CHECK(get(1) == 1);
  CHECK(get(3) == 3);  // in place of 2
  CHECK(get(1) == 1);
  CHECK(get(2) == 4);
  CHECK(values.size() == 2);
}

TEST_CASE("replay: what a rehearsal makes to be kept is out of the reach of recordings made before",
          "[replay][memory]") {
  Context context;
  const Tensor ones = Tensor::from<float>(context.memory, {64}, std::vector<float>(64, 1.f));
  const auto body = [&] {
    const Tensor passing = context.empty({64}, DType::F32);
    context.queue.copy(passing.raw(), ones.raw(), ones.bytes());
  };
  context.queue.warm_up(body);
  const Recording recording = context.queue.record(body);
  Tensor table;
  context.queue.warm_up([&] { table = Tensor::from<float>(context.memory, {64}, std::vector<float>(64, 2.f)); });
  recording.replay();
  CHECK(table.to_host<float>() == std::vector<float>(64, 2.f));
}

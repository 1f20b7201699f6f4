#include "tools/train/ranks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <omp.h>

#include <algorithm>
#include <cstdlib>
#include <unordered_map>

#include "kernels/device/cuda_device.h"
#include "kernels/device/threads.h"
#include "tools/checkpoint/data_identity.h"
#include "tools/eval/boxes.h"

namespace fovea {

namespace {

// Ranks whose value is not that of rank 0.
template <class T>
std::vector<int> others_than_first(const std::vector<T>& values) {
  std::vector<int> others;
  for (size_t r = 1; r < values.size(); ++r)
    if (values[r] != values[0]) others.push_back(static_cast<int>(r));
  return others;
}

}  // namespace

void all_throw(const Communicator& ranks, ErrorKind kind, const std::string& message) {
  throw AgreedError(kind, ranks.is_first() ? message : "");
}

void require_same_config(Communicator& ranks, const Config& config, const std::string& settings) {
  const auto configs = ranks.all_gather(to_toml(config));
  if (const auto others = others_than_first(configs); !others.empty()) {
    const auto parse = [](const std::string& text) {
      Config parsed;
      apply_toml(parsed, text, "configuration of a rank", OldKeys::Take);
      return parsed;
    };
    const auto r = static_cast<size_t>(others[0]);
    all_throw(
        ranks, ErrorKind::Usage,
        fmt::format("the configuration of {} differs from that of rank 0 (rank 0 -> rank {}):\n  {}\nUse the same "
                    "configuration on all ranks",
                    name_ranks(others), r, fmt::join(differences(parse(configs[0]), parse(configs[r])), "\n  ")));
  }
  const auto all = ranks.all_gather(settings);
  if (const auto others = others_than_first(all); !others.empty())
    all_throw(ranks, ErrorKind::Usage,
              fmt::format("{} would run '{}', rank 0 '{}': run the same on all ranks", name_ranks(others),
                          all[static_cast<size_t>(others[0])], all[0]));
}

void require_same_data(Communicator& ranks, const Dataset& train, const Dataset& val) {
  for (const Dataset* split : {&train, &val}) {
    const auto others = others_than_first(ranks.all_gather(identity_of(*split).hash));
    if (others.empty()) continue;
    const auto sizes = ranks.all_gather(split->samples.size());
    all_throw(ranks, ErrorKind::Data,
              fmt::format("the {} data of {} differs from that of rank 0 ({} images there, {} on rank 0): use the same "
                          "annotations and file names on all ranks",
                          split->split, name_ranks(others), sizes[static_cast<size_t>(others[0])], sizes[0]));
  }
}

int batch_of_rank(const Communicator& ranks, int batch) {
  const int size = ranks.size();
  if (batch % size == 0) return batch / size;
  const int low = batch / size * size;
  all_throw(
      ranks, ErrorKind::Usage,
      fmt::format("train.batch is the batch of all ranks together, and {} images cannot be split evenly over {} ranks: "
                  "{} / {} = {:.2f}; set train.batch to {}{}",
                  batch, size, batch, size, static_cast<double>(batch) / size,
                  low > 0 ? fmt::format("{} or ", low) : "", low + size));
}

void share_machine(const Communicator& ranks, DeviceKind device) {
  // A launcher may show each rank its own GPU only: then the count is 1.
  if (device == DeviceKind::Cuda) {
    const GpuStatus gpus = gpu_status();  // asked anew: what was there when the device was chosen may have failed since
    if (!gpus.usable()) throw Error(gpus.kind, gpus.problem);
    use_gpu(ranks.local_rank() % static_cast<int>(gpus.devices.size()));
  }
  if (ranks.local_size() > 1 && std::getenv("OMP_NUM_THREADS") == nullptr)
    omp_set_num_threads(std::max(1, usable_cores() / ranks.local_size()));
}

void require_own_gpus(Communicator& ranks, DeviceKind device) {
  if (device != DeviceKind::Cuda || ranks.alone()) return;
  const GpuStatus gpus = gpu_status();
  const GpuDescription& own = gpus.devices.at(static_cast<size_t>(gpu_in_use()));
  const auto ids = ranks.all_gather(own.id);
  for (size_t r = 1; r < ids.size(); ++r)
    for (size_t before = 0; before < r; ++before)
      if (ids[before] == ids[r])
        all_throw(
            ranks, ErrorKind::Usage,
            fmt::format("{} use the same GPU, but each rank needs its own: start at most as many ranks on a machine "
                        "as they see GPUs",
                        name_ranks({static_cast<int>(before), static_cast<int>(r)})));
}

MemoryEstimate agree_on_step(Communicator& ranks, const MemoryEstimate& own) {
  MemoryEstimate plan = own;
  for (const MemoryEstimate& wish : ranks.all_gather(own)) {
    plan.shape.height = std::max(plan.shape.height, wish.shape.height);
    plan.shape.width = std::max(plan.shape.width, wish.shape.width);
    plan.shape.max_boxes = std::max(plan.shape.max_boxes, wish.shape.max_boxes);
    plan.stop |= wish.stop;
    plan.records &= wish.records;
  }
  return plan;
}

std::vector<Detection> gather_detections(Communicator& ranks, const Dataset& dataset,
                                         const std::vector<Detection>& own) {
  if (ranks.alone()) return own;
  const auto all =
      ranks.all_gather(std::string(reinterpret_cast<const char*>(own.data()), own.size() * sizeof(Detection)));
  std::vector<Detection> detections;
  for (const std::string& bytes : all) {
    const size_t before = detections.size();
    detections.resize(before + bytes.size() / sizeof(Detection));
    if (!bytes.empty()) std::memcpy(detections.data() + before, bytes.data(), bytes.size());
  }
  std::unordered_map<int64_t, size_t> position;
  for (size_t i = 0; i < dataset.samples.size(); ++i) position[dataset.samples[i].id] = i;
  std::stable_sort(detections.begin(), detections.end(), [&](const Detection& a, const Detection& b) {
    return position.at(a.image_id) < position.at(b.image_id);
  });
  return detections;
}

void share_bad_files(Communicator& ranks, BadFiles& bad_files) {
  if (ranks.alone()) return;
  const auto share = [&](const std::map<std::string, std::string>& reasons, auto add) {
    std::string own;
    for (const auto& [name, why] : reasons) own.append(name).append(1, '\0').append(why).append(1, '\0');
    for (const std::string& list : ranks.all_gather(own)) {
      for (size_t at = 0; at < list.size();) {
        const std::string name = list.c_str() + at, why = list.c_str() + at + name.size() + 1;
        at += name.size() + why.size() + 2;
        (bad_files.*add)(name, why);
      }
    }
  };
  share(bad_files.kept(), &BadFiles::keep);
  share(bad_files.reasons(), &BadFiles::add);
}

std::string gather_text(Communicator& ranks, const std::string& own) {
  if (ranks.alone()) return own;
  std::string text;
  const auto all = ranks.all_gather(own);
  for (size_t r = 0; r < all.size(); ++r) text += fmt::format("\nrank {}: {}", r, all[r]);
  return text;
}

}  // namespace fovea

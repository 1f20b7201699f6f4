// Images a second of the loader, and of libjpeg-turbo alone on the same files, threads and machine:
//   bench_loader --data DIR [--split train] [--what decode|load|input] [--workers 2] [--batch 8] [--epochs 5]
//                [--device cpu] [--set input.augment.crop=0.5 …] [--json FILE]
// decode: libjpeg's own loop on files in memory, into one buffer a thread. load: what training waits for. input: the
// same, and resized and normalized to the network's input on the device.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <thread>
// jpeglib.h needs stdio.h before it
#include <jpeglib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "benchmarks/command_line.h"
#include "kernels/conv/gpu_libraries.h"
#include "kernels/error.h"
#include "tools/cli/commands.h"
#include "tools/data/formats/format.h"
#include "tools/data/loading/batch.h"
#include "tools/data/loading/loader.h"
#include "tools/text/file.h"

using namespace fovea;

namespace {

struct Options {
  std::string data, split = "train", what = "load", device = "cpu", json;
  int workers = 2, batch = 8, epochs = 5;
  std::vector<std::string> settings;
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double resident_mb() {
  long pages = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1e6;
}

// The plain way to use libjpeg: it ends the program where a file is damaged.
void decode(const std::vector<uint8_t>& bytes, std::vector<uint8_t>& rgb) {
  jpeg_decompress_struct info;
  jpeg_error_mgr errors;
  info.err = jpeg_std_error(&errors);
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, bytes.data(), bytes.size());
  jpeg_read_header(&info, TRUE);
  info.out_color_space = JCS_RGB;
  jpeg_start_decompress(&info);
  rgb.resize(size_t{3} * info.output_width * info.output_height);
  while (info.output_scanline < info.output_height) {
    JSAMPROW row = rgb.data() + size_t{3} * info.output_width * info.output_scanline;
    jpeg_read_scanlines(&info, &row, 1);
  }
  jpeg_finish_decompress(&info);
  jpeg_destroy_decompress(&info);
}

// An epoch in each call; returns the images.
class DecodeAlone {
 public:
  DecodeAlone(const Dataset& data, const Options& options) : workers_(options.workers) {
    for (const Sample& sample : data.samples) files_.push_back(read_file(data.image_root / sample.file_name, 1 << 30));
  }
  size_t epoch() {
    std::atomic<size_t> next = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < workers_; ++i)
      threads.emplace_back([&] {
        std::vector<uint8_t> rgb;
        for (size_t at = next++; at < files_.size(); at = next++) decode(files_[at], rgb);
      });
    for (std::thread& thread : threads) thread.join();
    return files_.size();
  }

 private:
  int workers_;
  std::vector<std::vector<uint8_t>> files_;
};

class Load {
 public:
  Load(const Dataset& data, const Options& options)
      : staged_(options.what == "input"),
        batches_(static_cast<int>(data.samples.size()) / options.batch),
        bad_files_(static_cast<int64_t>(data.samples.size())),
        context_(resolve_device(options.device)) {
    Config config = preset("paper");
    for (const std::string& setting : options.settings) apply_setting(config, setting);
    config.input.workers = options.workers;
    input_ = config.input;
    loader_ = std::make_unique<Loader>(data, input_, LoaderOptions{.batch = options.batch}, bad_files_);
  }
  size_t epoch() {
    size_t images = 0;
    for (int i = 0; i < batches_; ++i) {
      const auto loaded = loader_->next();
      if (staged_) stage(context_, loaded, input_);
      images += loaded.size();
    }
    return images;
  }

 private:
  bool staged_;
  int batches_;
  BadFiles bad_files_;
  InputConfig input_;
  Context context_;
  std::unique_ptr<Loader> loader_;
};

double cpu_seconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

template <class Work>
void measure(Work work, const Options& options) {
  std::vector<double> rates, cpu_ms, resident;
  work.epoch();  // the page cache, the images decoded ahead
  for (int i = 0; i < options.epochs; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const double cpu = cpu_seconds();
    const size_t images = work.epoch();
    rates.push_back(static_cast<double>(images) / seconds_since(start));
    cpu_ms.push_back(1e3 * (cpu_seconds() - cpu) / static_cast<double>(images));
    resident.push_back(resident_mb());
  }
  const std::string json =
      fmt::format(R"({{"images_per_second":[{:.2f}],"cpu_ms":[{:.4f}],"resident_mb":[{:.1f}],"libraries":{}}})",
                  fmt::join(rates, ","), fmt::join(cpu_ms, ","), fmt::join(resident, ","), json_of(gpu_libraries()));
  fmt::print("{}\n", json);
  if (!options.json.empty()) write_file(options.json, json + "\n");
}

}  // namespace

int main(int argc, char** argv) {
  using bench::Option;
  Options options;
  const std::vector<Option> command_line{
      {"--data", &options.data, "folder of the dataset", Option::Required},
      {"--split", &options.split, "whose images"},
      {"--what", &options.what, "is timed", Option::Any, {"decode", "load", "input"}},
      {"--workers", &options.workers, "threads", Option::Positive},
      {"--device", &options.device, "where the network's input is made", Option::Any, {"cpu", "cuda"}},
      {"--batch", &options.batch, "images", Option::Positive},
      {"--epochs", &options.epochs, "timed", Option::Positive},
      {"--set", &options.settings, "of the preset paper"},
      {"--json", &options.json, "write the results there"}};
  return bench::command(argc, argv, "Images a second of the loader, and of libjpeg-turbo alone", command_line, [&] {
    const Dataset data = load_dataset(options.data, options.split);
    if (options.what == "decode")
      measure(DecodeAlone(data, options), options);
    else
      measure(Load(data, options), options);
  });
}

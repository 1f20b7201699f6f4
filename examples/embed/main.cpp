// Counts objects in image files by class, several files at a time with one detector:
//   count_objects best.safetensors 0.5 photo.jpg …
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fovea/fovea.hpp>
#include <iostream>
#include <map>
#include <string>
#include <thread>
#include <vector>

namespace {

using Counts = std::map<std::string_view, int>;  // by the name of a class

// In each file. Threads read and decode images beside one another; the detector takes one after the other.
std::vector<Counts> counts_in(const fovea::Detector& detector, double threshold,
                              const std::vector<std::string>& files) {
  std::vector<Counts> counts(files.size());
  std::vector<std::string> failures(files.size());
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < files.size(); i = next++) try {
        for (const fovea::Detection& d : detector.file(files[i], {.score_threshold = threshold})) ++counts[i][d.name];
      } catch (const fovea::Error& error) {
        failures[i] = error.what();
      }
  };
  std::vector<std::thread> threads;
  for (unsigned n = 0; n < std::max(2U, std::thread::hardware_concurrency() / 2); ++n) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  for (const std::string& failure : failures)
    if (!failure.empty()) std::cerr << "count_objects: " << failure << '\n';
  return counts;
}

}  // namespace

int main(int count, char** arguments) try {
  if (count < 4) {
    std::cerr << "usage: count_objects WEIGHTS THRESHOLD IMAGE…\n";
    return 2;
  }
  const fovea::Detector detector(arguments[1], {.log = [](fovea::LogLevel, std::string_view line) {
                                   std::cerr << "count_objects: " << line << '\n';
                                 }});
  const std::vector<std::string> files(arguments + 3, arguments + count);
  const std::vector<Counts> counts = counts_in(detector, std::atof(arguments[2]), files);
  Counts all;
  for (std::size_t i = 0; i < files.size(); ++i) {
    std::cout << files[i] << ':';
    for (const auto& [name, number] : counts[i]) {
      std::cout << ' ' << number << ' ' << name;
      all[name] += number;
    }
    std::cout << '\n';
  }
  std::cout << "together:";
  for (const auto& [name, number] : all) std::cout << ' ' << number << ' ' << name;
  std::cout << '\n';
} catch (const fovea::Error& error) {
  std::cerr << "count_objects: " << error.what() << '\n';
  return 1;
}

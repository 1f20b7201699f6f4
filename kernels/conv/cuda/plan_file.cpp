#include "kernels/conv/cuda/plan_file.h"

#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "kernels/hash.h"
#include "kernels/notice.h"

namespace fovea::conv::cuda {
namespace {

constexpr const char* kFormat = "fovea plans 1";  // its number is the version of this file's form and of the graphs

[[noreturn]] void damaged(const std::string& what) {
  throw Error(ErrorKind::Data, "the plan file is damaged: " + what);
}

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> fields;
  std::istringstream in(line);
  for (std::string field; std::getline(in, field, '\t');) fields.push_back(field);
  return fields;
}

template <class Number>
Number number(const std::string& text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) damaged("\"" + text + "\" is not a number");
  return value;
}

std::string to_text(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof(text), value).ptr};
}

// What the checksum of a plan covers: its line as well as its bytes.
uint64_t checksum_of(const std::string& line, const std::vector<uint8_t>& bytes) {
  return fnv1a(line.data(), line.size()) ^ fnv1a(bytes.data(), bytes.size());
}

std::string line_of(const std::string& key, const StoredPlan& plan) {
  return key + "\t" + plan.info.engine + "\t" + std::to_string(static_cast<int>(plan.info.kind)) + "\t" +
         std::to_string(plan.info.candidates) + "\t" + std::to_string(plan.info.hopper) + "\t" +
         std::to_string(plan.info.workspace) + "\t" + to_text(plan.seconds) + "\t" + std::to_string(plan.bytes.size());
}

}  // namespace

std::string pack_plans(const std::string& purpose, const StoredPlans& plans) {
  std::string content = std::string(kFormat) + "\n" + purpose + "\n";
  for (const auto& [key, plan] : plans) {
    const std::string line = line_of(key, plan);
    content += line + "\t" + std::to_string(checksum_of(line, plan.bytes)) + "\n";
    content.append(plan.bytes.begin(), plan.bytes.end());
    content += "\n";
  }
  return content;
}

StoredPlans unpack_plans(const std::string& purpose, const std::string& content) {
  size_t at = 0;
  const auto next_line = [&] {
    const size_t end = content.find('\n', at);
    if (end == std::string::npos) damaged("it ends in the middle of a line");
    std::string line = content.substr(at, end - at);
    at = end + 1;
    return line;
  };
  if (next_line() != kFormat) damaged(std::string("it does not begin with \"") + kFormat + "\"");
  if (const std::string other = next_line(); other != purpose)
    throw Error(ErrorKind::Data, "the plan file is for " + other);
  StoredPlans plans;
  while (at < content.size()) {
    const auto fields = split(next_line());
    if (fields.size() != 9) damaged("a line of " + std::to_string(fields.size()) + " fields");
    StoredPlan plan;
    plan.info = {fields[1], static_cast<cudnn::KernelKind>(number<int>(fields[2])), number<int>(fields[3]),
                 number<int>(fields[4]), number<size_t>(fields[5])};
    plan.seconds = number<double>(fields[6]);
    const auto bytes = number<size_t>(fields[7]);
    if (bytes >= content.size() - at || content[at + bytes] != '\n')
      damaged("the plan of " + fields[0] + " is truncated");
    plan.bytes.assign(content.begin() + static_cast<int64_t>(at), content.begin() + static_cast<int64_t>(at + bytes));
    at += bytes + 1;
    if (number<uint64_t>(fields[8]) != checksum_of(line_of(fields[0], plan), plan.bytes))
      damaged("the plan of " + fields[0] + " does not match its checksum");
    plans.emplace(fields[0], std::move(plan));
  }
  return plans;
}

void write_plan_file(const std::string& path, const std::string& content) {
  const std::string aside = path + "." + std::to_string(getpid());
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  std::ofstream out(aside, std::ios::binary);
  out.write(content.data(), static_cast<std::streamsize>(content.size()));
  out.close();
  if (out) std::filesystem::rename(aside, path, error);
  if (!out || error) {
    std::filesystem::remove(aside, error);
    throw Error(ErrorKind::Runtime, "cannot write the plan file " + path);
  }
}

std::string read_plan_file(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return "";
  std::ifstream in(path, std::ios::binary);
  std::string content((std::istreambuf_iterator<char>(in)), {});
  if (!in) throw Error(ErrorKind::Data, "the plan file cannot be read");
  return content;
}

PlanFile::PlanFile(const std::string& folder, const std::string& stem, std::string purpose)
    : purpose_(std::move(purpose)) {
  if (folder.empty()) return;
  file_ = folder + "/" + stem + "-" + std::to_string(fnv1a(purpose_.data(), purpose_.size()));
  try {
    if (const std::string content = read_plan_file(file_); !content.empty()) plans = unpack_plans(purpose_, content);
  } catch (const Error& error) {
    warn(std::string(error.what()) + "; ignoring it and planning again: " + file_);
  }
}

void PlanFile::write() const {
  if (file_.empty()) return;
  try {
    write_plan_file(file_, pack_plans(purpose_, plans));
  } catch (const Error& error) {
    warn(error.what());
  }
}

}  // namespace fovea::conv::cuda

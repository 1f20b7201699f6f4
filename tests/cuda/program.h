// Runs the program linked to the stand-in, with the stand-in's environment.
#pragma once
#include "engine/safetensors.h"
#include "tests/support/process.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/training_data.h"

namespace fovea::test {

// `environment`: words NAME=VALUE. A run that hangs ends with exit code 124.
inline ProcessResult run_standin(const std::vector<std::string>& arguments, const std::string& environment = "") {
  return run_fovea(arguments,
                   "exec env " + environment + " OMP_NUM_THREADS=1 timeout 120 " FOVEA_STANDIN_BINARY " \"$@\"");
}

// A few images to train on, and short runs over them.
struct ShortRuns {
  TemporaryFolder folder;
  fs::path data = folder.path() / "data";
  explicit ShortRuns(size_t train = 4, size_t val = 2) { make_data(data, train, val); }
  std::string path(const std::string& name) const { return (folder.path() / name).string(); }

  std::vector<std::string> train(const std::string& name, const std::string& device, int steps,
                                 const std::string& precision = "fp32") const {
    return {"train",
            "--preset",
            "tiny",
            "--data",
            data.string(),
            "--out",
            path(name),
            "--device",
            device,
            "--precision",
            precision,
            "--set",
            "train.steps=" + std::to_string(steps)};
  }
};

// The integer of that name in a report of the stand-in; of calls and launches: of that function or kernel.
inline int64_t reported(const std::string& report, const std::string& name) {
  const size_t at = report.find("\"" + name + "\": ");
  return at == std::string::npos ? 0 : std::stoll(report.substr(at + name.size() + 4));
}

}  // namespace fovea::test

// An exported model as another program runs it: ONNX Runtime or OpenVINO, in a Python that has them.
#pragma once
#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace fovea {

enum class Runtime : uint8_t { OnnxRuntime, OpenVino };
// "onnxruntime", "openvino": the module's name, and that of its package.
const char* name_of(Runtime runtime);

class RuntimeProcess {
 public:
  // `python`: a program, looked for on PATH. Throws Error(Usage) where it cannot be started or has no such module (with
  // how to install it).
  RuntimeProcess(const std::string& python, Runtime runtime, int threads);
  ~RuntimeProcess();
  RuntimeProcess(const RuntimeProcess&) = delete;
  RuntimeProcess& operator=(const RuntimeProcess&) = delete;

  std::string name() const { return module_ + " " + version_; }  // "onnxruntime 1.20.0"
  // Once. Throws Error(Runtime) where the module does not take the model.
  void load(const std::filesystem::path& model) const;
  // The bytes of all outputs, one behind the other in the model's order, for those of all inputs of these images.
  std::vector<std::byte> run(int images, const std::vector<std::span<const std::byte>>& inputs) const;

 private:
  void end() const;
  void send(const void* bytes, size_t count) const;
  void receive(void* bytes, size_t count) const;
  std::vector<std::byte> reply() const;

  std::string python_, module_, version_;
  int pid_ = -1, socket_ = -1;
};

}  // namespace fovea

// A safetensors file: headers, offsets, checksums, and every tensor read.
#include "engine/safetensors.h"
#include "tests/fuzz/fuzz.h"

FOVEA_FUZZ(bytes) {
  return fovea::fuzz::with_file("weights.safetensors", bytes, [](const std::filesystem::path& path) {
    const fovea::SafetensorsFile file(path);
    for (const auto& [name, tensor] : file.tensors()) file.read<float>(name);
  });
}

// Published weights that people start from: torchvision's. One table, for the program and, by a test, for
// docs/weights.md; benchmarks/peers/known_weights.py compares it with torchvision's own.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace fovea {

struct KnownWeights {
  const char* name;      // torchvision's of the network; "_v2" for its second training of it
  const char* file;      // "resnet18-f37072fd.pth": before its ending the first digits of its SHA-256
  double mib;            // size, as torchvision states it
  const char* network;   // "ResNet-18"
  const char* data;      // what it was trained on
  double accuracy;       // as torchvision states it, in percent: AP on COCO's val2017, else top-1 on ImageNet's val
  const char* preset;    // of Fovea, which with
  const char* settings;  // these ("key=value key=value") makes the network that takes all of the file's backbone
  bool detector;         // a whole RetinaNet, not a classifier

  std::string_view hash() const;  // the digits in the file's name
};

inline constexpr const char* kWeightsUrl = "https://download.pytorch.org/models";
// What is known of the terms of all of them.
inline constexpr const char* kWeightsLicense =
    "none is stated for the file; torchvision, which is under BSD-3-Clause, says that terms may follow from the data";

std::span<const KnownWeights> known_weights();

// By its name or its file's name. Throws ErrorKind::Usage, with the nearest name, where there is none.
const KnownWeights& find_weights(const std::string& name);

// The first digits of the SHA-256 in a file's name of torchvision's form, NAME-DIGITS.pth (or .pt); none without them.
std::optional<std::string> hash_in_name(std::string_view file);

}  // namespace fovea

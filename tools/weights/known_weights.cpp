#include "tools/weights/known_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <vector>

#include "engine/printable.h"
#include "kernels/error.h"
#include "tools/text/advice.h"
#include "tools/text/nearest.h"

namespace fovea {
namespace {

constexpr const char *kCoco = "COCO", *kImageNet = "ImageNet-1K";

// Names, files, sizes and accuracies are those of torchvision 0.26. Its vgg16_features is left out: pixels of 0 to 255
// that others' training of VGG wanted, for SSD alone.
constexpr KnownWeights kKnown[] = {
    {"retinanet_resnet50_fpn", "retinanet_resnet50_fpn_coco-eeacb38b.pth", 130.267, "RetinaNet", kCoco, 36.4,
     "torchvision", "", true},
    {"retinanet_resnet50_fpn_v2", "retinanet_resnet50_fpn_v2_coco-5905b1c5.pth", 146.037, "RetinaNet", kCoco, 41.5,
     "torchvision_v2", "", true},
    {"resnet18", "resnet18-f37072fd.pth", 44.661, "ResNet-18", kImageNet, 69.758, "r18", "", false},
    {"resnet34", "resnet34-b627a593.pth", 83.275, "ResNet-34", kImageNet, 73.314, "paper", "model.backbone.depth=34",
     false},
    {"resnet50", "resnet50-0676ba61.pth", 97.781, "ResNet-50", kImageNet, 76.13, "paper", "", false},
    {"resnet50_v2", "resnet50-11ad3fa6.pth", 97.79, "ResNet-50", kImageNet, 80.858, "paper", "", false},
    {"resnet101", "resnet101-63fe2227.pth", 170.511, "ResNet-101", kImageNet, 77.374, "paper",
     "model.backbone.depth=101", false},
    {"resnet101_v2", "resnet101-cd907fc2.pth", 170.53, "ResNet-101", kImageNet, 81.886, "paper",
     "model.backbone.depth=101", false},
    {"resnet152", "resnet152-394f9c45.pth", 230.434, "ResNet-152", kImageNet, 78.312, "paper",
     "model.backbone.depth=152", false},
    {"resnet152_v2", "resnet152-f82ba261.pth", 230.474, "ResNet-152", kImageNet, 82.284, "paper",
     "model.backbone.depth=152", false},
    {"resnext50_32x4d", "resnext50_32x4d-7cdf4587.pth", 95.789, "ResNeXt-50 32x4d", kImageNet, 77.618, "resnext50", "",
     false},
    {"resnext50_32x4d_v2", "resnext50_32x4d-1a0047aa.pth", 95.833, "ResNeXt-50 32x4d", kImageNet, 81.198, "resnext50",
     "", false},
    {"resnext101_32x8d", "resnext101_32x8d-8ba56ff5.pth", 339.586, "ResNeXt-101 32x8d", kImageNet, 79.312, "resnext50",
     "model.backbone.depth=101", false},
    {"resnext101_32x8d_v2", "resnext101_32x8d-110c445d.pth", 339.673, "ResNeXt-101 32x8d", kImageNet, 82.834,
     "resnext50", "model.backbone.depth=101", false},
    {"resnext101_64x4d", "resnext101_64x4d-173b62eb.pth", 319.318, "ResNeXt-101 64x4d", kImageNet, 83.246, "resnext50",
     "model.backbone.depth=101 model.backbone.groups=64 model.backbone.group_width=4", false},
    {"wide_resnet50_2", "wide_resnet50_2-95faca4d.pth", 131.82, "Wide ResNet-50-2", kImageNet, 78.468, "paper",
     "model.backbone.group_width=128", false},
    {"wide_resnet50_2_v2", "wide_resnet50_2-9ba9bcbe.pth", 263.124, "Wide ResNet-50-2", kImageNet, 81.602, "paper",
     "model.backbone.group_width=128", false},
    {"wide_resnet101_2", "wide_resnet101_2-32ee1156.pth", 242.896, "Wide ResNet-101-2", kImageNet, 78.848, "paper",
     "model.backbone.depth=101 model.backbone.group_width=128", false},
    {"wide_resnet101_2_v2", "wide_resnet101_2-d733dc28.pth", 484.747, "Wide ResNet-101-2", kImageNet, 82.51, "paper",
     "model.backbone.depth=101 model.backbone.group_width=128", false},
    {"vgg11", "vgg11-8a719046.pth", 506.84, "VGG-11", kImageNet, 69.02, "vgg16", "model.backbone.depth=11", false},
    {"vgg11_bn", "vgg11_bn-6002323d.pth", 506.881, "VGG-11 with batch norm", kImageNet, 70.37, "vgg16",
     "model.backbone.depth=11 model.backbone.norm=frozen_batch", false},
    {"vgg13", "vgg13-19584684.pth", 507.545, "VGG-13", kImageNet, 69.928, "vgg16", "model.backbone.depth=13", false},
    {"vgg13_bn", "vgg13_bn-abd245e5.pth", 507.59, "VGG-13 with batch norm", kImageNet, 71.586, "vgg16",
     "model.backbone.depth=13 model.backbone.norm=frozen_batch", false},
    {"vgg16", "vgg16-397923af.pth", 527.796, "VGG-16", kImageNet, 71.592, "vgg16", "", false},
    {"vgg16_bn", "vgg16_bn-6c64b313.pth", 527.866, "VGG-16 with batch norm", kImageNet, 73.36, "vgg16",
     "model.backbone.norm=frozen_batch", false},
    {"vgg19", "vgg19-dcbb9e9d.pth", 548.051, "VGG-19", kImageNet, 72.376, "vgg16", "model.backbone.depth=19", false},
    {"vgg19_bn", "vgg19_bn-c79401a0.pth", 548.143, "VGG-19 with batch norm", kImageNet, 74.218, "vgg16",
     "model.backbone.depth=19 model.backbone.norm=frozen_batch", false},
    {"inception_v3", "inception_v3_google-0cc3c7bd.pth", 103.903, "Inception v3", kImageNet, 77.294, "inception", "",
     false},
};

}  // namespace

std::string_view KnownWeights::hash() const {
  const std::string_view text = file;
  const size_t begin = text.rfind('-') + 1;
  return text.substr(begin, text.rfind('.') - begin);
}

std::span<const KnownWeights> known_weights() { return kKnown; }

const KnownWeights& find_weights(const std::string& name) {
  std::vector<std::string> names;
  for (const KnownWeights& known : kKnown) {
    if (name == known.name || name == known.file) return known;
    names.emplace_back(known.name);
  }
  throw Error(ErrorKind::Usage, fmt::format("there are no known weights '{}'{}; {}", printable(name),
                                            did_you_mean(name, names), advise(advice::kListWeights)));
}

std::optional<std::string> hash_in_name(std::string_view file) {
  const size_t begin = file.rfind('-') + 1, end = file.rfind('.');
  if (begin == 0 || end == file.npos || end < begin + 8 || (file.substr(end) != ".pth" && file.substr(end) != ".pt"))
    return std::nullopt;
  const std::string_view digits = file.substr(begin, end - begin);
  const bool hexadecimal = std::all_of(digits.begin(), digits.end(),
                                       [](unsigned char c) { return std::isdigit(c) != 0 || (c >= 'a' && c <= 'f'); });
  return hexadecimal && digits.size() <= 64 ? std::optional<std::string>(digits) : std::nullopt;
}

}  // namespace fovea

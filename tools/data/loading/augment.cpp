#include "tools/data/loading/augment.h"

#include <algorithm>

namespace fovea {

namespace {

bool happens(double probability, Random& random) { return probability > 0 && random.uniform() < probability; }

double evenly(double from, double to, Random& random) { return from + (to - from) * random.uniform(); }

// Of a whole number of pixels 0 … n − 1.
int evenly(int n, Random& random) { return static_cast<int>(random.below(static_cast<uint32_t>(n))); }

double overlap(const Object& object, const CropArea& area) {  // IoU
  const double width = std::min<double>(object.x2, area.x + area.width) - std::max<double>(object.x1, area.x);
  const double height = std::min<double>(object.y2, area.y + area.height) - std::max<double>(object.y1, area.y);
  if (width <= 0 || height <= 0) return 0;
  const double of_object = (double{object.x2} - object.x1) * (double{object.y2} - object.y1);
  return width * height / (of_object + double(area.width) * area.height - width * height);
}

bool holds_center(const CropArea& area, const Object& object) {
  const float x = (object.x1 + object.x2) / 2, y = (object.y1 + object.y2) / 2;
  return x >= static_cast<float>(area.x) && x <= static_cast<float>(area.x + area.width) &&
         y >= static_cast<float>(area.y) && y <= static_cast<float>(area.y + area.height);
}

}  // namespace

void keep_visible(std::vector<Object>& objects, int width, int height) {
  const auto w = static_cast<float>(width), h = static_cast<float>(height);
  std::erase_if(objects, [&](Object& o) {
    const float x = (o.x1 + o.x2) / 2, y = (o.y1 + o.y2) / 2;
    const bool center_inside = x >= 0 && x <= w && y >= 0 && y <= h;
    o.x1 = std::clamp(o.x1, 0.f, w);
    o.x2 = std::clamp(o.x2, 0.f, w);
    o.y1 = std::clamp(o.y1, 0.f, h);
    o.y2 = std::clamp(o.y2, 0.f, h);
    return (!center_inside && !o.crowd) || o.x2 - o.x1 < 1 || o.y2 - o.y1 < 1;
  });
}

std::optional<CropArea> draw_crop(const LabeledImage& picture, double smallest, Random& random) {
  constexpr double kLeastOverlaps[] = {0, .1, .3, .5, .7, .9};
  constexpr int kTries = 50;
  constexpr double kLargestRatio = 2;
  const double least = kLeastOverlaps[random.below(std::size(kLeastOverlaps))];
  const int width = picture.image->width, height = picture.image->height;
  for (int i = 0; i < kTries; ++i) {
    const double across = evenly(smallest, 1, random), down = evenly(smallest, 1, random);
    CropArea area{.x = 0,
                  .y = 0,
                  .width = std::max(1, static_cast<int>(width * across)),
                  .height = std::max(1, static_cast<int>(height * down))};
    area.x = evenly(width - area.width + 1, random);
    area.y = evenly(height - area.height + 1, random);
    if (across > kLargestRatio * down || down > kLargestRatio * across) continue;
    if (std::any_of(picture.objects.begin(), picture.objects.end(), [&](const Object& object) {
          return !object.crowd && holds_center(area, object) && overlap(object, area) >= least;
        }))
      return area;
  }
  return std::nullopt;
}

ColorChange draw_color_change(double strength, Random& random) {
  ColorChange change;
  const auto draw = [&](double& value, double range) {
    if (happens(0.5, random)) value += evenly(-range, range, random) * strength;
  };
  draw(change.brightness, 0.125);
  draw(change.contrast, 0.5);
  draw(change.saturation, 0.5);
  draw(change.hue, 18);
  return change;
}

LabeledImage augmented(LabeledImage picture, const AugmentConfig& config, Rgb fill, Random& random,
                       const std::function<LabeledImage()>& another) {
  if (happens(config.mosaic, random)) {
    const int width = picture.image->width, height = picture.image->height;
    const int x = static_cast<int>(width * evenly(0.25, 0.75, random)),
              y = static_cast<int>(height * evenly(0.25, 0.75, random));
    std::array<LabeledImage, 4> pictures{std::move(picture)};
    for (size_t i = 1; i < pictures.size(); ++i) pictures[i] = another();
    picture = mosaic(pictures, x, y);
  }
  if (happens(config.mixup, random)) {
    const double share = evenly(0.4, 0.6, random);
    picture = mixed(picture, another(), share);
  }
  if (happens(config.crop, random))
    if (const auto area = draw_crop(picture, config.smallest_crop, random)) picture = cropped(picture, *area);
  if (config.rotation > 0) picture = rotated(picture, evenly(-config.rotation, config.rotation, random), fill);
  if (config.photometric > 0) picture = recolored(picture, draw_color_change(config.photometric, random));
  if (happens(config.vertical_flip, random)) picture = flipped_vertically(picture);
  return picture;
}

}  // namespace fovea

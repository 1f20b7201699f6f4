// Augmentations on the host: each takes pictures with their objects and gives a new one. They run on the loader's
// threads on 8-bit pixels, before the device resizes. What is drawn for an image depends on (seed, epoch, image) alone.
//
// One rule for boxes in all of them: a box whose center leaves the picture goes; what stays is clipped to the picture,
// and goes too where less than a pixel of its width or height is left. A region to ignore stays as long as a pixel of
// it is seen.
#pragma once
#include <array>
#include <functional>
#include <optional>

#include "engine/random.h"
#include "tools/config/config.h"
#include "tools/data/loading/labeled_image.h"

namespace fovea {

// ---- one augmentation each

LabeledImage flipped_horizontally(const LabeledImage& picture);
LabeledImage flipped_vertically(const LabeledImage& picture);

struct CropArea {
  int x, y, width, height;  // inside the picture, not empty
};
LabeledImage cropped(const LabeledImage& picture, const CropArea& area);
// SSD's (Liu et al. 2016): one of the least overlaps 0, .1, .3, .5, .7, .9 is drawn, then areas with sides of
// `smallest` to 1 of the picture's, whose ratio is at most 2, until an object has its center inside and overlaps with
// the area that much (IoU). None after 50 tries, or without objects.
std::optional<CropArea> draw_crop(const LabeledImage& picture, double smallest, Random& random);

using Rgb = std::array<uint8_t, 3>;
// Clockwise about the center, in a picture of the same size, bilinearly; `fill` where nothing comes to lie. A box
// becomes the upright one around its turned corners.
LabeledImage rotated(const LabeledImage& picture, double degrees, Rgb fill);

// In this order, on channels of 0 … 1 that are cut to that range at the end only: + brightness; contrast about ½;
// saturation about the luma .299 .587 .114; hue, a turn about the gray axis.
struct ColorChange {
  double brightness = 0, contrast = 1, saturation = 1, hue = 0;  // hue in degrees
};
LabeledImage recolored(const LabeledImage& picture, const ColorChange& change);
// Each of the four with probability ½, evenly from ±strength times SSD's range: ±.125, 1 ± .5, 1 ± .5, ±18°.
ColorChange draw_color_change(double strength, Random& random);

// A picture as large as the first. The point (x, y) parts it in four; each part holds one of the pictures, scaled to
// cover it, with a corner at that point.
LabeledImage mosaic(const std::array<LabeledImage, 4>& pictures, int x, int y);

// share · a + (1 − share) · b, where b is scaled to fit into a and put into its upper left corner; objects of both.
LabeledImage mixed(const LabeledImage& a, const LabeledImage& b, double share);

// ---- all that `config` asks for, in this order: mosaic, mixup, crop, rotation, colors, vertical flip

// `another` gives another picture of the dataset, drawn with `random`.
LabeledImage augmented(LabeledImage picture, const AugmentConfig& config, Rgb fill, Random& random,
                       const std::function<LabeledImage()>& another);

// The rule above.
void keep_visible(std::vector<Object>& objects, int width, int height);

// With half-pixel centers, bilinear; when shrinking, by a triangle as wide as the scale.
Image resampled(const Image& image, int width, int height);

}  // namespace fovea

#include "model/cell_anchors.h"

#include <fmt/format.h>

#include <cmath>

#include "engine/printable.h"
#include "engine/tensor.h"
#include "model/anchors.h"

namespace fovea {
namespace {

// The number that an fp32 one was made from: with as many digits as that has.
double unrounded(double value) {
  const double digits = std::pow(10, 5 - std::floor(std::log10(std::abs(value))));
  return std::round(value * digits) / digits;
}

// Octaves are parts of one: of 3, 4, 6 or 12, where this is near.
double as_octave(double value) {
  const double nearest = std::round(value * 12) / 12;
  return std::abs(nearest - value) < 1e-5 ? nearest : value;
}

struct Cell {
  double size, ratio;
};

std::vector<Cell> cells_of(const std::vector<double>& edges) {
  std::vector<Cell> cells;
  for (size_t i = 0; i + 3 < edges.size(); i += 4) {
    const double width = edges[i + 2] - edges[i], height = edges[i + 3] - edges[i + 1];
    cells.push_back({std::sqrt(width * height), height / width});
  }
  return cells;
}

// Of one level, size-major as detectron2 has them.
void take_level(const std::vector<Cell>& cells, size_t level, AnchorConfig& anchors) {
  anchors.sizes[level] = unrounded(cells[0].size);
  if (level > 0) return;
  size_t ratios = 1;
  while (ratios < cells.size() && std::abs(cells[ratios].size / cells[0].size - 1) < 1e-4) ++ratios;
  anchors.ratios.clear();
  anchors.octaves.clear();
  for (size_t r = 0; r < ratios; ++r) anchors.ratios.push_back(unrounded(cells[r].ratio));
  for (size_t i = 0; i < cells.size(); i += ratios)
    anchors.octaves.push_back(as_octave(std::log2(cells[i].size / cells[0].size)));
}

bool is_near(const AnchorConfig& anchors, size_t level, const std::vector<double>& edges) {
  const std::vector<float> ours = anchor_cells(anchors, level);
  if (ours.size() != edges.size()) return false;
  const size_t octaves = anchors.octaves.size(), ratios = anchors.ratios.size();
  for (size_t r = 0; r < ratios; ++r)
    for (size_t o = 0; o < octaves; ++o)
      for (size_t edge = 0; edge < 4; ++edge) {
        const double mine = ours[4 * (r * octaves + o) + edge], given = edges[4 * (o * ratios + r) + edge];
        if (!(std::abs(mine - given) <= 1e-3 + 1e-4 * std::abs(given))) return false;
      }
  return true;
}

}  // namespace

bool take_cell_anchors(const TensorFile& file, const std::map<std::string, std::string>& names, int anchors,
                       ModelConfig& model) {
  AnchorConfig taken = model.anchors;
  std::vector<std::string> in_file;
  for (size_t level = 0; level < taken.sizes.size(); ++level) {
    const auto found = names.find(fmt::format("anchor_generator.cell_anchors.{}", level));
    if (found == names.end()) return false;
    in_file.push_back(found->second);
  }
  for (size_t level = 0; level < taken.sizes.size(); ++level) {
    const auto refuse = [&](const std::string& why) {
      throw Error(ErrorKind::Data,
                  fmt::format("{}: tensor '{}' {}", printable(file.path().native()), printable(in_file[level]), why));
    };
    const std::vector<int64_t>& shape = file.at(in_file[level]).shape;
    if (shape != std::vector<int64_t>{anchors, 4})
      refuse(fmt::format("has shape {}, which are not {} anchors", Shape(shape).text(), anchors));
    const auto edges = file.read<double>(in_file[level]);
    const std::vector<Cell> cells = cells_of(edges);
    for (const Cell& cell : cells)
      if (!(cell.size >= 1e-3 && cell.size <= 1e5 && cell.ratio >= 1e-3 && cell.ratio <= 1e3))
        refuse("holds boxes without width or height");
    take_level(cells, level, taken);
    if (!is_near(taken, level, edges))
      refuse("holds anchors that are not sizes times ratios around a location, the same on all levels");
  }
  model.anchors = taken;
  return true;
}

}  // namespace fovea

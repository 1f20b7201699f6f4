// Pages of HTML that need nothing beside themselves: styles and pictures stand in the file.
#pragma once
#include <span>
#include <string>
#include <vector>

#include "tools/image/image_file.h"
#include "tools/report/surface.h"

namespace fovea {

std::string base64(std::span<const uint8_t> bytes);

// `quality`: 1…100.
std::vector<uint8_t> encode_jpeg(const Image& image, int quality);

// An <img> that holds the picture.
std::string html_image(std::span<const uint8_t> jpeg, const std::string& description);

// An <svg>. In a page it needs no name of its language; so the page holds not one address.
std::string html_drawing(const Drawing& drawing);

// Cells are HTML; the first column is aligned left, the others right.
std::string html_table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows);

std::string html_page(const std::string& title, const std::string& body);

}  // namespace fovea

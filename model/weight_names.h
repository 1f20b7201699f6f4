// The names of a file's tensors, made those of the network: torchvision's of today.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/tensor_file.h"

namespace fovea {

// Without what wrappers of a model put before or into its names: DataParallel ("module."), Lightning ("model."),
// torch.compile ("_orig_mod.").
std::string bare_name(std::string_view name);

// What a module that holds a detector puts before its names ("net.", where a Lightning module has self.net), beyond
// what bare_name() takes away; each of them where a file has several detectors.
std::vector<std::string> detector_prefixes(const TensorFile& file);

// By the name without all of that, each tensor's name in the file. Where two tensors would get one name, the one with
// the shorter name in the file has it, and the other keeps its own.
std::map<std::string, std::string> bare_names(const TensorFile& file);

// torchvision's name since its release 0.14 for one of before, which its published files of 2020 have; other names
// stay.
std::string present_name(const std::string& name);

// As bare_names(), in torchvision's names of today.
std::map<std::string, std::string> names_taken(const TensorFile& file);

}  // namespace fovea

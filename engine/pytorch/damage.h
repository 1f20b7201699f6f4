// Errors of PyTorch's files.
#pragma once
#include <string>

#include "kernels/error.h"

namespace fovea::pytorch {

// Of a file that is not as PyTorch writes it. `file`: its printable name.
[[noreturn]] inline void refuse_damaged(const std::string& file, const std::string& why) {
  throw Error(ErrorKind::Data, file + ": not a readable PyTorch file: " + why);
}

// Of a file that is whole, but of no use.
[[noreturn]] inline void refuse_content(const std::string& file, const std::string& why) {
  throw Error(ErrorKind::Data, file + ": " + why);
}

}  // namespace fovea::pytorch

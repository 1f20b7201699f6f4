// Known weights, fetched from where they are published or from a mirror.
#pragma once
#include <filesystem>
#include <string>

#include "tools/weights/known_weights.h"

namespace fovea {

struct FetchedWeights {
  std::filesystem::path file;
  bool was_there = false;
};

// Throws ErrorKind::Usage where `base` is no address of https://, http:// or file://.
void require_weights_address(const std::string& base);

// The file in the folder, which is made. It comes from `base`/FILE as FILE.part, which is gone on with where it is
// there already, is checked by its SHA-256, and gets its name when it is right. A wrong one is removed: it cannot
// become right. A file of the name that is right already stays, and one that is something else is refused
// (ErrorKind::Usage). Throws ErrorKind::Runtime where it cannot be fetched or written, Data where what came is not the
// file, Interrupted where a stop was requested; each says what to do, and what came until then stays.
FetchedWeights fetch_weights(const KnownWeights& known, const std::filesystem::path& folder, const std::string& base);

}  // namespace fovea

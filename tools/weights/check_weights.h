// Whether a file of weights is what it should be, by its content.
#pragma once
#include <filesystem>
#include <string>

#include "tools/weights/known_weights.h"

namespace fovea {

// SHA-256 of the file, in hexadecimal digits; shows how far it is on stderr where that is a terminal. Throws
// ErrorKind::Data as open_file() does.
std::string hash_of_file(const std::filesystem::path& file);

// By the first digits of its SHA-256; nullptr: none.
const KnownWeights* known_by_hash(std::string_view hash);

// "12.3 MiB"
std::string mib_text(uint64_t bytes);

// What a file is that should be `known` and has another hash: "a web page (…): download the file itself", "has 12.3 of
// 97.8 MiB: it was cut off".
std::string why_other(const std::filesystem::path& file, const KnownWeights* known);

// One line that says what the file is: known weights; a file whose name has the first digits of its hash, and they are
// right; or one that nothing is known of but its hash. Throws ErrorKind::Data, saying what is wrong, where its hash is
// not the one in its name, and where it is no file of weights.
std::string check_weights(const std::filesystem::path& file);

}  // namespace fovea

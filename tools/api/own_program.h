// The program of the installation, or of the build, that this library belongs to.
#pragma once
#include <string>

namespace fovea::api {

std::string own_program();  // its file; "": it is not there

}  // namespace fovea::api

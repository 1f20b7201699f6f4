// Ctrl-C and SIGTERM.
#pragma once

namespace fovea {

// From here on the first of SIGINT and SIGTERM requests a stop (kernels/interrupt.h) and writes `answer` as a line to
// stderr at once; nullptr: nothing. What comes within a second after it is taken for the same one, as launchers and
// terminals send several. The next ends the program, with exit code 130.
void catch_stop_signals(const char* answer);

}  // namespace fovea

#include "tools/report/embedded_font.h"

// The assembler copies the file: that takes no time, while the compiler would need seconds for as large an array.
asm(".section .rodata\n"
    ".balign 16\n"
    ".globl fovea_font_begin\n"
    ".hidden fovea_font_begin\n"
    "fovea_font_begin:\n"
    ".incbin \"" FOVEA_FONT_FILE
    "\"\n"
    ".globl fovea_font_end\n"
    ".hidden fovea_font_end\n"
    "fovea_font_end:\n"
    ".byte 0\n"
    ".previous\n");
extern "C" const uint8_t fovea_font_begin[], fovea_font_end[];

namespace fovea {

std::span<const uint8_t> embedded_font() { return {fovea_font_begin, fovea_font_end}; }

}  // namespace fovea

#include "tools/report/font.h"

#include <string_view>

namespace fovea {
namespace {

// One string a character from ' ' to '~', one base-32 digit (0…9 A…V) a row.
constexpr std::string_view glyphs[95] = {
    "000000000", "444440400", "AAA000000", "AAVAVAA00", "4FKE5U400", "OP248J300", "CIK8LID00", "440000000",  //  !"#$%&'
    "248884200", "842224800", "04LEL4000", "044V44000", "00000C480", "000V00000", "00000CC00", "11248GG00",  // ()*+,-./
    "EHJLPHE00", "4C4444E00", "EH1248V00", "V2421HE00", "26AIV2200", "VGU11HE00", "68GUHHE00", "V12488800",  // 01234567
    "EHHEHHE00", "EHHF12C00", "00CC0CC00", "00CC0C480", "248G84200", "00V0V0000", "842124800", "EH1240400",  // 89:;<=>?
    "EH1DLLE00", "EHHVHHH00", "UHHUHHU00", "EHGGGHE00", "SIHHHIS00", "VGGUGGV00", "VGGUGGG00", "EHGNHHF00",  // @ABCDEFG
    "HHHVHHH00", "E44444E00", "72222IC00", "HIKOKIH00", "GGGGGGV00", "HRLLHHH00", "HHPLJHH00", "EHHHHHE00",  // HIJKLMNO
    "UHHUGGG00", "EHHHLID00", "UHHUKIH00", "FGGE11U00", "V44444400", "HHHHHHE00", "HHHHHA400", "HHHLLLA00",  // PQRSTUVW
    "HHA4AHH00", "HHHA44400", "V1248GV00", "E88888E00", "GG8421100", "E22222E00", "4AH000000", "0000000V0",  // XYZ[\]^_
    "842000000", "00E1FHF00", "GGMPHHU00", "00EGGHE00", "11DJHHF00", "00EHVGE00", "698S88800", "00FHHHF1E",  // `abcdefg
    "GGMPHHH00", "40C444E00", "2062222IC", "GGIKOKI00", "C44444E00", "00QLLLL00", "00MPHHH00", "00EHHHE00",  // hijklmno
    "00UHHHUGG", "00FHHHF11", "00MPGGG00", "00FGE1U00", "88S889600", "00HHHJD00", "00HHHA400", "00HHLLA00",  // pqrstuvw
    "00HA4AH00", "00HHHHF1E", "00V248V00", "244844200", "444444400", "844244800", "0008L2000",               // xyz{|}~
};

}  // namespace

std::array<uint8_t, glyph_height> glyph(char32_t character) {
  const std::string_view rows = glyphs[character >= ' ' && character <= '~' ? character - ' ' : '?' - ' '];
  std::array<uint8_t, glyph_height> bits;
  for (int y = 0; y < glyph_height; ++y)
    bits[y] = static_cast<uint8_t>(rows[y] <= '9' ? rows[y] - '0' : rows[y] - 'A' + 10);
  return bits;
}

}  // namespace fovea

# FOVEA_FONT_FILE: the font that goes into the program (tools/report/embedded_font.cpp). It is the same for every machine, so
# a cross build may take it from this one.
find_file(FOVEA_FONT_FILE DejaVuSans.ttf PATHS /usr/share/fonts /usr/local/share/fonts
  PATH_SUFFIXES truetype/dejavu dejavu-sans-fonts dejavu TTF CMAKE_FIND_ROOT_PATH_BOTH
  DOC "DejaVuSans.ttf, which the program carries and draws text with")
if(NOT EXISTS "${FOVEA_FONT_FILE}")
  message(FATAL_ERROR "No font for the text in pictures: FOVEA_FONT_FILE is ${FOVEA_FONT_FILE}. Install DejaVu Sans (Debian package "
                      "fonts-dejavu-core), or name the file by -DFOVEA_FONT_FILE=.../DejaVuSans.ttf")
endif()

# What is installed, and what scripts/package makes of it: one tree, relocatable, in which the program finds its libraries
# and example images relative to itself.
#
#   bin/fovea
#   lib/fovea/                 the kernels, one library a CPU level (kernels/CMakeLists.txt); with FOVEA_BUNDLE what they need
#   share/fovea/examples/      images for `fovea demo`
#   share/doc/fovea/           with FOVEA_BUNDLE also the licenses of those libraries
option(FOVEA_BUNDLE "Install all libraries but the C and C++ runtimes beside the program, for other distributions" OFF)
include(GNUInstallDirs)

set_target_properties(fovea PROPERTIES INSTALL_RPATH "$ORIGIN/../lib/fovea")
install(TARGETS fovea RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES README.md LICENSE LICENSE.DejaVu DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES docs/third-party.md DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs)
install(DIRECTORY examples/blood_cells DESTINATION ${CMAKE_INSTALL_DATADIR}/fovea/examples)
if(FOVEA_BUNDLE)
  install(CODE "set(fovea_docs \"${CMAKE_INSTALL_DOCDIR}\")\nset(CMAKE_LIBRARY_ARCHITECTURE \"${CMAKE_LIBRARY_ARCHITECTURE}\")")
  install(SCRIPT cmake/bundle.cmake)
endif()

set(CPACK_GENERATOR "DEB;TGZ")
set(CPACK_PACKAGE_CONTACT "The Fovea authors <fovea@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "train and run the RetinaNet object detector")
set(CPACK_PACKAGE_DESCRIPTION "Fovea trains, evaluates and runs RetinaNet (Focal Loss for Dense Object Detection) on people's own data, on CPUs and
NVIDIA GPUs, without Python. The command fovea demo shows it on example images.")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_PACKAGE_FILE_NAME fovea-${PROJECT_VERSION}-linux-${CMAKE_SYSTEM_PROCESSOR})
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
include(CPack)

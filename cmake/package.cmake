# The .deb and the .tar.gz, by CPack: the tree of cmake/install.cmake. scripts/package makes them, and a wheel of the same tree.
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
# Loaded only by `fovea weights get`, so that the program starts without it and packages bring no TLS: of Debian 12 | 13.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "libcurl4 | libcurl4t64")
include(CPack)

# cmake --install, for programs that use Fovea:
#
#   include/fovea/          fovea.h, fovea.hpp
#   LIB/libfovea.so*        finds the kernels, and with FOVEA_BUNDLE what they need, in lib/fovea
#   LIB/cmake/fovea/        find_package(fovea CONFIG): the target fovea::fovea
#   LIB/pkgconfig/fovea.pc  pkg-config fovea
#
# LIB is CMAKE_INSTALL_LIBDIR. Everything is found relative to itself: the tree can be moved.
include(CMakePackageConfigHelpers)
set(cmake_folder ${CMAKE_INSTALL_LIBDIR}/cmake/fovea)
set(pkgconfig_folder ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

file(RELATIVE_PATH to_kernels /${CMAKE_INSTALL_LIBDIR} /lib/fovea)
set_target_properties(fovea_api PROPERTIES INSTALL_RPATH "$ORIGIN/${to_kernels}")
if(FOVEA_BUNDLE)  # see install.cmake
  target_link_options(fovea_api PRIVATE -Wl,--disable-new-dtags)
endif()
install(TARGETS fovea_api EXPORT fovea LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES tools/api/fovea.h tools/api/fovea.hpp DESTINATION include/fovea)

set(written ${PROJECT_BINARY_DIR}/library)
install(EXPORT fovea NAMESPACE fovea:: FILE fovea-targets.cmake DESTINATION ${cmake_folder})
file(WRITE ${written}/fovea-config.cmake "include(\"\${CMAKE_CURRENT_LIST_DIR}/fovea-targets.cmake\")\n")
# Before 1.0 a minor version may change the API.
write_basic_package_version_file(${written}/fovea-config-version.cmake VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES ${written}/fovea-config.cmake ${written}/fovea-config-version.cmake DESTINATION ${cmake_folder})

file(RELATIVE_PATH to_prefix /${pkgconfig_folder} /)
file(WRITE ${written}/fovea.pc "prefix=\${pcfiledir}/${to_prefix}
Name: fovea
Description: the RetinaNet object detector
Version: ${PROJECT_VERSION}
Cflags: -I\${prefix}/include
Libs: -L\${prefix}/${CMAKE_INSTALL_LIBDIR} -lfovea
")
install(FILES ${written}/fovea.pc DESTINATION ${pkgconfig_folder})

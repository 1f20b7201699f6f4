# cmake --install: one tree, relocatable, in which the program finds its libraries and example images relative to itself.
#
#   bin/fovea
#   lib/fovea/                 the kernels, one library a CPU level (kernels/CMakeLists.txt); with FOVEA_BUNDLE what they need
#   share/fovea/examples/      images for `fovea demo`
#   share/doc/fovea/           with FOVEA_BUNDLE also the licenses of those libraries
#   share/man, and completion scripts, which the program writes from its option tree when it is installed; not where it
#                              cannot run
option(FOVEA_BUNDLE "Install all libraries but the C and C++ runtimes beside the program, for other distributions" OFF)
include(GNUInstallDirs)

set_target_properties(fovea PROPERTIES INSTALL_RPATH "$ORIGIN/../lib/fovea")
if(FOVEA_BUNDLE)  # RPATH, not RUNPATH: LD_LIBRARY_PATH, which many environments set, does not come before it
  target_link_options(fovea PRIVATE -Wl,--disable-new-dtags)
endif()
install(TARGETS fovea RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
if(EXISTS ${onednn}/lib/libdnnl.so.3)  # scripts/setup's, where the system's is too old
  install(FILES ${onednn}/lib/libdnnl.so.3 DESTINATION lib/fovea)
endif()
install(FILES README.md LICENSE LICENSE.DejaVu DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES packaging/copyright DESTINATION ${CMAKE_INSTALL_DOCDIR})  # where Debian looks for it
install(FILES docs/third-party.md DESTINATION ${CMAKE_INSTALL_DOCDIR}/docs)
install(DIRECTORY examples/blood_cells DESTINATION ${CMAKE_INSTALL_DATADIR}/fovea/examples)
if(FOVEA_BUNDLE)
  install(CODE "set(fovea_docs \"${CMAKE_INSTALL_DOCDIR}\")\nset(CMAKE_LIBRARY_ARCHITECTURE \"${CMAKE_LIBRARY_ARCHITECTURE}\")")
  if(FOVEA_HAS_CUDA)
    install(DIRECTORY ${CUDNN_FRONTEND_INCLUDE_DIR}/../licenses/ DESTINATION ${CMAKE_INSTALL_DOCDIR}/licenses/cudnn-frontend)
    install(FILES ${CUDNN_FRONTEND_INCLUDE_DIR}/cudnn_frontend/thirdparty/nlohmann/LICENSE.MIT
            DESTINATION ${CMAKE_INSTALL_DOCDIR}/licenses RENAME nlohmann-json)
  endif()
  install(SCRIPT cmake/bundle.cmake)
endif()

if(FOVEA_SHARED)
  include(cmake/install_library.cmake)
endif()

set(runs_here ON)
if(CMAKE_CROSSCOMPILING AND NOT CMAKE_CROSSCOMPILING_EMULATOR)
  set(runs_here OFF)
endif()
option(FOVEA_MAN "Install man pages and completion scripts, which the program writes" ${runs_here})
if(FOVEA_MAN)
  set(share ${PROJECT_BINARY_DIR}/share)
  set(zsh_folder zsh/site-functions)
  if(CMAKE_INSTALL_PREFIX STREQUAL "/usr" AND EXISTS /etc/debian_version)
    set(zsh_folder zsh/vendor-completions)  # a package's; Debian's zsh reads the other one below /usr/local
  endif()
  install(CODE "
    set(program ${CMAKE_CROSSCOMPILING_EMULATOR} \"$<TARGET_FILE:fovea>\")
    file(MAKE_DIRECTORY \"${share}\")
    execute_process(COMMAND \${program} man --out \"${share}/man1\" COMMAND_ERROR_IS_FATAL ANY)
    foreach(shell bash zsh fish)
      execute_process(COMMAND \${program} completion \${shell} OUTPUT_FILE \"${share}/\${shell}\" COMMAND_ERROR_IS_FATAL ANY)
    endforeach()")
  install(DIRECTORY ${share}/man1 DESTINATION ${CMAKE_INSTALL_MANDIR})
  install(FILES ${share}/bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME fovea)
  install(FILES ${share}/zsh DESTINATION ${CMAKE_INSTALL_DATADIR}/${zsh_folder} RENAME _fovea)
  install(FILES ${share}/fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d RENAME fovea.fish)
  install(CODE "file(REMOVE_RECURSE \"${share}\")")  # written by whoever installs, maybe root
endif()

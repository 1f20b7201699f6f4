# cmake --install: the program, what it says of itself, man pages and completion scripts. These the program writes, from its
# option tree, when it is installed; not where it cannot run.
include(GNUInstallDirs)
install(TARGETS fovea RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES README.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

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

# At installation with FOVEA_BUNDLE: copies what the installed program and kernels link to into lib/fovea, where they find each
# other, and the licenses of the packages that they are from. Not the C and C++ runtimes: every system has those, and they must
# be the system's own.
set(prefix "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}")
file(GLOB_RECURSE kernels ${prefix}/lib/fovea/libfovea_kernels.so)
file(GET_RUNTIME_DEPENDENCIES EXECUTABLES ${prefix}/bin/fovea LIBRARIES ${kernels}
  RESOLVED_DEPENDENCIES_VAR found UNRESOLVED_DEPENDENCIES_VAR missing
  PRE_EXCLUDE_REGEXES "^(libc|libm|libdl|libpthread|librt|libstdc\\+\\+|libgcc_s)\\.so" "^ld-linux" "^libfovea_kernels\\.so")
if(missing)
  message(FATAL_ERROR "These libraries were not found, and so the package would not run elsewhere: ${missing}")
endif()

function(add_license package)
  set(text /usr/share/doc/${package}/copyright)
  configure_file(${text} ${prefix}/${fovea_docs}/licenses/${package} COPYONLY)
  file(READ ${text} words)
  string(REGEX MATCHALL "/usr/share/common-licenses/[A-Za-z]+[-0-9.]*[0-9]" common "${words}")
  foreach(license IN LISTS common)  # which other distributions do not have there
    if(EXISTS ${license})
      get_filename_component(name ${license} NAME)
      file(REAL_PATH ${license} file)
      configure_file(${file} ${prefix}/${fovea_docs}/licenses/common-licenses/${name} COPYONLY)
    endif()
  endforeach()
endfunction()

foreach(package libcli11-dev libtomlplusplus-dev)  # headers that are compiled in
  add_license(${package})
endforeach()
find_program(DPKG_QUERY dpkg-query)
file(MAKE_DIRECTORY ${prefix}/lib/fovea)  # kernels for this machine alone have none
foreach(library IN LISTS found)
  get_filename_component(name ${library} NAME)
  file(REAL_PATH ${library} file)
  file(COPY_FILE ${file} ${prefix}/lib/fovea/${name} ONLY_IF_DIFFERENT)
  execute_process(COMMAND patchelf --force-rpath --set-rpath $ORIGIN ${prefix}/lib/fovea/${name} COMMAND_ERROR_IS_FATAL ANY)
  message(STATUS "Bundled: ${prefix}/lib/fovea/${name}")

  # By its path, or where that leads through a link (/lib) by its name.
  get_filename_component(file_name ${file} NAME)
  set(owner)
  foreach(pattern ${file} */${CMAKE_LIBRARY_ARCHITECTURE}/${file_name} */${file_name})
    if(DPKG_QUERY AND NOT owner)
      execute_process(COMMAND ${DPKG_QUERY} -S ${pattern} OUTPUT_VARIABLE owner ERROR_QUIET)
    endif()
  endforeach()
  string(REGEX MATCH "^[^:,]*" package "${owner}")
  if(NOT EXISTS /usr/share/doc/${package}/copyright)
    message(FATAL_ERROR "There is no license of ${file}: only libraries of Debian's packages can be bundled")
  endif()
  add_license(${package})
endforeach()

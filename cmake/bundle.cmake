# At installation with FOVEA_BUNDLE: copies what the installed program and kernels link to into lib/fovea, except for the C and
# C++ runtimes, which every system has and which must be the system's own; and the licences of the packages that they are from.
set(prefix "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}")
file(GLOB_RECURSE kernels ${prefix}/lib/fovea/libfovea_kernels.so)
file(GET_RUNTIME_DEPENDENCIES EXECUTABLES ${prefix}/bin/fovea LIBRARIES ${kernels}
  RESOLVED_DEPENDENCIES_VAR found UNRESOLVED_DEPENDENCIES_VAR missing
  PRE_EXCLUDE_REGEXES "^(libc|libm|libdl|libpthread|librt|libstdc\\+\\+|libgcc_s)\\.so" "^ld-linux" "^libfovea_kernels\\.so")
if(missing)
  message(FATAL_ERROR "These libraries were not found, and so the package would not run elsewhere: ${missing}")
endif()
find_program(DPKG_QUERY dpkg-query)
foreach(library IN LISTS found)
  get_filename_component(name ${library} NAME)
  file(REAL_PATH ${library} file)
  file(COPY_FILE ${file} ${prefix}/lib/fovea/${name} ONLY_IF_DIFFERENT)
  message(STATUS "Bundled: ${prefix}/lib/fovea/${name}")

  get_filename_component(file_name ${file} NAME)
  set(package)
  if(DPKG_QUERY)
    execute_process(COMMAND ${DPKG_QUERY} -S "*/${file_name}" OUTPUT_VARIABLE owner ERROR_QUIET)
    string(REGEX MATCH "^[^:,]+" package "${owner}")
  endif()
  if(NOT EXISTS /usr/share/doc/${package}/copyright)
    message(FATAL_ERROR "There is no licence for ${file}: bundle libraries of Debian's packages")
  endif()
  configure_file(/usr/share/doc/${package}/copyright ${prefix}/${fovea_docs}/licences/${package} COPYONLY)
endforeach()

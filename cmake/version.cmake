# fovea_version_source(TARGET): gives it the source that names version and commit. A build asks git each time, and compiles
# no more than this one file where the answer changed.
set(FOVEA_COMMIT "" CACHE STRING "The commit that the program names; empty: git's, or an archive's own")

function(fovea_version_source target)
  set(file ${CMAKE_CURRENT_BINARY_DIR}/version.cpp)
  set(write ${CMAKE_COMMAND} -DSOURCE=${PROJECT_SOURCE_DIR} -DVERSION=${PROJECT_VERSION} -DCOMMIT=${FOVEA_COMMIT} -DOUT=${file}
      -P ${PROJECT_SOURCE_DIR}/cmake/write_version.cmake)
  execute_process(COMMAND ${write} COMMAND_ERROR_IS_FATAL ANY)  # linters read it before anything is built
  add_custom_target(${target}_version COMMAND ${write} BYPRODUCTS ${file} COMMENT "Asking git for the commit" VERBATIM)
  add_dependencies(${target} ${target}_version)
  target_sources(${target} PRIVATE ${file})
endfunction()

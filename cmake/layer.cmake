# fovea_sources(OUT FOLDER…): the .cpp and .cu files below folders of this directory that belong to this build. Their
# names say which do, not an #ifdef:
#   cuda_*.cpp and folders called cuda     with CUDA alone
#   no_cuda.cpp                            what takes their place without it
#   cublaslt_*.cpp, matmul_backend.cpp     where the toolkit has cuBLASLt's header
#   no_cublaslt.cpp                        where it has not
function(fovea_sources out)
  set(sources)
  foreach(folder IN LISTS ARGN)
    file(GLOB_RECURSE found CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cpp ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cu)
    list(APPEND sources ${found})
  endforeach()
  if(FOVEA_HAS_CUDA)
    list(FILTER sources EXCLUDE REGEX "/no_cuda\\.cpp$")
  else()
    list(FILTER sources EXCLUDE REGEX "/(cuda_[^/]*|cuda/[^/]*)\\.cpp$")
    set(kernel_sources ${sources})
    list(FILTER kernel_sources INCLUDE REGEX "\\.cu$")
    set_source_files_properties(${kernel_sources} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "-xc++")
  endif()
  if(FOVEA_HAS_CUBLASLT)
    list(FILTER sources EXCLUDE REGEX "/no_cublaslt\\.cpp$")
  else()
    list(FILTER sources EXCLUDE REGEX "/(cublaslt_[^/]*|matmul_backend)\\.cpp$")
  endif()
  # In the linters' unity build what takes CUDA's place stands alone: scripts/check names it.
  set(stand_ins ${sources})
  list(FILTER stand_ins INCLUDE REGEX "/no_[^/]*\\.cpp$")
  set_source_files_properties(${stand_ins} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  set(${out} ${sources} PARENT_SCOPE)
endfunction()

# fovea_layer(NAME [FOLDER…]): the static library of these folders, or of all below this directory, with the project's
# flags. A layer links only to the one below.
function(fovea_layer name)
  if(NOT ARGN)
    set(ARGN .)
  endif()
  fovea_sources(sources ${ARGN})
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC fovea_flags)
endfunction()

# fovea_sources(OUT FOLDER…): the .cpp and .cu files below folders of this directory that belong to this build. Their
# names say which do, not an #ifdef. no_NAME.cpp takes the place of the others where NAME is not there:
#   cuda_*.cpp and folders called cuda     with CUDA
#   cublaslt_*.cpp, matmul_backend.cpp     where the toolkit has cuBLASLt's header
#   nccl.cpp, mpi.cpp                      where there are NCCL's header and MPI
function(fovea_sources out)
  set(sources)
  foreach(folder IN LISTS ARGN)
    file(GLOB_RECURSE found CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cpp ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cu)
    list(APPEND sources ${found})
  endforeach()
  set(files_cuda "cuda_[^/]*|cuda/[^/]*")
  set(files_cublaslt "cublaslt_[^/]*|matmul_backend")
  set(files_nccl "nccl")
  set(files_mpi "mpi")
  foreach(name cuda cublaslt nccl mpi)
    string(TOUPPER FOVEA_HAS_${name} has)
    if(${has})
      list(FILTER sources EXCLUDE REGEX "/no_${name}\\.cpp$")
    else()
      list(FILTER sources EXCLUDE REGEX "/(${files_${name}})\\.cpp$")
    endif()
  endforeach()
  if(NOT FOVEA_HAS_CUDA)
    set(kernel_sources ${sources})
    list(FILTER kernel_sources INCLUDE REGEX "\\.cu$")
    set_source_files_properties(${kernel_sources} PROPERTIES LANGUAGE CXX)
    if(NOT CMAKE_UNITY_BUILD)  # it would leave files with options of their own out, and need none
      set_source_files_properties(${kernel_sources} PROPERTIES COMPILE_OPTIONS "-xc++")
    endif()
  endif()
  # In the linters' unity build what takes another's place stands alone: scripts/check names it.
  set(stand_ins ${sources})
  list(FILTER stand_ins INCLUDE REGEX "/no_[^/]*\\.cpp$")
  set_source_files_properties(${stand_ins} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  set(${out} ${sources} PARENT_SCOPE)
endfunction()

# fovea_reads_cuda(FILE…): these include headers of the CUDA toolkit. The rest of their target does not see them, so that
# it compiles as without CUDA, and ccache knows it.
function(fovea_reads_cuda)
  if(FOVEA_HAS_CUDA)
    set_property(SOURCE ${ARGN} APPEND PROPERTY INCLUDE_DIRECTORIES ${CUDAToolkit_INCLUDE_DIRS} $<$<BOOL:${FOVEA_HAS_NCCL}>:${NCCL_INCLUDE_DIR}>)
  endif()
endfunction()

# fovea_layer(NAME [TYPE type] [FOLDER…]): the library (static, or of this type) of these folders, or of all below this
# directory, with the project's flags. A layer links only to the one below.
function(fovea_layer name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TYPE" "")
  set(folders ${arg_UNPARSED_ARGUMENTS})
  if(NOT folders)
    set(folders .)
  endif()
  if(NOT arg_TYPE)
    set(arg_TYPE STATIC)
  endif()
  fovea_sources(sources ${folders})
  if(FOVEA_CPU_LEVELS AND FOVEA_HAS_CUDA)
    fovea_compile_device_once(sources)
  endif()
  add_library(${name} ${arg_TYPE} ${sources})
  target_link_libraries(${name} PUBLIC fovea_flags)
endfunction()

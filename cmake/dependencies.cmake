# What Fovea does not write itself. scripts/setup installs all of it.
option(FOVEA_FETCH "Download small libraries that are not installed, pinned by their hashes" $ENV{FOVEA_FETCH})

# fovea_find(PACKAGE OLDEST URL SHA256 [FetchContent's options…]): the installed one, or with FOVEA_FETCH this one.
function(fovea_find package oldest url hash)
  find_package(${package} QUIET)
  if(${package}_FOUND)
    if(${package}_VERSION VERSION_LESS oldest)
      message(FATAL_ERROR "${package} ${${package}_VERSION} is too old (${oldest} is needed): remove its package, and run scripts/setup")
    endif()
    return()
  endif()
  if(NOT FOVEA_FETCH)
    message(FATAL_ERROR "${package} is not installed: run scripts/setup, or configure with -DFOVEA_FETCH=ON to download it")
  endif()
  include(FetchContent)
  set(BUILD_SHARED_LIBS OFF)
  set(CMAKE_POSITION_INDEPENDENT_CODE ON)
  set(CMAKE_POLICY_VERSION_MINIMUM 3.5)  # what some ask for, CMake 4 no longer takes
  FetchContent_Declare(${package} URL ${url} URL_HASH SHA256=${hash} SYSTEM ${ARGN})
  FetchContent_MakeAvailable(${package})
endfunction()
set(github https://github.com)
fovea_find(fmt 0 ${github}/fmtlib/fmt/archive/refs/tags/10.2.1.tar.gz 1250e4cc58bf06ee631567523f48848dc4596133e163f02615c97f78bab6c811)
fovea_find(simdjson 3.0 ${github}/simdjson/simdjson/archive/refs/tags/v3.6.0.tar.gz
  9eab3197231382b8b99d14d8ca647d6ab6bea1b40008df086d25e6f687309bf6)
fovea_find(tomlplusplus 0 ${github}/marzer/tomlplusplus/archive/refs/tags/v3.4.0.tar.gz
  8517f65938a4faae9ccf8ebb36631a38c1cadfb5efa85d9a72e15b9e97d25155)
fovea_find(pugixml 0 ${github}/zeux/pugixml/releases/download/v1.14/pugixml-1.14.tar.gz
  2f10e276870c64b1db6809050a75e11a897a8d7456c4be5c6b2e35a11168a015)
fovea_find(yaml-cpp 0 ${github}/jbeder/yaml-cpp/archive/refs/tags/0.8.0.tar.gz
  fbe74bbdcee21d656715688706da3c8becfd946d92cd44705cc6098bb23b3a16)
# Debian's packages of these two have no CMake config.
find_path(CLI11_INCLUDE_DIR CLI/CLI.hpp)
if(NOT CLI11_INCLUDE_DIR)
  fovea_find(CLI11 0 ${github}/CLIUtils/CLI11/archive/refs/tags/v2.4.1.tar.gz
    73b7ec52261ce8fe980a29df6b4ceb66243bb0b779451dbd3d014cfec9fdbb58)
  get_target_property(CLI11_INCLUDE_DIR CLI11::CLI11 INTERFACE_INCLUDE_DIRECTORIES)
endif()
find_path(XXHASH_INCLUDE_DIR xxhash.h)
find_library(XXHASH_LIBRARY xxhash)
if(NOT XXHASH_INCLUDE_DIR OR NOT XXHASH_LIBRARY)
  fovea_find(xxHash 0 ${github}/Cyan4973/xxHash/archive/refs/tags/v0.8.2.tar.gz
    baee0c6afd4f03165de7a4e67988d16f0f2b257b51d0e3cb91909302a26a79c4 SOURCE_SUBDIR cmake_unofficial)
  set(XXHASH_LIBRARY xxHash::xxhash)
  get_target_property(XXHASH_INCLUDE_DIR xxHash::xxhash INTERFACE_INCLUDE_DIRECTORIES)
endif()

find_package(OpenMP REQUIRED COMPONENTS CXX)
# Found by hand: the package's own CMake config demands OpenCL, which is not needed here.
set(onednn ${PROJECT_SOURCE_DIR}/build/third_party/onednn)  # where the distribution's is too old
find_path(DNNL_INCLUDE_DIR oneapi/dnnl/dnnl.hpp HINTS ${onednn}/include REQUIRED)
find_library(DNNL_LIBRARY dnnl HINTS ${onednn}/lib REQUIRED)
add_library(DNNL::dnnl UNKNOWN IMPORTED)
set_target_properties(DNNL::dnnl PROPERTIES IMPORTED_LOCATION ${DNNL_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES ${DNNL_INCLUDE_DIR})
find_package(JPEG REQUIRED)
find_package(PNG REQUIRED)
find_package(ZLIB REQUIRED)
find_package(TIFF REQUIRED)
# libwebp's own CMake config is not in Debian's package.
find_path(WEBP_INCLUDE_DIR webp/decode.h REQUIRED)
find_library(WEBP_LIBRARY webp REQUIRED)
find_library(WEBP_DEMUX_LIBRARY webpdemux REQUIRED)
add_library(webp::webp INTERFACE IMPORTED)
set_target_properties(webp::webp PROPERTIES INTERFACE_INCLUDE_DIRECTORIES ${WEBP_INCLUDE_DIR}
  INTERFACE_LINK_LIBRARIES "${WEBP_DEMUX_LIBRARY};${WEBP_LIBRARY}")
# Text in pictures. libraqm and HarfBuzz have no CMake config in Debian's packages.
find_package(Freetype REQUIRED)
find_path(RAQM_INCLUDE_DIR raqm.h REQUIRED)
find_library(RAQM_LIBRARY raqm REQUIRED)
find_path(HARFBUZZ_INCLUDE_DIR hb.h PATH_SUFFIXES harfbuzz REQUIRED)
find_library(HARFBUZZ_LIBRARY harfbuzz REQUIRED)
add_library(harfbuzz::harfbuzz INTERFACE IMPORTED)
set_target_properties(harfbuzz::harfbuzz PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${HARFBUZZ_INCLUDE_DIR}"
  INTERFACE_LINK_LIBRARIES "${HARFBUZZ_LIBRARY}")
add_library(raqm::raqm INTERFACE IMPORTED)
set_target_properties(raqm::raqm PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${RAQM_INCLUDE_DIR}"
  INTERFACE_LINK_LIBRARIES "${RAQM_LIBRARY};harfbuzz::harfbuzz;Freetype::Freetype")
# Its header alone: the library is found when something is downloaded (tools/weights/download.cpp).
find_path(CURL_INCLUDE_DIR curl/curl.h REQUIRED)
include(cmake/font.cmake)
# ONNX's protobuf definition, for exported models: of Debian's package only these messages, not its operators, which its CMake
# config links to.
find_path(ONNX_INCLUDE_DIR onnx/onnx_pb.h REQUIRED)
find_library(ONNX_PROTO_LIBRARY onnx_proto REQUIRED)
find_package(Protobuf REQUIRED)
add_library(onnx::proto INTERFACE IMPORTED)
set_target_properties(onnx::proto PROPERTIES INTERFACE_INCLUDE_DIRECTORIES ${ONNX_INCLUDE_DIR}
  INTERFACE_LINK_LIBRARIES "${ONNX_PROTO_LIBRARY};protobuf::libprotobuf")
find_package(Threads REQUIRED)

# MPI starts the ranks of a training that mpirun launched; without it they find each other over TCP.
set(FOVEA_MPI "AUTO" CACHE STRING "Ranks started by mpirun: AUTO (where MPI is found), ON or OFF")
set_property(CACHE FOVEA_MPI PROPERTY STRINGS AUTO ON OFF)
set(FOVEA_HAS_MPI OFF)
if(NOT FOVEA_MPI STREQUAL "OFF")
  set(MPI_CXX_SKIP_MPICXX ON)
  find_package(MPI COMPONENTS CXX)
  if(MPI_CXX_FOUND)
    set(FOVEA_HAS_MPI ON)
  elseif(FOVEA_MPI STREQUAL "ON")
    message(FATAL_ERROR "FOVEA_MPI=ON, but no MPI was found: install libopenmpi-dev, or configure with -DFOVEA_MPI=OFF")
  endif()
endif()
message(STATUS "Fovea: MPI ${FOVEA_HAS_MPI}")

set(FOVEA_HAS_NCCL OFF)
if(FOVEA_HAS_CUDA)
  find_path(NCCL_INCLUDE_DIR nccl.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
  if(NCCL_INCLUDE_DIR)
    set(FOVEA_HAS_NCCL ON)
  endif()
  message(STATUS "Fovea: NCCL ${FOVEA_HAS_NCCL}")
endif()

# cuBLASLt is found when the program runs, and not needed; without its header 1x1 convolutions run through cuDNN alone.
set(FOVEA_HAS_CUBLASLT OFF)
if(FOVEA_HAS_CUDA)
  find_path(CUBLASLT_INCLUDE_DIR cublasLt.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
  if(CUBLASLT_INCLUDE_DIR)
    set(FOVEA_HAS_CUBLASLT ON)
  endif()
  message(STATUS "Fovea: cuBLASLt ${FOVEA_HAS_CUBLASLT}")
endif()

# cuDNN is found when the program runs; only its headers are needed here, and those of its C++ frontend.
if(FOVEA_HAS_CUDA)
  file(GLOB python_cudnn /usr/lib/python3*/*-packages/nvidia/cudnn/include /usr/local/lib/python3*/*-packages/nvidia/cudnn/include
       $ENV{VIRTUAL_ENV}/lib/python3*/site-packages/nvidia/cudnn/include)
  find_path(CUDNN_INCLUDE_DIR cudnn_graph.h HINTS ${CUDAToolkit_INCLUDE_DIRS} ${python_cudnn})
  find_path(CUDNN_FRONTEND_INCLUDE_DIR cudnn_frontend.h
            HINTS ${PROJECT_SOURCE_DIR}/build/third_party/cudnn_frontend/include)
  if(NOT CUDNN_INCLUDE_DIR)
    message(FATAL_ERROR "The CUDA toolkit has no cudnn_graph.h: install cuDNN 9's headers (Debian package libcudnn9-dev-cuda-13 of NVIDIA's "
                        "repository, or Python's nvidia-cudnn-cu13), name their folder by -DCUDNN_INCLUDE_DIR=..., or use -DFOVEA_CUDA=OFF")
  endif()
  if(NOT CUDNN_FRONTEND_INCLUDE_DIR)
    message(FATAL_ERROR "There is no cudnn_frontend.h: run scripts/setup with nvcc on PATH, or name its folder by -DCUDNN_FRONTEND_INCLUDE_DIR=...")
  endif()
  add_library(cudnn_headers INTERFACE)
  target_include_directories(cudnn_headers SYSTEM INTERFACE ${CUDNN_INCLUDE_DIR} ${CUDNN_FRONTEND_INCLUDE_DIR})
endif()

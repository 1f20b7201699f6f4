# What Fovea does not write itself. scripts/setup installs all of it.
find_package(OpenMP REQUIRED COMPONENTS CXX)
# Found by hand: the package's own CMake config demands OpenCL, which is not needed here.
find_path(DNNL_INCLUDE_DIR oneapi/dnnl/dnnl.hpp REQUIRED)
find_library(DNNL_LIBRARY dnnl REQUIRED)
add_library(DNNL::dnnl UNKNOWN IMPORTED)
set_target_properties(DNNL::dnnl PROPERTIES IMPORTED_LOCATION ${DNNL_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES ${DNNL_INCLUDE_DIR})
find_package(fmt REQUIRED)
find_package(simdjson REQUIRED)
find_package(JPEG REQUIRED)
find_package(PNG REQUIRED)
find_package(tomlplusplus REQUIRED)
find_package(Threads REQUIRED)
find_path(XXHASH_INCLUDE_DIR xxhash.h REQUIRED)
find_library(XXHASH_LIBRARY xxhash REQUIRED)
find_path(CLI11_INCLUDE_DIR CLI/CLI.hpp REQUIRED)

# cuDNN is found when the program runs; only its headers are needed here, and those of its C++ frontend.
if(FOVEA_HAS_CUDA)
  file(GLOB python_cudnn /usr/lib/python3*/*-packages/nvidia/cudnn/include /usr/local/lib/python3*/*-packages/nvidia/cudnn/include
       $ENV{VIRTUAL_ENV}/lib/python3*/site-packages/nvidia/cudnn/include)
  find_path(CUDNN_INCLUDE_DIR cudnn_graph.h HINTS ${CUDAToolkit_INCLUDE_DIRS} ${python_cudnn})
  find_path(CUDNN_FRONTEND_INCLUDE_DIR cudnn_frontend.h
            HINTS ${PROJECT_SOURCE_DIR}/build/third_party/cudnn-frontend/include)
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

# Every compile setting of the project, in one place.
#
# Floating point, on every target: contraction OFF (a*b+c rounds twice unless the source says fma()), so that the CPU and
# the GPU round alike and integer decisions (matching, NMS) fall alike; no fast-math (NaN and infinity keep their meaning);
# no errno and no trapping from math functions, without which nothing is vectorized.
#
# FOVEA_MARCH is the CPU to build for. "levels": any x86-64-v2 CPU; the kernels, a shared library then, are compiled for each
# of FOVEA_CPU_LEVELS, and the one for the CPU is loaded when the program starts (kernels/CMakeLists.txt). "": the compiler's
# own choice. Else what -march takes.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  set(march_default levels)
endif()
set(FOVEA_MARCH "${march_default}" CACHE STRING "CPU to build for: levels (x86-64-v2 to v4, chosen at start), native, x86-64-v3 ...")
set(FOVEA_CPU_LEVELS)
if(FOVEA_MARCH STREQUAL "levels")
  set(FOVEA_CPU_LEVELS x86-64-v2 x86-64-v3 x86-64-v4)
  set(march -march=$<IF:$<BOOL:$<TARGET_PROPERTY:FOVEA_CPU_LEVEL>>,$<TARGET_PROPERTY:FOVEA_CPU_LEVEL>,x86-64-v2>)
  set(march_of_nvcc -march=x86-64-v2)  # see fovea_compile_device_once
elseif(FOVEA_MARCH)
  set(march -march=${FOVEA_MARCH})
  set(march_of_nvcc ${march})
endif()
option(FOVEA_WERROR "Warnings are errors (scripts/test --werror)" OFF)
set(FOVEA_SANITIZE "" CACHE STRING "Sanitizers for the whole build, e.g. address,undefined or thread")

set(FOVEA_HOST_FLAGS -ffp-contract=off -fno-math-errno -fno-trapping-math -fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=)
set(FOVEA_WARNINGS -Wall -Wextra -Wno-unknown-pragmas -Wno-missing-field-initializers)
if(FOVEA_WERROR)
  list(APPEND FOVEA_WARNINGS -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # A loop that it did not vectorize; and std::stable_sort of gcc 12's library, which uses what the standard deprecates.
  list(APPEND FOVEA_WARNINGS -Wno-pass-failed -Wno-deprecated-declarations)
  # What clang 19 says to its own -march=native on CPUs with AVX10; older ones do not know the warning.
  list(APPEND FOVEA_WARNINGS -Wno-unknown-warning-option -Wno-invalid-feature-combination)
endif()

if(CMAKE_BUILD_TYPE STREQUAL "Release")
  set(CMAKE_CXX_FLAGS_RELEASE "-O3 -DNDEBUG")
endif()

if(FOVEA_SANITIZE)
  list(APPEND FOVEA_HOST_FLAGS -fsanitize=${FOVEA_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${FOVEA_SANITIZE})
  if(FOVEA_SANITIZE MATCHES "undefined")
    list(APPEND FOVEA_HOST_FLAGS -fno-sanitize-recover=undefined)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    list(APPEND FOVEA_WARNINGS -Wno-maybe-uninitialized)  # instrumentation makes gcc report std::regex and std::function
  endif()
endif()

# CMake 3.25 does not know the standard's option of nvcc 13.
set(FOVEA_CUDA_FLAGS -std=c++20 -fmad=false --expt-relaxed-constexpr -Xcompiler=-fopenmp)
if(FOVEA_WERROR)
  list(APPEND FOVEA_CUDA_FLAGS -Werror=all-warnings)
endif()
list(LENGTH CMAKE_CUDA_ARCHITECTURES architectures)
if(architectures GREATER 1)
  list(APPEND FOVEA_CUDA_FLAGS -Xfatbin=-compress-all)
endif()
foreach(flag IN LISTS march_of_nvcc FOVEA_HOST_FLAGS)
  list(APPEND FOVEA_CUDA_FLAGS -Xcompiler=${flag})
endforeach()

add_library(fovea_flags INTERFACE)
target_compile_features(fovea_flags INTERFACE cxx_std_20)
target_compile_options(fovea_flags INTERFACE
  "$<$<COMPILE_LANGUAGE:CXX>:${march};${FOVEA_HOST_FLAGS};${FOVEA_WARNINGS}>"
  "$<$<COMPILE_LANG_AND_ID:CXX,GNU>:-fpch-preprocess>"  # ccache: files with a precompiled header
  # As clang: functions of one file inline although their library is position independent. (Levels of kernels have it anyway.)
  "$<$<AND:$<BOOL:${FOVEA_SHARED}>,$<NOT:$<BOOL:$<TARGET_PROPERTY:FOVEA_CPU_LEVEL>>>,$<COMPILE_LANG_AND_ID:CXX,GNU>>:-fno-semantic-interposition>"
  "$<$<COMPILE_LANGUAGE:CUDA>:${FOVEA_CUDA_FLAGS}>")
target_include_directories(fovea_flags INTERFACE ${PROJECT_SOURCE_DIR})

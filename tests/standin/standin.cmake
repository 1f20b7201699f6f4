# The stand-in for the CUDA runtime, the program linked to it, and the tests of what it lets run.
file(GLOB standin CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/*.cpp)
# These take the place of files of fovea_kernels.
set(seams ${CMAKE_CURRENT_LIST_DIR}/cudnn_runtime.cpp ${CMAKE_CURRENT_LIST_DIR}/plan_double.cpp)
set(cublaslt ${CMAKE_CURRENT_LIST_DIR}/cublaslt.cpp ${CMAKE_CURRENT_LIST_DIR}/cublaslt_standin.cpp)
file(GLOB nccl CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/nccl*.cpp)
list(REMOVE_ITEM standin ${seams} ${nccl} ${cublaslt})
if(FOVEA_HAS_CUBLASLT)
  list(APPEND seams ${cublaslt})
endif()
add_library(fovea_standin_cudart STATIC ${standin})
target_link_libraries(fovea_standin_cudart PUBLIC fovea_flags)
target_include_directories(fovea_standin_cudart PUBLIC ${CUDAToolkit_INCLUDE_DIRS})
string(REPLACE ";" "," architectures "${CMAKE_CUDA_ARCHITECTURES}")
target_compile_definitions(fovea_standin_cudart PRIVATE FOVEA_TEST_DATA="${CMAKE_CURRENT_SOURCE_DIR}/data"
  FOVEA_CUDA_ARCHITECTURES="${architectures}")

add_library(fovea_standin_seams OBJECT ${seams})
target_link_libraries(fovea_standin_seams PUBLIC fovea_flags PRIVATE cudnn_headers)
target_include_directories(fovea_standin_seams PRIVATE ${CUDAToolkit_INCLUDE_DIRS})

# A libnccl.so.2 for programs that are linked to the stand-in, and give it the stand-in's own functions.
if(FOVEA_HAS_NCCL)
  add_library(fovea_standin_nccl SHARED ${nccl})
  target_link_libraries(fovea_standin_nccl PRIVATE fovea_flags)
  target_include_directories(fovea_standin_nccl SYSTEM PRIVATE ${NCCL_INCLUDE_DIR} ${CUDAToolkit_INCLUDE_DIRS})
  set_target_properties(fovea_standin_nccl PROPERTIES OUTPUT_NAME nccl SUFFIX .so.2 CXX_VISIBILITY_PRESET default
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/standin_nccl)
endif()

# Links an executable to the stand-in. Its own objects come first, so that seams win over the files they replace.
function(fovea_use_standin name)
  target_link_options(${name} PRIVATE LINKER:--export-dynamic-symbol=_ZN7standin* LINKER:--export-dynamic-symbol=cuda*)
  set_target_properties(${name} PROPERTIES FOVEA_STANDIN ON)
  target_sources(${name} PRIVATE $<TARGET_OBJECTS:fovea_standin_seams>)
endfunction()

add_executable(fovea_standin $<TARGET_OBJECTS:fovea>)
target_link_libraries(fovea_standin PRIVATE fovea_cli)
set_target_properties(fovea_standin PROPERTIES LINKER_LANGUAGE CXX)
fovea_use_standin(fovea_standin)

file(GLOB sources CONFIGURE_DEPENDS cuda/*.cpp)
if(NOT FOVEA_HAS_CUBLASLT)
  list(FILTER sources EXCLUDE REGEX "matmul_test")
  fovea_left_out("cuda: products by cuBLASLt" "the build has no cuBLASLt")
endif()
add_executable(test_cuda ${sources} $<TARGET_OBJECTS:fovea_api_parts>)
target_link_libraries(test_cuda PRIVATE fovea_test_support fovea_cli)
target_include_directories(test_cuda PRIVATE ${PROJECT_BINARY_DIR}/include)  # <fovea/fovea.h>
target_compile_definitions(test_cuda PRIVATE FOVEA_STANDIN_BINARY="$<TARGET_FILE:fovea_standin>")
target_include_directories(test_cuda SYSTEM PRIVATE ${CUDAToolkit_INCLUDE_DIRS})
target_precompile_headers(test_cuda REUSE_FROM fovea_test_support)
fovea_use_standin(test_cuda)
add_dependencies(test_cuda fovea fovea_standin)
if(FOVEA_HAS_NCCL)
  target_compile_definitions(test_cuda PRIVATE FOVEA_STANDIN_NCCL="$<TARGET_FILE:fovea_standin_nccl>")
  add_dependencies(test_cuda fovea_standin_nccl)
else()
  fovea_left_out("cuda: ranks over NCCL" "the build has no NCCL")
endif()
fovea_discover_tests(test_cuda cuda)

# The tests of kernels and of whole networks again, as a GPU runs them: launches and copies through the runtime, in the
# memory that it gives, convolutions by plan.
foreach(layer kernels model)
  add_executable(standin_${layer} $<TARGET_OBJECTS:test_${layer}>)
  target_link_libraries(standin_${layer} PRIVATE fovea_test_support ${library_${layer}})
  set_target_properties(standin_${layer} PROPERTIES LINKER_LANGUAGE CXX)
  fovea_use_standin(standin_${layer})
endforeach()
set(device "FOVEA_TEST_DEVICE=cuda;OMP_WAIT_POLICY=passive")
add_test(NAME "cuda: standin: kernel tests in device memory" COMMAND standin_kernels)
set_tests_properties("cuda: standin: kernel tests in device memory" PROPERTIES ENVIRONMENT "${device}")
add_test(NAME "cuda: standin: golden networks by plan" COMMAND standin_model "[golden]")
set_tests_properties("cuda: standin: golden networks by plan" PROPERTIES ENVIRONMENT "${device}")

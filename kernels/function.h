// FN marks a function that runs on both targets, in line.
#pragma once

#if defined(__CUDACC__)
#define FN __host__ __device__ __forceinline__
#else
#define FN inline __attribute__((always_inline))
#endif

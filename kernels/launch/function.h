// FN marks a function that runs on both targets, in line; FN_APART one that is never inlined.
#pragma once

#if defined(__CUDACC__)
#define FN __host__ __device__ __forceinline__
#define FN_APART __host__ __device__ __attribute__((noinline))
#else
#define FN inline __attribute__((always_inline))
#define FN_APART __attribute__((noinline))
#endif

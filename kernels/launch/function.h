// FOVEA_HD marks a function that runs on both targets, in line; FOVEA_HD_NOINLINE one that is never inlined.
#pragma once

#if defined(__CUDACC__)
#define FOVEA_HD __host__ __device__ __forceinline__
#define FOVEA_HD_NOINLINE __host__ __device__ __attribute__((noinline))
#else
#define FOVEA_HD inline __attribute__((always_inline))
#define FOVEA_HD_NOINLINE __attribute__((noinline))
#endif

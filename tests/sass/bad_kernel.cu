// Kernels with the faults that scripts/sass_report is to find.

// More values than the 32 registers that 2048 threads leave to each.
__global__ void __launch_bounds__(1024, 2) Spills(const float* x, float* y) {
  float value[48];
  for (int k = 0; k < 48; ++k) value[k] = x[threadIdx.x + k * 1024];
  __syncthreads();
  for (int k = 0; k < 48; ++k) y[threadIdx.x + k * 1024] = value[k] * value[47 - k] + value[(k * 7) % 48];
}

// An array with a place known at run time only lies in local memory.
__global__ void __launch_bounds__(256) Indexed(const int* at, float* y) {
  float value[64] = {};
  for (int k = 0; k < at[0]; ++k) value[at[k] % 64] += y[k];
  for (int k = 0; k < at[1]; ++k) y[k * 256 + threadIdx.x] = value[at[k + 256] % 64];
}

// Single elements, a special function each, and scratch that leaves room for few blocks.
__global__ void __launch_bounds__(64) Narrow(const float* x, float* y, int n) {
  __shared__ float scratch[11 * 1024];
  for (int i = threadIdx.x; i < n; i += 64) {
    scratch[i % 11264] = x[i];
    y[i] = __expf(x[i]);
  }
  __syncthreads();
  y[n + threadIdx.x] = scratch[threadIdx.x * 3];
}

// Devices known by their descriptions, for plans and tables on machines that have none of them.
#pragma once

namespace fovea::cudnn {

// NVIDIA H200 (SXM, 141 GB), in the form of cuDNN's CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION. The values are the
// public ones of cudaDeviceProp: compute capability 9.0, 132 multiprocessors, 227 KiB of shared memory a block, 60 MiB
// of L2.
inline constexpr const char* kH200 =
    R"({"deviceVer": 900, "driverVer": 13000, "cudaDeviceId": 0, "maxGridSize": [2147483647, 65535, 65535],)"
    R"( "maxBlockSize": [1024, 1024, 64], "regsPerBlock": 65536, "multiProcessorCount": 132, "warpSize": 32,)"
    R"( "maxSharedMemoryPerBlock": 49152, "maxSharedMemoryPerBlockOptin": 232448,)"
    R"( "reservedSharedMemoryPerBlock": 1024, "maxRegistersPerSM": 65536, "maxCtasPerSM": 32,)"
    R"( "maxThreadsPerBlock": 1024, "maxThreadsPerSM": 2048, "pciDeviceId": 0, "isTccDriver": 0,)"
    R"( "supportCoopLaunch": 1, "smClockRateKHz": 1980000, "memClockRateKHz": 3201000, "l2CacheSize": 62914560,)"
    R"( "totalGlobalMem": 150754820096, "deviceName": "NVIDIA H200"})";

}  // namespace fovea::cudnn

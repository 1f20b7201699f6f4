// What holds for all commands: exit codes, and the environment variables that users may set. One list, for the man
// pages.
#pragma once

namespace fovea {

struct ReferenceEntry {
  const char *name, *text;
};

inline constexpr ReferenceEntry kExitCodes[] = {
    {"0", "Success."},
    {"1", "A run-time error: a file that cannot be written, a device that fails."},
    {"2", "Wrong usage or configuration."},
    {"3", "A fault in the data."},
    {"4", "Training diverged."},
    {"5", "Out of memory."},
    {"130", "Interrupted; training has saved its state."},
};

inline constexpr ReferenceEntry kEnvironment[] = {
    {"FOVEA_SET",
     "Settings as \"key=value key=value\". They come after the preset and the configuration file, and before --set."},
    {"FOVEA_CPU_LEVEL",
     "x86-64-v2, x86-64-v3 or x86-64-v4: use the kernels of this level, at most the CPU's own (by "
     "GLIBC_TUNABLES)."},
    {"FOVEA_FONT",
     "A font file (.ttf, .otf, .ttc) for names in pictures, before the program's own font. It is needed for "
     "characters that this one lacks."},
    {"FOVEA_RANK_TIMEOUT", "The default of --rank-timeout, in seconds."},
    {"FOVEA_CUDNN, FOVEA_CUBLASLT, FOVEA_NVRTC, FOVEA_NCCL",
     "Where NVIDIA's library is: its file, or the folder that holds it. No other place is searched then."},
    {"FOVEA_WEIGHTS_URL", "The default of --mirror of fovea weights get."},
    {"FOVEA_CURL", "Where libcurl is, which fetches weights: its file. No other place is searched then."},
    {"CURL_CA_BUNDLE, SSL_CERT_FILE", "The file of certificates that downloads are verified with."},
    {"https_proxy, http_proxy, all_proxy, no_proxy", "Proxies of downloads, as curl takes them."},
    {"XDG_CACHE_HOME, HOME",
     "Results of GPU checks and plans of convolutions are kept in $XDG_CACHE_HOME/fovea, or else in "
     "$HOME/.cache/fovea."},
    {"OMP_NUM_THREADS",
     "CPU threads of a process (default: one for each core, shared between the ranks on a machine)."},
    {"OMP_PROC_BIND, OMP_PLACES, GOMP_CPU_AFFINITY",
     "Where threads run. Without them each stays on a core of its own if they are as many as cores."},
    {"GOMP_SPINCOUNT", "How often a thread that waits looks again before it sleeps (default: for 150 microseconds)."},
    {"OMP_WAIT_POLICY", "\"active\" lets threads without work keep their cores busy, \"passive\" lets them sleep."},
    {"ONEDNN_MAX_CPU_ISA", "The newest instruction set that convolutions may use, e.g. AVX2."},
    {"CUDA_VISIBLE_DEVICES", "The GPUs that may be used, e.g. \"0,1\"; empty: none."},
    {"CUDA_HOME, CUDA_PATH, VIRTUAL_ENV, CONDA_PREFIX, PATH",
     "Where NVIDIA's libraries are searched for besides the system's folders: in the CUDA toolkit, in the environments "
     "of Python and conda, and beside the python3 that is first on PATH."},
    {"RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT",
     "Start a process as one of several ranks of a training, as torchrun sets them. Without them those of Open MPI "
     "(OMPI_COMM_WORLD_SIZE), SLURM (SLURM_PROCID, SLURM_NTASKS, SLURM_STEP_ID, SLURM_JOB_ID, SLURM_STEP_NODELIST, "
     "SLURM_JOB_NODELIST) and PMI (PMI_SIZE) count; TORCHELASTIC_USE_AGENT_STORE says who listens at MASTER_PORT."},
    {"NCCL_GRAPH_REGISTER", "1 lets NCCL register the buffers of recorded sums (default: 0)."},
    {"TERM", "With \"dumb\" progress is printed in lines, as to a file."},
    {"OMPI_COMM_WORLD_RANK", "Set by Open MPI for each rank: progress is printed in lines, as to a file."},
};

}  // namespace fovea

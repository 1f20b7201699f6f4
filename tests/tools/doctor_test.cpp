// `fovea doctor`: what it concludes from a machine's facts, and how it reads them.
#include <simdjson.h>
#include <stdlib.h>

#include <algorithm>
#include <fstream>

#include "tests/support/catch.h"
#include "tests/support/process.h"
#include "tests/support/temporary_folder.h"
#include "tools/device/doctor.h"

using namespace fovea;
using namespace fovea::test;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

MachineFacts usual_machine() {
  MachineFacts facts;
  facts.cpu = "A CPU";
  facts.instruction_set = "AVX2";
  facts.cpu_level = facts.kernel_level = "x86-64-v3";
  facts.convolution_library = "oneDNN 2.6.3";
  facts.cores = facts.usable_cores = facts.threads = 8;
  facts.memory = 16ull << 30;
  facts.free_memory = 8ull << 30;
  facts.system = "debian ";
  facts.cache_folder = "/home/a/.cache/fovea";
  facts.cache_writable = true;
  return facts;
}

// A build with CUDA 13.0 on a machine with a GPU and all libraries.
MachineFacts gpu_machine() {
  MachineFacts facts = usual_machine();
  facts.gpus = {"NVIDIA H200"};
  facts.driver = "580.65.06";
  facts.cuda_build = true;
  facts.gpu_status.driver = facts.gpu_status.runtime = 13000;
  facts.gpu_status.devices = {{.name = "NVIDIA H200", .memory = 141ull << 30, .major = 9}};
  for (const char* name : {"cuDNN", "cuBLASLt", "NVRTC", "NCCL"})
    facts.libraries.push_back({.name = name, .version = "1.2.3", .path = std::string("/lib/") + name});
  return facts;
}

void lose(MachineFacts& facts, const std::string& library) {
  for (GpuLibrary& of : facts.libraries)
    if (of.name == library) of = {.name = library, .problem = library + " was not found", .without = "it is slow"};
}

Finding finding(const MachineFacts& facts, const std::string& what) {
  const auto all = findings_of(facts);
  const auto found = std::find_if(all.begin(), all.end(), [&](const Finding& of) { return of.what == what; });
  UNSCOPED_INFO(what);
  REQUIRE(found != all.end());
  return *found;
}

int broken(const MachineFacts& facts) {
  const auto all = findings_of(facts);
  return static_cast<int>(std::count_if(all.begin(), all.end(), [](auto& of) { return of.mark == Mark::Broken; }));
}

void write(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << text;
}

}  // namespace

TEST_CASE("doctor finds nothing wrong on a machine that has all, and says what is to be done wherever it does",
          "[doctor]") {
  for (const MachineFacts& facts : {usual_machine(), gpu_machine()})
    for (const Finding& of : findings_of(facts)) {
      CAPTURE(of.what, of.text);
      CHECK((of.mark == Mark::Ok || of.mark == Mark::NotNeeded || of.what == "MPI"));
      CHECK(!of.text.empty());
      CHECK(of.text.find('\n') == std::string::npos);
    }
  MachineFacts facts = gpu_machine();
  facts.libraries.clear();
  lose(facts, "cuDNN");
  for (const char* library : {"cuDNN", "cuBLASLt", "NVRTC", "NCCL"})
    facts.libraries.push_back({.name = library, .problem = "none"});
  facts.gpu_status.devices.push_back(facts.gpu_status.devices[0]);
  facts.threads = 64;
  facts.cache_writable = false;
  for (const Finding& of : findings_of(facts)) {
    CAPTURE(of.what, of.text);
    if (of.mark == Mark::Slow || of.mark == Mark::Missing) CHECK(!of.mend.empty());
  }
}

TEST_CASE("doctor: a GPU with a driver and without cuDNN is broken", "[doctor]") {
  MachineFacts facts = gpu_machine();
  CHECK(broken(facts) == 0);
  CHECK_THAT(finding(facts, "GPU").text, Contains("NVIDIA H200") && Contains("141.0 GiB") && Contains("9.0"));
  lose(facts, "cuDNN");
  CHECK(broken(facts) == 1);
  CHECK(finding(facts, "GPU").mark == Mark::Broken);
  const Finding cudnn = finding(facts, "cuDNN");
  CHECK(cudnn.mark == Mark::Missing);
  CHECK(cudnn.mend ==
        "sudo apt-get install libcudnn9-cuda-13 (from NVIDIA's repository), or in a virtual environment: "
        "pip install nvidia-cudnn-cu13");
}

TEST_CASE("doctor: a library without which work is slower is missing, not broken, and NCCL is for several GPUs",
          "[doctor]") {
  MachineFacts facts = gpu_machine();
  for (const char* library : {"cuBLASLt", "NVRTC", "NCCL"}) lose(facts, library);
  CHECK(broken(facts) == 0);
  CHECK(finding(facts, "NVRTC").mark == Mark::Missing);
  CHECK_THAT(finding(facts, "NVRTC").text, Contains("without it it is slow"));
  CHECK_THAT(finding(facts, "NVRTC").mend, Contains("cuda-nvrtc-13-0") && Contains("pip install nvidia-cuda-nvrtc"));
  CHECK_THAT(finding(facts, "cuBLASLt").mend, Contains("libcublas-13-0"));
  CHECK(finding(facts, "NCCL").mark == Mark::NotNeeded);
  facts.gpu_status.devices.push_back(facts.gpu_status.devices[0]);
  CHECK(finding(facts, "NCCL").mark == Mark::Missing);
}

TEST_CASE("doctor installs as the system does: sudo for users, pip alone in an environment, dnf on Fedora",
          "[doctor]") {
  MachineFacts facts = gpu_machine();
  lose(facts, "cuDNN");
  facts.root = true;
  CHECK_THAT(finding(facts, "cuDNN").mend, Catch::StartsWith("apt-get install libcudnn9-cuda-13"));
  facts.system = "fedora ";
  CHECK_THAT(finding(facts, "cuDNN").mend, Catch::StartsWith("dnf install"));
  facts.system = "nixos ";
  CHECK(finding(facts, "cuDNN").mend == "pip install nvidia-cudnn-cu13 (in a virtual environment)");
  facts.in_python_environment = true;
  CHECK(finding(facts, "cuDNN").mend == "pip install nvidia-cudnn-cu13");
  facts.gpu_status.runtime = 12080;
  lose(facts, "cuBLASLt");
  CHECK(finding(facts, "cuDNN").mend == "pip install nvidia-cudnn-cu12");
  CHECK(finding(facts, "cuBLASLt").mend == "pip install nvidia-cublas-cu12");
}

TEST_CASE("doctor: a program that pip installed gets NVIDIA's libraries by its own extra", "[doctor]") {
  MachineFacts facts = gpu_machine();
  lose(facts, "NVRTC");
  facts.in_wheel = true;
  CHECK(finding(facts, "NVRTC").mend == "pip install \"fovea-detector[cuda13]\"");
}

TEST_CASE("doctor: a library that a variable names in vain is mended at the variable", "[doctor]") {
  MachineFacts facts = gpu_machine();
  for (GpuLibrary& library : facts.libraries) {
    library.path.clear();
    library.problem = library.name + " was not found: FOVEA_CUBLASLT names /nowhere";
  }
  CHECK(finding(facts, "cuBLASLt").mend == "unset FOVEA_CUBLASLT");
  CHECK_THAT(finding(facts, "cuDNN").mend, Contains("libcudnn9-cuda-13"));
  facts.libraries[2].problem = "not looked for: its version depends on cuDNN";
  CHECK(finding(facts, "NVRTC").mend == "mend cuDNN first");
}

TEST_CASE("doctor: kernels below the CPU's level are slow, by the build or by a variable", "[doctor]") {
  MachineFacts facts = usual_machine();
  CHECK(finding(facts, "kernels").mark == Mark::Ok);
  facts.kernel_level = "x86-64-v2";
  CHECK(finding(facts, "kernels").mark == Mark::Slow);
  CHECK_THAT(finding(facts, "kernels").text, Contains("for x86-64-v2; this CPU has x86-64-v3"));
  CHECK_THAT(finding(facts, "kernels").mend, Contains("-DFOVEA_MARCH=native"));
  facts.glibc_limits_level = true;
  CHECK(finding(facts, "kernels").mend == "unset GLIBC_TUNABLES");
  facts.asked_cpu_level = facts.kernel_level;
  facts.max_cpu_isa = "SSE41";  // which FOVEA_CPU_LEVEL has set
  CHECK(finding(facts, "kernels").mend == "unset FOVEA_CPU_LEVEL");
  CHECK(finding(facts, "instruction set").mend.empty());
}

TEST_CASE("doctor: a driver that is missing, too old, or not in the container is named with its remedy", "[doctor]") {
  MachineFacts facts = gpu_machine();
  facts.driver.clear();
  facts.gpu_status = {.problem = "no driver", .runtime = 13000};
  CHECK(broken(facts) == 1);
  CHECK(finding(facts, "driver").mark == Mark::Missing);
  CHECK(finding(facts, "driver").mend == "sudo apt-get install nvidia-open (from NVIDIA's repository)");
  facts.system = "ubuntu debian";
  CHECK(finding(facts, "driver").mend == "sudo ubuntu-drivers install");
  facts.driver = "535.1";
  facts.gpu_status.driver = 12020;
  CHECK(finding(facts, "driver").mark == Mark::Broken);
  CHECK_THAT(finding(facts, "driver").text, Contains("535.1, for CUDA 12.2; this build needs CUDA 13.0"));
  facts.gpu_status.driver = 0;
  facts.in_container = true;
  CHECK_THAT(finding(facts, "driver").text, Contains("libcuda.so.1"));
  CHECK_THAT(finding(facts, "driver").mend, Contains("NVIDIA's container toolkit"));
}

TEST_CASE("doctor: a GPU beside a build without CUDA is no fault, and its user learns how to build", "[doctor]") {
  MachineFacts facts = usual_machine();
  facts.gpus = {"NVIDIA H200"};
  facts.driver = "580.65.06";
  CHECK(broken(facts) == 0);
  const Finding gpu = finding(facts, "GPU");
  CHECK(gpu.mark == Mark::Missing);
  CHECK_THAT(gpu.text, Contains("NVIDIA H200; this build has no CUDA"));
  CHECK_THAT(gpu.mend, Contains("apt-get install cuda-toolkit-13") && Contains("build Fovea with CUDA"));
  facts.has_nvcc = true;
  CHECK_THAT(finding(facts, "GPU").mend, Catch::StartsWith("build Fovea with CUDA"));
  facts.gpus.clear();
  CHECK(finding(facts, "GPU").mark == Mark::NotNeeded);
}

TEST_CASE("doctor: a GPU that is hidden needs nothing, and one that failed its check is broken", "[doctor]") {
  MachineFacts facts = gpu_machine();
  facts.gpu_check = "failed: wrong";
  facts.gpu_check_failed = true;
  CHECK(broken(facts) == 1);
  CHECK_THAT(finding(facts, "GPU check").mend, Contains("check the GPU again"));
  facts.gpus_hidden = true;
  facts.gpu_status = {.problem = "hidden", .driver = 13000, .runtime = 13000};
  lose(facts, "cuDNN");
  CHECK(broken(facts) == 0);
  CHECK(finding(facts, "GPU").mark == Mark::NotNeeded);
  CHECK(finding(facts, "cuDNN").mark == Mark::NotNeeded);
}

TEST_CASE("doctor: threads beside cores, the limits of the environment and of the control group", "[doctor]") {
  MachineFacts facts = usual_machine();
  facts.omp_num_threads = "16";
  facts.threads = 16;
  CHECK(finding(facts, "threads").mark == Mark::Slow);
  CHECK(finding(facts, "threads").mend == "unset OMP_NUM_THREADS");
  facts.threads = 1;
  facts.omp_num_threads = "1";
  CHECK_THAT(finding(facts, "threads").text, Contains("1 for 8 cores (OMP_NUM_THREADS=1): some are idle"));
  facts.threads = 8;
  facts.omp_num_threads.clear();
  facts.quota = 1.5;
  CHECK(finding(facts, "threads").mend == "export OMP_NUM_THREADS=2");
  facts.quota = 0;
  facts.omp_wait_policy = "active";
  CHECK(finding(facts, "threads").mend == "unset OMP_WAIT_POLICY");
  facts.max_cpu_isa = "SSE41";
  CHECK(finding(facts, "instruction set").mend == "unset ONEDNN_MAX_CPU_ISA");
  for (const char* no_limit : {"AVX2", "AVX512_CORE_BF16", "ALL", "foo", ""}) {
    facts.max_cpu_isa = no_limit;
    CAPTURE(no_limit);
    CHECK(finding(facts, "instruction set").mark == Mark::Ok);
  }
  facts.instruction_set = "SSE4.1";
  CHECK(finding(facts, "instruction set").mark == Mark::Slow);
}

TEST_CASE("doctor reads GPUs, driver, distribution, container and quotas from the system's files", "[doctor]") {
  const TemporaryFolder folder;
  const fs::path root = folder.path();
  CHECK(machine_facts(root).gpus.empty());
  CHECK(machine_facts(root).quota == 0);
  write(root / "sys/bus/pci/devices/0000:01:00.0/vendor", "0x8086\n");
  write(root / "sys/bus/pci/devices/0000:01:00.0/class", "0x030000\n");
  for (const auto& [place, kind] : {std::pair{"0000:02:00.0", "0x030200\n"}, {"0000:02:00.1", "0x040300\n"}}) {
    write(root / "sys/bus/pci/devices" / place / "vendor", "0x10de\n");
    write(root / "sys/bus/pci/devices" / place / "class", kind);
    write(root / "sys/bus/pci/devices" / place / "device", "0x2335\n");
  }
  write(root / "etc/os-release", "NAME=\"Ubuntu\"\nVERSION_ID=\"24.04\"\nID=ubuntu\nID_LIKE=debian\n");
  write(root / "proc/meminfo", "MemTotal:       16000000 kB\nMemFree: 1 kB\nMemAvailable:    8000000 kB\n");
  write(root / "proc/self/cgroup", "0::/a/b\n");
  write(root / "sys/fs/cgroup/a/cpu.max", "150000 100000\n");
  write(root / "sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  write(root / "sys/fs/cgroup/a/b/memory.max", "1073741824\n");
  MachineFacts facts = machine_facts(root);
  CHECK(facts.gpus == std::vector<std::string>{"an NVIDIA GPU (PCI device 10de:2335)"});
  CHECK(facts.driver.empty());
  CHECK(facts.system == "ubuntu debian");
  CHECK(!facts.in_container);
  CHECK(facts.quota == 1.5);
  CHECK(facts.memory == 1u << 30);
  write(root / "proc/self/cgroup", "5:memory:/a\n4:cpu,cpuacct:/a/b\n");
  write(root / "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "300000\n");
  write(root / "sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
  write(root / "sys/fs/cgroup/cpu/a/b/cpu.cfs_quota_us", "-1\n");
  write(root / "proc/driver/nvidia/gpus/0000:02:00.0/information", "Model: \t\t NVIDIA H200\nIRQ: 1\n");
  write(root / "sys/module/nvidia/version", "580.65.06\n");
  write(root / ".dockerenv", "");
  facts = machine_facts(root);
  CHECK(facts.quota == 3);
  CHECK(facts.memory == 16000000ull << 10);
  CHECK(facts.free_memory == 8000000ull << 10);
  CHECK(facts.gpus == std::vector<std::string>{"NVIDIA H200"});
  CHECK(facts.driver == "580.65.06");
  CHECK(facts.in_container);
}

TEST_CASE("doctor prints a line for each finding, and the same as JSON", "[doctor]") {
  const TemporaryFolder folder;
  const std::string script =
      "export OMP_NUM_THREADS=999 XDG_CACHE_HOME=" + folder.path().string() + "; exec \"$0\" \"$@\"";
  const auto text = run_fovea({"doctor"}, script), json = run_fovea({"doctor", "--json"}, script);
  CAPTURE(text.out, text.err, json.out);
  const bool broken = text.out.find("\nbroken ") != std::string::npos;
  CHECK(text.exit_code == (broken ? 1 : 0));
  CHECK(json.exit_code == text.exit_code);
  CHECK_THAT(text.out, Contains("cache: " + folder.path().string() + "/fovea can be written\n"));
  CHECK_THAT(text.out, Contains("OMP_NUM_THREADS=999"));
  simdjson::dom::parser parser;
  const simdjson::dom::element read = parser.parse(json.out);
  CHECK(text.out.starts_with(std::string(std::string_view(read["program"])) + "\n"));
  size_t findings = 0;
  for (const simdjson::dom::element finding : read["findings"].get_array()) {
    const std::string mark{std::string_view(finding["mark"])}, what{std::string_view(finding["what"])};
    CAPTURE(what);
    CHECK_THAT(text.out, Contains("\n" + mark + std::string(12 - mark.size(), ' ') + what + ": "));
    ++findings;
  }
  CHECK(findings >= 10);
}

TEST_CASE("doctor tells a cache that cannot be written", "[doctor]") {
  const auto none = run_fovea({"doctor"}, "unset XDG_CACHE_HOME HOME; exec \"$0\" \"$@\"");
  CHECK_THAT(none.out, Contains(" cache: no folder: neither XDG_CACHE_HOME nor HOME is set"));
  const TemporaryFolder folder;
  write(folder.path() / "file", "");
  const auto file =
      run_fovea({"doctor"}, "export XDG_CACHE_HOME=" + (folder.path() / "file").string() + "; exec \"$0\" \"$@\"");
  MachineFacts facts = gpu_machine();
  facts.cache_writable = false;
  CHECK(finding(facts, "cache").mark == Mark::Slow);
  CHECK_THAT(finding(facts, "cache").mend, Contains("XDG_CACHE_HOME"));
  facts.gpus.clear();
  CHECK(finding(facts, "cache").mark == Mark::Slow);
  facts.gpu_status.devices.clear();
  CHECK(finding(facts, "cache").mark == Mark::NotNeeded);
  CHECK_THAT(file.out, Contains("/file/fovea cannot be written"));
}

TEST_CASE("doctor is offered where it is misspelled", "[doctor]") {
  CHECK_THAT(run_fovea({"docter"}).err, Contains("unknown command 'docter'; did you mean 'doctor'?"));
  CHECK_THAT(run_fovea({"doctor", "--jsno"}).err, Contains("doctor has no option --jsno; did you mean '--json'?"));
}

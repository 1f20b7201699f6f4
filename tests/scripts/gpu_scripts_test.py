"""scripts/demo and scripts/test with and without a GPU, in a folder of their own with stubs for all that they call."""
import os
import shutil
import subprocess
import tempfile
import unittest

SCRIPTS = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "scripts")

CALLED = '#!/usr/bin/env bash\necho "${0##*/} $*" >>"$ROOT/calls"\n'
STUBS = {
    "nvidia-smi": '[[ -e $ROOT/gpu ]] || exit 9\necho "GPU 0: NVIDIA H200 (UUID: GPU-1)"\n',
    "nvcc": "",
    "ctest": "",
    "cmake": """[[ $1 == --build ]] || exit 0
[[ ! -e $ROOT/no_$3 ]] || { echo "kernel.cu(1): error: it does not compile" >&2; exit 1; }
mkdir -p "build/$3" && cp "$ROOT/fovea" "build/$3/fovea"
""",
}
FOVEA = """#!/usr/bin/env bash
echo "$0 $*" >>"$ROOT/calls"
case $1 in
  info)
    echo "passed: convolution, bf16"
    [[ -e $ROOT/passes ]] || { echo "fovea: the GPU failed: suppression; report: /cache/report.txt" >&2; exit 1; }
    echo "after 1.0 s: the GPU passed" ;;
esac
"""


class Machine:
    def __init__(self, *has):
        """`has`: "gpu", "passes" (its checks), "no_cuda" (that preset does not compile)."""
        self.root = tempfile.mkdtemp(prefix="gpu_scripts_test_")
        for name in ("demo", "test", "gpu_functions", "environment"):
            os.makedirs(os.path.join(self.root, "scripts"), exist_ok=True)
            shutil.copy(os.path.join(SCRIPTS, name), os.path.join(self.root, "scripts", name))
        os.mkdir(os.path.join(self.root, "build"))
        self.write("scripts/setup", CALLED)
        self.write("fovea", FOVEA)
        for name, text in STUBS.items():
            self.write("bin/" + name, CALLED + text)
        for name in has:
            self.write(name, "")

    def write(self, name, text):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o755)

    def run(self, script, *arguments):
        """Its exit code, stdout and stderr."""
        environment = {"ROOT": self.root, "PATH": os.path.join(self.root, "bin") + ":/usr/bin:/bin", "HOME": self.root}
        done = subprocess.run([os.path.join(self.root, "scripts", script), *arguments], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, env=environment, timeout=60)
        return done.returncode, done.stdout, done.stderr

    def calls(self):
        with open(os.path.join(self.root, "calls"), encoding="utf-8") as file:
            return file.read().splitlines()

    def fovea(self):
        """The commands that were run, each with the build and the device."""
        return [(call.split()[1], call.split("/")[1], call.partition("--device ")[2].partition(" ")[0])
                for call in self.calls() if "/fovea " in call]


class GpuScripts(unittest.TestCase):
    def machine(self, *has):
        made = Machine(*has)
        self.addCleanup(shutil.rmtree, made.root)
        return made

    def demo(self, machine, build, device, checked):
        code, out, err = machine.run("demo", "--steps", "3")
        self.assertEqual(code, 0, out + err)
        commands = [("info", build, "")] if checked else []
        self.assertEqual(machine.fovea(), commands + [("demo", build, device)])
        self.assertIn(f"--device {device} --steps 3", machine.calls()[-1])
        return out, err

    def test_the_demo_without_a_GPU_is_built_for_the_CPU_and_run_there(self):
        machine = self.machine("passes")
        _, err = self.demo(machine, "release", "cpu", checked=False)
        self.assertEqual(err, "")
        self.assertFalse([call for call in machine.calls() if "cuda" in call])

    def test_the_demo_runs_on_a_GPU_that_passes_built_for_it_alone(self):
        machine = self.machine("gpu", "passes")
        out, err = self.demo(machine, "cuda", "auto", checked=True)
        self.assertEqual(err, "")
        self.assertIn("passed: convolution", out)
        self.assertIn("setup --demo --cuda", machine.calls())
        self.assertIn("cmake --preset cuda -DFOVEA_TESTS=OFF -DCMAKE_CUDA_ARCHITECTURES=native", machine.calls())
        self.assertFalse([call for call in machine.calls() if "release" in call])

    def test_the_demo_says_what_a_GPU_fails_in_a_line_and_runs_on_the_CPU(self):
        _, err = self.demo(self.machine("gpu"), "cuda", "cpu", checked=True)
        self.assertEqual(err, "fovea: the GPU failed: suppression; report: /cache/report.txt; running the demo on the CPU\n")

    def test_the_demo_names_the_log_of_a_build_for_the_GPU_that_fails_and_runs_on_the_CPU(self):
        machine = self.machine("gpu", "passes", "no_cuda")
        _, err = self.demo(machine, "release", "cpu", checked=False)
        self.assertEqual(err, "demo: the build for the GPU failed (see build/demo_cuda.log); running the demo on the CPU\n")
        with open(os.path.join(machine.root, "build", "demo_cuda.log"), encoding="utf-8") as file:
            self.assertIn("it does not compile", file.read())

    def test_the_tests_are_built_for_a_GPU_which_is_checked_before_them(self):
        for has, said in ((("gpu", "passes"), ""),
                          (("gpu",), "fovea: the GPU failed: suppression; report: /cache/report.txt; --device auto uses the CPU\n")):
            machine = self.machine(*has)
            code, out, err = machine.run("test")
            self.assertEqual((code, err), (0, said), out)
            calls = machine.calls()
            self.assertIn("cmake --preset cuda -DFOVEA_TESTS=ON -DCMAKE_CUDA_ARCHITECTURES=native", calls)
            check, tests = (next(i for i, call in enumerate(calls) if words in call)
                            for words in ("info --check-gpu", "ctest --preset cuda"))
            self.assertLess(check, tests)

    def test_the_tests_without_a_GPU_are_built_for_the_one_that_is_planned_for(self):
        machine = self.machine()
        code, out, err = machine.run("test")
        self.assertEqual((code, err), (0, ""), out)
        self.assertIn("cmake --preset cuda -DFOVEA_TESTS=ON", machine.calls())
        self.assertEqual(machine.fovea(), [])
        self.assertTrue(any(call.startswith("ctest --preset cuda ") for call in machine.calls()), machine.calls())

    def test_warnings_are_errors_for_every_build_of_the_tests_that_asks_for_it(self):
        for arguments, presets, option in (([], ["release", "cuda"], ""),
                                           (["--werror"], ["release", "cuda"], " -DFOVEA_WERROR=ON"),
                                           (["asan", "--werror"], ["asan"], " -DFOVEA_WERROR=ON")):
            machine = self.machine()
            code, out, err = machine.run("test", *arguments)
            self.assertEqual((code, err), (0, ""), out)
            self.assertEqual([call for call in machine.calls() if call.startswith("cmake --preset")],
                             [f"cmake --preset {preset} -DFOVEA_TESTS=ON{option}" for preset in presets])


if __name__ == "__main__":
    unittest.main()

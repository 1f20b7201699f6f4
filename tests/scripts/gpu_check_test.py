"""scripts/gpu_check against programs that do what they like: each fault is reported, and every other part runs."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPT = os.path.join(os.path.dirname(os.path.dirname(HERE)), "scripts", "gpu_check")
PROGRAMS = ("fovea", "tests/test_kernels", "tests/test_model", "benchmarks/bench_focal_loss", "benchmarks/bench_nms",
            "benchmarks/bench_pointwise", "benchmarks/bench_loader", "benchmarks/bench_eval_data", "bin/compute-sanitizer")
BUDGET = 54  # seconds; a part whose own limit is 60 of 540 gets 6


def runs(process):
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] != b"Z"
    except FileNotFoundError:
        return False


class Stubs:
    """A folder of programs that do what `faults` says: {words of the command: kind of fault}, the first that fit."""

    def __init__(self, faults, missing=()):
        self.folder = tempfile.mkdtemp(prefix="gpu_check_test_")
        self.out = os.path.join(self.folder, "out")
        for program in PROGRAMS:
            if program in missing:
                continue
            path = os.path.join(self.folder, program)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(os.path.join(HERE, "stub.py"), encoding="utf-8") as stub, open(path, "w", encoding="utf-8") as file:
                file.write(f"#!{sys.executable} -SE\n" + stub.read())
            os.chmod(path, 0o755)
        self.set(faults)

    def set(self, faults):
        with open(os.path.join(self.folder, "faults"), "w", encoding="utf-8") as file:
            json.dump(faults, file)

    def command(self, *options, device="cuda", budget=BUDGET):
        return [SCRIPT, self.out, "--build", self.folder, "--device", device, "--budget", str(budget), *options]

    def environment(self):
        return os.environ | {"PATH": os.path.join(self.folder, "bin") + ":" + os.environ["PATH"], "TMPDIR": self.folder}

    def check(self, *options, **settings):
        """Runs the script; its exit code and what it printed."""
        start = time.monotonic()
        done = subprocess.run(self.command(*options, **settings), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env=self.environment(), timeout=120)
        self.seconds = time.monotonic() - start
        return done.returncode, done.stdout.decode("utf-8", errors="replace")

    def parts(self):
        with open(os.path.join(self.out, "gpu_check.json"), encoding="utf-8") as file:
            return json.load(file)["parts"]

    def table(self):
        with open(os.path.join(self.out, "gpu_check.md"), encoding="utf-8") as file:
            return file.read()

    def remove(self):
        shutil.rmtree(self.folder)


class GpuCheck(unittest.TestCase):
    def stubs(self, faults, missing=()):
        made = Stubs(faults, missing)
        self.addCleanup(made.remove)
        return made

    def assert_failed(self, part, words, last=None):
        self.assertEqual(part["state"], "failed", part)
        self.assertIn(words, part["reason"])
        if last:
            self.assertTrue(any(last in line for line in part["last_lines"]), part)

    def test_each_fault_is_reported_and_every_other_part_runs(self):
        faults = {"fovea info --preset tiny": "fork and hang", "test_kernels smoke*": "garbage",
                  "--autotune": "json {\"inference\": [1", "--batch 16": "signal", "--batch 8": "json [1, 2]",
                  "--batch 1 ": "exit 139", "--batch 32 --classes": "json {\"inference\": {\"seconds_per_image\": 0}}",
                  "bench_nms": "json {\"results\": [{}]}", "bench_loader": "say {\"images_per_second\": []}",
                  "bench_eval_data": "leave a child"}
        stubs = self.stubs(faults, missing=["tests/test_model"])
        code, printed = stubs.check()
        parts = stubs.parts()
        self.assertEqual(code, 1, printed)
        self.assert_failed(parts["machine"], "the part's 6 s were over after 6 s of fovea")
        self.assert_failed(parts["smoke"], "exit code 3", "last words")
        self.assert_failed(parts["speed_16"], "signal 11 (SIGSEGV)")
        self.assert_failed(parts["speed_1"], "signal 11 (SIGSEGV)", "these were its last words")
        self.assert_failed(parts["speed_8"], "")
        self.assert_failed(parts["autotuned"], "JSONDecodeError")
        self.assert_failed(parts["layers"], "KeyError")
        self.assert_failed(parts["model_tests"], "No such file or directory")
        self.assertIn("left 1 processes behind", parts["evaluation"]["notes"][0])
        for name in ("outputs", "replay", "resume", "training", "kernels", "kernel_tests", "memcheck", "initcheck", "evaluation"):
            self.assertEqual(parts[name]["state"], "passed", (name, parts[name]))
        self.assertNotIn("cut off", [part["state"] for part in parts.values()])
        with open(os.path.join(stubs.folder, "child"), encoding="utf-8") as file:
            self.assertFalse(runs(int(file.read())), "a child that ignores SIGTERM in its own session was left")
        self.assertLess(stubs.seconds, BUDGET)
        table = stubs.table()
        self.assertIn("no table of speed", table)
        self.assertIn("no table of kernels", table)
        self.assertIn("| memcheck |", table)
        self.assertIn("these were its last words", table)

    def test_what_the_budget_does_not_reach_is_named(self):
        stubs = self.stubs({"fovea": "hang"})
        code, printed = stubs.check("--part", "speed_32", "--part", "training", "--part", "evaluation", "--part", "loader", budget=9)
        self.assertLess(stubs.seconds, 9 + 6)  # and the interpreter's start
        parts = stubs.parts()
        self.assertEqual(code, 1, printed)  # speed_32, by its own limit
        self.assert_failed(parts["speed_32"], "the part's 4 s were over")
        self.assertIn("the budget ended after", parts["training"]["reason"])
        self.assertEqual(parts["training"]["state"], "cut off")
        for name in ("evaluation", "loader"):
            self.assertEqual((parts[name]["state"], parts[name]["reason"]), ("cut off", "the budget was spent before"))

    def test_one_part_is_run_again_and_put_into_the_results(self):
        stubs = self.stubs({"test_kernels smoke*": "exit 1"})
        stubs.check("--part", "machine", "--part", "smoke", "--part", "speed_16")
        self.assertEqual({name: part["state"] for name, part in stubs.parts().items()},
                         {"machine": "passed", "smoke": "failed", "speed_16": "passed"})
        stubs.set({})
        code, printed = stubs.check("--part", "smoke")
        self.assertEqual(code, 0, printed)
        self.assertEqual({name: part["state"] for name, part in stubs.parts().items()},
                         {"machine": "passed", "smoke": "passed", "speed_16": "passed"})
        self.assertIn("| 16 | training | 2.0 | 8000.00 | 1 | 1000 |  |", stubs.table())
        with open(os.path.join(stubs.out, "gpu_check.json"), "w", encoding="utf-8") as file:
            file.write("{\"parts\": [")
        code, printed = stubs.check("--part", "smoke")
        self.assertEqual((code, list(stubs.parts())), (0, ["smoke"]))
        self.assertTrue(os.path.exists(os.path.join(stubs.out, "gpu_check.json.unreadable")))
        code, printed = stubs.check("--part", "nothing")
        self.assertEqual(code, 1)
        self.assertIn("there is no part nothing", printed)

    def test_measured_layers_stand_beside_their_roofline_and_what_is_predicted(self):
        stubs = self.stubs({})
        stubs.check("--part", "layers")
        self.assertIn("| training | head.conv.0.weight | conv_forward | 12.000 | 75.0 % | 2.500 |  |", stubs.table())
        stubs.check("--part", "simulation")
        self.assertIn("| training | head.conv.0.weight | conv_forward | 12.000 | 75.0 % | 2.500 | 9.000 |", stubs.table())
        self.assertIn("| detection |  | copy\\|2 | 4.000 | 25.0 % |  | 2.000 |", stubs.table())
        self.assertIn("Predicted for X: training 16.00 ms per batch of 32, 2000 images/s", stubs.table())

    def test_plans_of_the_tower_are_a_table_those_that_fail_too(self):
        plans = [{"pass": "weight gradient", "engine": "eng1", "kernels": "Hopper", "seconds": 1e-3, "tflop_per_second": 600, "failed": ""},
                 {"pass": "weight gradient", "engine": "eng2", "kernels": "Hopper", "seconds": 0, "tflop_per_second": 0, "failed": "why"}]
        stubs = self.stubs({"--time-plans": "json " + json.dumps({"plans": plans})})
        stubs.check("--part", "tower_plans", device="cuda")
        self.assertIn("| weight gradient | eng1 | Hopper | 1.000 | 600 |", stubs.table())
        self.assertIn("| weight gradient | eng2 | Hopper | why | 0 |", stubs.table())

    def test_a_build_without_cuda_predicts_nothing(self):
        stubs = self.stubs({"info --preset": "say fovea 1.0 (compiler 12; CUDA kernels: none)"})
        code, printed = stubs.check("--part", "simulation")
        self.assertEqual((code, stubs.parts()["simulation"]["state"]), (0, "skipped"))
        self.assertIn("skipped: needs a build with CUDA", printed)

    def test_figures_written_before_a_fault_stay_and_speed_without_a_library_is_marked(self):
        part = {"seconds_per_image": 0.25, "peak_tensor_bytes": 0}
        found = {"batch": 32, "libraries": {"cuDNN": {"version": "9.19.0"}, "cuBLASLt": {"version": ""}}, "inference": part}
        stubs = self.stubs({"--batch 32": "json " + json.dumps(found)})
        stubs.check("--part", "speed_32")
        self.assertEqual(stubs.parts()["speed_32"]["result"]["unpublished"], "without cuBLASLt, NVRTC")
        self.assertIn("| 32 | detection | 4.0 | 8000.00 | 0 |  | not to be published: without cuBLASLt, NVRTC |", stubs.table())

    def test_sanitizers_that_the_machine_does_not_support_are_skipped(self):
        stubs = self.stubs({"--help": "say --tool --kernel-name --report-api-errors",
                            "--tool memcheck": "refuse ========= Error: Device not supported. See the documentation",
                            "--tool racecheck": "refuse ========= ERROR SUMMARY: 2 errors"})
        stubs.check(*(word for tool in ("memcheck", "racecheck", "synccheck") for word in ("--part", tool)))
        parts = stubs.parts()
        self.assertEqual((parts["memcheck"]["state"], parts["memcheck"]["reason"]),
                         ("skipped", "Error: Device not supported. See the documentation"))
        self.assert_failed(parts["racecheck"], "exit code 1", "2 errors")
        self.assertEqual(parts["synccheck"]["state"], "passed")
        with open(os.path.join(stubs.out, "logs", "synccheck.txt"), encoding="utf-8") as file:
            self.assertIn("--report-api-errors no --kernel-name kernel_substring=fovea", file.read())

    def test_ended_from_outside_it_leaves_no_process_and_what_it_found(self):
        stubs = self.stubs({"--batch 32": "fork and hang"})
        with subprocess.Popen(stubs.command(budget=540), env=stubs.environment(), stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as process:
            child = os.path.join(stubs.folder, "child")
            until = time.monotonic() + 30
            while not (os.path.exists(child) and os.path.getsize(child)) and time.monotonic() < until:
                time.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=20)
        with open(child, encoding="utf-8") as file:
            self.assertFalse(runs(int(file.read())))
        self.assertEqual(stubs.parts()["smoke"]["state"], "passed")
        self.assertEqual(stubs.parts()["speed_32"]["state"], "cut off")


if __name__ == "__main__":
    unittest.main()

"""The parts of scripts/gpu_check, in the order in which they run. Each fills `result` as it goes: what it found before a
failure stays."""
import array
import importlib.util
import json
import math
import os
import platform
import re
import shutil
import struct
import sys
import tarfile
import time

from runner import Failed, Skipped

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CELLS = os.path.join(ROOT, "examples", "blood_cells")
PEERS = os.path.join(ROOT, "benchmarks", "peers")
GOLDEN = os.path.join(ROOT, "tests", "data", "golden")
SMOKE_CASES = "smoke*,focal loss golden values,nms golden values"
SANITIZED_CASES = "~[math]~[launch]~[cudnn]~[traffic]~[oracle]"  # not those of the CPU alone
SANITIZERS = ("memcheck", "racecheck", "synccheck", "initcheck")
# Only kernels of our own, whose mangled names hold the namespace, and no calls of the runtime that may fail: asking
# cuDNN and cuBLASLt what they can do is full of them.
SANITIZER_OPTIONS = (("--report-api-errors", "no"), ("--kernel-name", "kernel_substring=fovea"))
NOT_SUPPORTED = ("not supported", "unsupported")
CLOCKS = "clocks.sm,clocks.mem,clocks.max.sm,temperature.gpu,power.draw,clocks_throttle_reasons.active"
CALLS = ("conv_forward", "relu_bias_backward", "conv_backward_data", "conv_backward_weight")  # a roofline's columns
LIBRARIES = ("cuDNN", "cuBLASLt", "NVRTC")


def read_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def tensors(path):
    """name -> raw bytes and dtype of a safetensors file."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        payload = file.read()
    return {name: (entry["dtype"], payload[slice(*entry["data_offsets"])])
            for name, entry in header.items() if name != "__metadata__"}


def relative_distance(a, b):
    """Root mean square of a − b over the spread of b, both raw fp32."""
    a, b = array.array("f", a), array.array("f", b)
    mean = sum(b) / len(b)
    spread = math.sqrt(sum((y - mean) ** 2 for y in b) / len(b))
    return math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b)) / len(b)) / spread


def roofline(lines):
    """Seconds by layer (all levels of the pyramid together) and call, of what fovea info --roofline prints."""
    layers = {}
    for line in lines:
        name, *cells = re.split(r"\s{2,}", line.strip())
        if len(cells) != 2 + len(CALLS) or not all(re.fullmatch(r"[0-9.]+|-", value) for value in cells):
            continue
        calls = layers.setdefault(name, dict.fromkeys(CALLS, 0.0))
        for call, value in zip(CALLS, cells[2:]):
            calls[call] += 0 if value == "-" else 1e-6 * float(value)
    if not layers:
        raise Failed("no layers in what fovea info --roofline printed")
    return layers


def check_same(found, expected):
    differing = [name for name in expected if found[name] != expected[name]]
    if differing:
        raise Failed(f"{len(differing)} of {len(expected)} tensors differ, the first {differing[0]}")
    return {"tensors": len(expected)}


def has(*modules):
    return all(importlib.util.find_spec(module) for module in modules)


class Parts:
    def __init__(self, device, build, runner, results, work):
        self.device, self.gpu = device, device == "cuda"
        self.runner, self.results, self.work = runner, results, work
        self.size, self.steps = (800, 420) if self.gpu else (64, 6)
        self.build = build
        if build and os.path.isfile(build):
            self.build = self.path("build")
            with tarfile.open(build) as file:
                file.extractall(self.build)

    def all(self):
        """name -> (seconds that it may take, what to call with its result)."""
        def batch(n, **options):
            return lambda result: self.speed(result, n, **options)

        parts = {"machine": (60, self.machine), "smoke": (60, self.smoke),
                 "speed_32": (240, batch(32)), "speed_16": (120, batch(16)), "layers": (120, self.layers),
                 "tower_plans": (60, self.tower_plans), "autotuned": (180, batch(32, autotune=True)),
                 "speed_1": (90, batch(1)), "speed_8": (90, batch(8)),
                 "outputs": (120, self.outputs), "replay": (120, self.replay), "resume": (120, self.resume),
                 "training": (300, self.training), "kernels": (240, self.kernels),
                 "kernel_tests": (400, self.kernel_tests), "model_tests": (300, self.model_tests),
                 "simulation": (180, self.simulation)}
        parts |= {tool: (400, lambda result, tool=tool: self.sanitizer(result, tool)) for tool in SANITIZERS}
        return parts | {"pytorch": (400, self.pytorch), "loader": (200, self.loader), "evaluation": (400, self.evaluation)}

    # ---- what parts are made of

    def path(self, name):
        return os.path.join(self.work, name)

    def program(self, *names):
        return os.path.join(self.build, *names)

    def fovea(self, *arguments, before=()):
        return self.runner.run([*before, self.program("fovea"), *arguments])

    def train(self, out, *settings, preset="tiny", resume=False, before=()):
        self.fovea("train", "--preset", preset, "--data", CELLS, "--out", self.path(out), "--device", self.device,
                   *(["--resume"] if resume else []), "--set", "train.eval_every=0", *settings, before=before)
        return self.path(os.path.join(out, "last.safetensors"))

    def tests(self, name, *cases, before=()):
        """A test program, its queues on the device and its vectors in memory that the device has too."""
        output = self.runner.run([*before, self.program("tests", name), *cases],
                                 environment={"FOVEA_TEST_DEVICE": self.device, "FOVEA_GOLDEN": GOLDEN})
        lines = [line for line in output.splitlines() if "assertions" in line or "passed" in line]
        if not lines:
            raise Failed(f"{name} ended well without saying what it tested")
        return lines[-1]

    def into_file(self, result, file, command, environment=None):
        """Adds what the command writes into `file` as JSON, whatever its end."""
        failure = None
        try:
            self.runner.run(command, environment=environment)
        except Failed as error:
            failure = error
        if os.path.exists(file):
            result.update(read_json(file))
        if failure:
            raise failure
        return result

    def printed_json(self, command):
        """What the last line of the output says."""
        lines = self.runner.run(command).strip().splitlines()
        if not lines:
            raise Failed(f"{os.path.basename(command[0])} printed nothing")
        return json.loads(lines[-1])

    def query(self, fields):
        """What nvidia-smi says of the GPU; nothing where there is none."""
        if not self.gpu or shutil.which("nvidia-smi") is None:
            return {}
        try:
            values = self.runner.run_aside(["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"], 20)
        except Failed as error:
            return {"nvidia-smi": str(error)}
        return dict(zip(fields.split(","), (values.strip().splitlines() or [""])[0].split(", ")))

    # ---- the parts

    def machine(self, result):
        result.update({"python": platform.python_version(), "cores": os.cpu_count(), "prefix": sys.prefix})
        result.update(self.query("name,driver_version,power.limit,memory.total," + CLOCKS))
        result["info"] = self.fovea("info", "--preset", "tiny", "--device", "cpu").splitlines()

    def smoke(self, result):
        """Convolution in bf16 in its three directions, focal loss and NMS; a recorded step against one that is not."""
        result["kernels"] = self.tests("test_kernels", SMOKE_CASES)
        recorded = tensors(self.train("smoke_recorded", "train.steps=3"))
        result.update(check_same(recorded, tensors(self.train("smoke_eager", "train.steps=3", "train.record=false"))))

    def speed(self, result, batch, autotune=False):
        """fovea bench: detection and training, R50, 80 classes."""
        if autotune and not self.gpu:
            raise Skipped("needs a GPU")
        before, file = self.query(CLOCKS), self.path(f"bench_{batch}_{autotune}.json")
        counts = ["--warmup", "4", "--repeats", "20"] if self.gpu else ["--warmup", "0", "--repeats", "1"]
        try:
            self.into_file(result, file, [
                self.program("fovea"), "bench", "--model", "r50", "--size", str(self.size), "--batch", str(batch),
                "--classes", "80", "--device", self.device, *counts, "--json", file, *(["--autotune"] if autotune else [])])
        finally:
            if before:
                result["clocks"] = {"before": before, "after": self.query(CLOCKS)}
            missing = [name for name in LIBRARIES if not (result.get("libraries", {}).get(name) or {}).get("version")]
            if self.gpu and missing:
                result["unpublished"] = "without " + ", ".join(missing)

    def layers(self, result):
        """Where the time of batch 32 went, and what each layer must take at least on an H200."""
        measured = self.results.part("speed_32")
        if not any(measured.get(kind, {}).get("layers") for kind in ("inference", "training")):
            measured = {}
            self.speed(measured, 32)
        result.update({kind: measured[kind]["layers"] for kind in ("inference", "training") if kind in measured})
        result["roofline"] = roofline(self.info("--roofline"))

    def tower_plans(self, result):
        """Five plans for each pass of the heads' largest tower convolution: whether the weight gradient cuts its sum."""
        if not self.gpu:
            raise Skipped("needs a GPU")
        file = self.path("tower_plans.json")
        self.into_file(result, file, [
            self.program("fovea"), "bench", "--model", "r50", "--size", str(self.size), "--batch", "32", "--classes", "80",
            "--device", self.device, "--time-plans", "head.classification_head.conv.0.0", "--json", file])

    def info(self, *what):
        return self.fovea("info", "--preset", "paper", "--set", "model.classes=80", "--size", str(self.size), "--batch", "32",
                          "--device", "cpu", *what).splitlines()

    def simulation(self, result):
        """What fovea info --simulate predicts for an H200; needs no GPU, but cuDNN and minutes."""
        if any("CUDA kernels: none" in line for line in self.info()):
            raise Skipped("needs a build with CUDA")
        file = self.path("simulation.json")
        self.info("--simulate", "--json", file)
        result.update(read_json(file))

    def outputs(self, result):
        """The heads' outputs on the device against the CPU's, same random weights and images."""
        for precision in ("fp32", "bf16"):
            files = {device: self.path(f"{device}_{precision}.safetensors") for device in {"cpu", self.device}}
            for device, file in files.items():
                self.fovea("bench", "--model", "r18", "--size", "256", "--classes", "20", "--device", device, "--precision",
                           precision, "--outputs", file, "--inference-only", "--warmup", "0", "--repeats", "1")
            ours, theirs = tensors(files[self.device]), tensors(files["cpu"])
            result[precision] = {name: relative_distance(ours[name][1], theirs[name][1]) for name in theirs}
            limit = 1e-4 if precision == "fp32" else 0.05  # two networks of forty layers that sum in other orders
            for name, distance in result[precision].items():
                if not distance <= limit:
                    raise Failed(f"{precision} {name} differs from the CPU's by {distance:.2e} of its spread, limit {limit}")

    def replay(self, result):
        """Recorded steps and eager ones end in the same bits."""
        recorded = tensors(self.train("recorded", "train.steps=12"))
        result.update(check_same(recorded, tensors(self.train("eager", "train.steps=12", "train.record=false"))))

    def resume(self, result):
        """A run that was ended at half and resumed ends in the bits of one that was not."""
        settings = ("train.steps=12", "train.checkpoint_every=6")
        whole = tensors(self.train("whole", *settings))
        self.train("half", *settings)
        os.replace(self.path("half/previous.safetensors"), self.path("half/last.safetensors"))
        result.update(check_same(tensors(self.train("half", *settings, resume=True)), whole))

    def training(self, result):
        """The demo's training and its AP: at least what the demo promises."""
        start = time.time()
        weights = self.train("demo", f"train.steps={self.steps}", preset="demo")
        result.update({"steps": self.steps, "seconds": time.time() - start})
        metrics = self.path("metrics.json")
        self.fovea("eval", "--weights", weights, "--data", CELLS, "--device", self.device, "--json", metrics)
        found = read_json(metrics)["metrics"]
        result.update({name: found[name] for name in ("AP", "AP50")})
        if self.gpu and (found["AP"] < 0.5 or found["AP50"] < 0.8):
            raise Failed(f"AP {found['AP']:.3f}, AP50 {found['AP50']:.3f}: the demo reaches 0.50 and 0.80")

    def kernels(self, result):
        """Every kernel's benchmark against its declared traffic."""
        failures = []
        for name in ("bench_focal_loss", "bench_nms", "bench_pointwise"):
            file = self.path(name + ".json")
            result[name] = {}
            try:
                self.into_file(result[name], file, [self.program("benchmarks", name), "--device", self.device, "--runs",
                                                    "21" if self.gpu else "2", "--json", file])
            except Failed as error:  # one that fails hides no other
                failures.append(str(error))
        if failures:
            raise Failed("; ".join(failures))

    def kernel_tests(self, result):
        result["summary"] = self.tests("test_kernels")

    def model_tests(self, result):
        result["summary"] = self.tests("test_model", "golden*")

    def sanitizer(self, result, tool):
        if not self.gpu:
            raise Skipped("needs a GPU")
        found = shutil.which("compute-sanitizer")
        if found is None:
            raise Skipped("there is no compute-sanitizer on PATH")
        known = self.runner.run([found, "--help"], 30)
        before = [found, "--tool", tool, "--error-exitcode", "9", "--print-limit", "20"]
        before += [word for option in SANITIZER_OPTIONS if option[0] in known for word in option]
        try:
            if tool != "initcheck":  # which does not see what the host writes into memory that it shares
                result["tests"] = self.tests("test_kernels", SANITIZED_CASES, before=before)
            weights = self.train("under_" + tool, "train.steps=3", "train.record=false", before=before)
            self.fovea("detect", os.path.join(CELLS, "val", "BloodImage_00000.jpg"), "--weights", weights, "--out",
                       self.path("found_" + tool), "--device", "cuda", before=before)
        except Failed as error:
            line = next((line for line in self.runner.output().splitlines() if any(w in line.lower() for w in NOT_SUPPORTED)
                         and line.startswith("=====")), None)
            if line is None:
                raise
            raise Skipped(line.strip("= ")) from error
        result["errors"] = 0

    def pytorch(self, result):
        if not has("torch", "torchvision"):
            raise Skipped("no PyTorch with torchvision here")
        file = self.path("peer.json")
        options = ["--batches", "32", "8", "1"] if self.gpu else ["--batches", "1", "--no-compile", "--seconds", "0.1"]
        self.into_file(result, file, [sys.executable, os.path.join(PEERS, "torchvision_gpu.py"), "--json", file, "--device",
                                      self.device, "--size", str(self.size), *options])

    def loader(self, result):
        """Images a second: of the decoder, of the loader, of the loader with the device's resizing, and of PyTorch's DataLoader."""
        workers = str(os.cpu_count())
        common = ["--data", CELLS, "--workers", workers, "--epochs", "5" if self.gpu else "1"]
        ours = [self.program("benchmarks", "bench_loader"), *common, "--device", self.device, "--set", "input.cache_mb=0"]
        for what in ("decode", "load", "input"):
            result[what] = self.printed_json([*ours, "--what", what])
        if has("torch", "torchvision"):
            peer = [sys.executable, os.path.join(PEERS, "torchvision_loader.py"), *common, "--decoder", "io"]
            for what in ("decode", "input"):
                result["DataLoader " + what] = self.printed_json([*peer, "--transforms", what])

    def evaluation(self, result):
        """Seconds of `fovea eval` without a model, and of pycocotools where it is; both read the same files."""
        result["images"] = "5000" if self.gpu else "200"
        folder, truth, detections, found = (self.path(name) for name in ("eval", "eval/gt.json", "eval/dt.json", "eval/out.json"))
        self.runner.run([self.program("benchmarks", "bench_eval_data"), "--images", result["images"], "--out", folder])
        start = time.time()
        self.fovea("eval", "--ground-truth", truth, "--detections", detections, "--json", found)
        result["fovea"] = {"seconds": time.time() - start}
        if has("pycocotools"):
            start = time.time()
            peer = self.printed_json([sys.executable, os.path.join(PEERS, "eval_peer.py"), "pycocotools", truth, detections])
            result["pycocotools"] = {"seconds": time.time() - start}
            ours = read_json(found)["stats"]
            difference = max(abs(a - b) for a, b in zip(ours, peer["stats"], strict=True))
            if not difference <= 1e-12:
                raise Failed(f"a metric differs from pycocotools' by {difference}")

"""The parts of scripts/gpu_check, which says what it does. Standard library only: it runs where nothing can be installed."""
import argparse
import array
import importlib.util
import json
import math
import os
import platform
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CELLS = os.path.join(ROOT, "examples", "blood_cells")
PEERS = os.path.join(ROOT, "benchmarks", "peers")
GOLDEN = os.path.join(ROOT, "tests", "data", "golden")
SANITIZED_CASES = "~[math]~[launch]~[cudnn]~[traffic]~[oracle]"  # not those of the CPU alone
SANITIZERS = ("memcheck", "racecheck", "synccheck", "initcheck")


class Failed(Exception):
    pass


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


class Check:
    def __init__(self, args):
        self.args, self.results = args, {}
        self.gpu = args.device == "cuda"
        self.work = tempfile.mkdtemp(prefix="fovea_gpu_check_")
        self.log = open(os.path.join(args.out, "log.txt"), "w")
        self.size, self.steps = (800, 420) if self.gpu else (128, 6)
        self.build = args.build
        if self.build and os.path.isfile(self.build):
            self.build = self.path("build")
            with tarfile.open(args.build) as file:
                file.extractall(self.build)

    def path(self, name):
        return os.path.join(self.work, name)

    def run(self, command, limit, environment=None):
        """The command's output; Failed with the end of it where it fails or takes longer than `limit` seconds."""
        print("\n$", " ".join(command), file=self.log, flush=True)
        try:
            done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=limit,
                                  env=os.environ | (environment or {}))
        except subprocess.TimeoutExpired as error:
            raise Failed(f"took longer than {limit} s: {' '.join(command[:3])} …") from error
        self.log.write(done.stdout)
        self.log.flush()
        if done.returncode != 0:
            last = (done.stdout.strip().splitlines() or ["it printed nothing"])[-1]
            raise Failed(f"exit code {done.returncode}: {last}")
        return done.stdout

    def printed_json(self, command, limit):
        """What the last line of the output says."""
        return json.loads(self.run(command, limit).strip().splitlines()[-1])

    def fovea(self, *arguments, limit=300, before=()):
        return self.run([*before, os.path.join(self.build, "fovea"), *arguments], limit)

    def train(self, out, *settings, device=None, preset="tiny", resume=False, limit=300, before=()):
        settings = ["train.eval_every=0", *settings]
        self.fovea("train", "--preset", preset, "--data", CELLS, "--out", self.path(out), "--device",
                   device or self.args.device, *(["--resume"] if resume else []), "--set", *settings, limit=limit,
                   before=before)
        return self.path(os.path.join(out, "last.safetensors"))

    # ---- the parts; each returns what is written down

    def machine(self):
        facts = {"python": platform.python_version(), "cores": os.cpu_count()}
        if self.gpu:
            fields = "name,driver_version,clocks.sm,clocks.mem,clocks.max.sm,power.limit,memory.total,temperature.gpu"
            values = self.run(["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"], 60).strip().split(", ")
            facts |= dict(zip(fields.split(","), values))
        facts["info"] = self.fovea("info", "--preset", "tiny").splitlines()
        return facts

    def tests(self, name, *cases, before=(), limit=580):
        """A test program, its queues on the device and its vectors in memory that the device has too."""
        output = self.run([*before, os.path.join(self.build, "tests", name), *cases], limit,
                          {"FOVEA_TEST_DEVICE": self.args.device, "FOVEA_GOLDEN": GOLDEN})
        return {"summary": next(line for line in reversed(output.splitlines()) if "assertions" in line or "passed" in line)}

    def kernel_tests(self):
        return self.tests("test_kernels")

    def model_tests(self):
        return self.tests("test_model", "golden*")

    def outputs(self):
        """The heads' outputs on the device against the CPU's, same random weights and images."""
        distances = {}
        for precision in ("fp32", "bf16"):
            files = {}
            for device in ("cpu", self.args.device):
                files[device] = self.path(f"{device}_{precision}.safetensors")
                self.fovea("bench", "--model", "r18", "--size", "256", "--classes", "20", "--device", device, "--precision",
                           precision, "--outputs", files[device], "--inference-only", "--warmup", "0", "--repeats", "1")
            ours, theirs = tensors(files[self.args.device]), tensors(files["cpu"])
            distances[precision] = {name: relative_distance(ours[name][1], theirs[name][1]) for name in theirs}
            limit = 1e-4 if precision == "fp32" else 0.05  # two networks of forty layers that sum in other orders
            for name, distance in distances[precision].items():
                if not distance <= limit:
                    raise Failed(f"{precision} {name} differs from the CPU's by {distance:.2e} of its spread, limit {limit}")
        return distances

    def replay(self):
        """Recorded steps and eager ones end in the same bits."""
        recorded = tensors(self.train("recorded", "train.steps=12"))
        eager = tensors(self.train("eager", "train.steps=12", "train.record=false"))
        differing = [name for name in recorded if recorded[name] != eager[name]]
        if differing:
            raise Failed(f"{len(differing)} of {len(recorded)} tensors differ, the first {differing[0]}")
        return {"tensors": len(recorded)}

    def resume(self):
        """A run that was ended at half and resumed ends in the bits of one that was not."""
        whole = tensors(self.train("whole", "train.steps=12", "train.checkpoint_every=6"))
        half = self.path("half")
        self.train("half", "train.steps=12", "train.checkpoint_every=6")
        os.replace(os.path.join(half, "previous.safetensors"), os.path.join(half, "last.safetensors"))
        resumed = tensors(self.train("half", "train.steps=12", "train.checkpoint_every=6", resume=True))
        differing = [name for name in whole if whole[name] != resumed[name]]
        if differing:
            raise Failed(f"{len(differing)} of {len(whole)} tensors differ, the first {differing[0]}")
        return {"tensors": len(whole)}

    def training(self):
        """The demo's training and its AP: at least what the demo promises."""
        start = time.time()
        weights = self.train("demo", f"train.steps={self.steps}", preset="demo", limit=600)
        seconds = time.time() - start
        metrics = self.path("metrics.json")
        self.fovea("eval", "--weights", weights, "--data", CELLS, "--device", self.args.device, "--json", metrics)
        with open(metrics) as file:
            found = json.load(file)["metrics"]
        ap, ap50 = found["AP"], found["AP50"]
        if self.gpu and (ap < 0.5 or ap50 < 0.8):
            raise Failed(f"AP {ap:.3f}, AP50 {ap50:.3f}: the demo reaches 0.50 and 0.80")
        return {"steps": self.steps, "seconds": seconds, "AP": ap, "AP50": ap50}

    def sanitizer(self, tool):
        if not self.gpu:
            return {"skipped": "needs a GPU"}
        found = shutil.which("compute-sanitizer")
        if found is None:
            raise Failed("there is no compute-sanitizer on PATH")
        before = (found, "--tool", tool, "--error-exitcode", "9", "--print-limit", "20")
        tests = {}
        if tool != "initcheck":  # which does not see what the host writes into memory that it shares
            tests = self.tests("test_kernels", SANITIZED_CASES, before=before, limit=420)
        self.train("under_" + tool, "train.steps=3", "train.record=false", before=before, limit=420)
        weights = self.path(os.path.join("under_" + tool, "last.safetensors"))
        self.fovea("detect", os.path.join(CELLS, "val", "BloodImage_00000.jpg"), "--weights", weights, "--out",
                   self.path("found_" + tool), "--device", "cuda", before=before, limit=420)
        return {"errors": 0} | tests

    def speed(self):
        """fovea bench: training and detection, R50, 80 classes."""
        figures = {}
        for batch in (1, 2, 4, 8, 16, 32, 64) if self.gpu else (1,):
            file = self.path("bench.json")
            try:
                self.fovea("bench", "--model", "r50", "--size", str(self.size), "--batch", str(batch), "--classes", "80",
                           "--device", self.args.device, "--warmup", "4" if self.gpu else "1", "--repeats",
                           "20" if self.gpu else "2", "--json", file, limit=180)
                with open(file) as text:
                    figures[batch] = json.load(text)
            except Failed as error:  # one batch that does not fit must not hide the others
                figures[batch] = {"error": str(error)}
        if all("error" in figure for figure in figures.values()):
            raise Failed(figures[1]["error"])
        return figures

    def kernels(self):
        """Every kernel's benchmark against its declared traffic."""
        figures = {}
        for name in ("bench_focal_loss", "bench_nms", "bench_pointwise"):
            file = self.path(name + ".json")
            self.run([os.path.join(self.build, "benchmarks", name), "--device", self.args.device, "--runs",
                      "21" if self.gpu else "2", "--json", file], 300)
            with open(file) as text:
                figures[name] = json.load(text)
        return figures

    def loader(self):
        """Images a second: of the decoder, of the loader, of the loader with the device's resizing, and of PyTorch's DataLoader."""
        workers = str(os.cpu_count())
        common = ["--data", CELLS, "--workers", workers, "--epochs", "5" if self.gpu else "1"]
        ours = [os.path.join(self.build, "benchmarks", "bench_loader"), *common, "--device", self.args.device, "--set",
                "input.cache_mb=0"]
        figures = {what: self.printed_json([*ours, "--what", what], 200) for what in ("decode", "load", "input")}
        if self.has("torch", "torchvision"):
            peer = [sys.executable, os.path.join(PEERS, "torchvision_loader.py"), *common, "--decoder", "io"]
            figures |= {f"DataLoader {what}": self.printed_json([*peer, "--transforms", what], 200)
                        for what in ("decode", "input")}
        return figures

    def evaluation(self):
        """Seconds of `fovea eval` without a model, and of pycocotools where it is; both read the same files."""
        images = "5000" if self.gpu else "200"
        folder, truth, detections, found = (self.path(name) for name in ("eval", "eval/gt.json", "eval/dt.json", "eval/out.json"))
        self.run([os.path.join(self.build, "benchmarks", "bench_eval_data"), "--images", images, "--out", folder], 120)
        start = time.time()
        self.fovea("eval", "--ground-truth", truth, "--detections", detections, "--json", found)
        figures = {"images": images, "fovea": {"seconds": time.time() - start}}
        with open(found) as file:
            stats = json.load(file)["stats"]
        if self.has("pycocotools"):
            start = time.time()
            peer = self.printed_json([sys.executable, os.path.join(PEERS, "eval_peer.py"), "pycocotools", truth, detections], 500)
            figures["pycocotools"] = {"seconds": time.time() - start}
            difference = max(abs(a - b) for a, b in zip(stats, peer["stats"], strict=True))
            if not difference <= 1e-12:
                raise Failed(f"a metric differs from pycocotools' by {difference}")
        return figures

    def has(self, *modules):
        return all(importlib.util.find_spec(module) for module in modules)

    def pytorch(self):
        if not self.has("torch", "torchvision"):
            return {"skipped": "no PyTorch with torchvision here"}
        file = self.path("peer.json")
        options = ["--batches", "1", "8", "32"] if self.gpu else ["--batches", "1", "--no-compile", "--seconds", "0.1"]
        self.run([sys.executable, os.path.join(PEERS, "torchvision_gpu.py"), "--json", file, "--device",
                  self.args.device, "--size", str(self.size), *options], 580)
        with open(file) as text:
            return json.load(text)

    def parts(self):
        first = (self.machine, self.kernel_tests, self.model_tests, self.outputs, self.replay, self.resume, self.training)
        checks = {part.__name__: part for part in first}
        checks |= {tool: lambda tool=tool: self.sanitizer(tool) for tool in SANITIZERS}
        return checks | {part.__name__: part for part in (self.speed, self.kernels, self.loader, self.evaluation, self.pytorch)}

    def run_part(self, name, part):
        start = time.time()
        try:
            result = part()
            state = "skipped: " + result["skipped"] if "skipped" in result else "passed"
        except (Failed, OSError, KeyError, ValueError) as error:
            result, state = {}, f"failed: {type(error).__name__ if not isinstance(error, Failed) else ''}{error}"
        self.results[name] = {"state": state, "seconds": round(time.time() - start, 1), "result": result}
        print(f"{name:12} {time.time() - start:7.1f} s  {state}", flush=True)
        self.write()

    def write(self):
        with open(os.path.join(self.args.out, "gpu_check.json"), "w") as file:
            json.dump({"device": self.args.device, "parts": self.results}, file, indent=1)
        with open(os.path.join(self.args.out, "gpu_check.md"), "w") as file:
            file.write(table(self.results))


def table(results):
    lines = ["| part | seconds | state |", "|---|---|---|"]
    lines += [f"| {name} | {part['seconds']} | {part['state']} |" for name, part in results.items()]
    speed = results.get("speed", {}).get("result", {})
    rows = [(batch, kind, figure[kind]) for batch, figure in speed.items() for kind in ("inference", "training") if kind in figure]
    if rows:
        lines += ["", "| batch | work | images/s | peak tensors MiB |", "|---|---|---|---|"]
        lines += [f"| {batch} | {kind} | {1 / part['seconds_per_image']:.1f} | {part['peak_tensor_bytes'] / 2**20:.0f} |"
                  for batch, kind, part in rows]
    loader = results.get("loader", {}).get("result", {})
    if loader:
        lines += ["", "| loader | images/s | CPU ms an image |", "|---|---|---|"]
        lines += [f"| {name} | {max(figure['images_per_second']):.0f} | {min(figure['cpu_ms']):.2f} |" for name, figure in loader.items()]
    evaluation = results.get("evaluation", {}).get("result", {})
    if evaluation:
        lines += ["", f"| evaluation of {evaluation['images']} images | seconds |", "|---|---|"]
        lines += [f"| {name} | {evaluation[name]['seconds']:.2f} |" for name in ("fovea", "pycocotools") if name in evaluation]
    peers = results.get("pytorch", {}).get("result", {}).get("results", {})
    if peers:
        lines += ["", "| PyTorch | images/s |", "|---|---|"]
        lines += [f"| {name} | {figure.get('images_per_second', float('nan')):.1f} |" for name, figure in peers.items()]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", nargs="?", help="folder for the results")
    parser.add_argument("--build", help="folder with fovea, tests/ and benchmarks/, or an archive of one")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--list", action="store_true")
    args = parser.parse_args()
    if args.list:
        args.out = args.out or tempfile.mkdtemp()
    os.makedirs(args.out, exist_ok=True)
    check = Check(args)
    parts = check.parts()
    if args.list:
        return print("\n".join(parts))
    for name in args.only:
        if name not in parts:
            sys.exit(f"gpu_check: there is no part {name}; there are {' '.join(parts)}")
    try:
        for name, part in parts.items():
            if not args.only or name in args.only:
                check.run_part(name, part)
    finally:
        shutil.rmtree(check.work, ignore_errors=True)
    failed = [name for name, part in check.results.items() if part["state"].startswith("failed")]
    print(f"results: {args.out}/gpu_check.json, {args.out}/gpu_check.md" + (f"; failed: {', '.join(failed)}" if failed else ""))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

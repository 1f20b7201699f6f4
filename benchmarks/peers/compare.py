"""Measures Fovea beside torchvision, in one run and in turns, and writes the figures as JSON and as a table.

Called by scripts/bench. Before anything is timed, the heads' outputs of both are compared: random weights and images are shared, and
the reference is torchvision in fp32.
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys

import numpy as np

import safetensors_file

PEER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "torchvision_retinanet.py")
FP32_LIMIT = 1e-4  # relative (root mean square) difference of two fp32 networks of sixty layers, summed in other orders
BF16_FACTOR = 2  # Fovea's bf16 may be that many times as far from fp32 as torchvision's own bf16
PARTS = ("inference", "training")
CONV_PASSES = {"inference": (0,), "training": (0, 1, 2)}


def run(*command):
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if result.returncode != 0:
        sys.exit(f"bench: failed with {result.returncode}: {' '.join(command)}")
    return result.stdout


def load(path):
    with open(path) as file:
        return json.load(file)


class Bench:
    def __init__(self, args):
        self.args = args
        self.shape = ["--model", args.model, "--size", str(args.size), "--batch", str(args.batch), "--classes",
                      str(args.classes)]

    def file(self, name):
        return os.path.join(self.args.folder, name)

    def peer(self, command, *options):
        run(sys.executable, PEER, command, "--folder", self.args.folder, *self.shape, *options)

    def time_peer(self, precision):
        path = self.file("torchvision.json")
        self.peer("time", "--precision", precision, "--repeats", str(self.args.repeats), "--json", path)
        return load(path)

    def time_fovea(self, precision, *options):
        path = self.file("fovea.json")
        run(os.path.join(self.args.build, "fovea"), "bench", *self.shape, "--device", "cpu", "--precision", precision,
            "--conv", self.args.conv, "--repeats", str(self.args.repeats), "--weights", self.file("weights.safetensors"),
            "--input", self.file("input.safetensors"), "--json", path, *options)
        return load(path)

    def distance(self, path):
        """Root mean square of the difference to the reference, relative to the reference's spread, for each output."""
        reference, given = (safetensors_file.read(self.file(p)) for p in ("reference.safetensors", path))
        return {name: float(np.sqrt(np.mean((given[name] - values) ** 2)) / np.std(values))
                for name, values in reference.items()}

    def compare_outputs(self, precision):
        """Distances of both to the fp32 reference; ends the run if Fovea's are too large."""
        outputs = f"fovea_{precision}.safetensors"
        self.time_fovea(precision, "--outputs", self.file(outputs), "--inference-only", "--warmup", "0", "--repeats", "1")
        self.peer("time", "--precision", precision, "--repeats", "1", "--json", self.file("torchvision.json"))
        fovea, peer = self.distance(outputs), self.distance(f"torchvision_{precision}.safetensors")
        for name, difference in fovea.items():
            limit = FP32_LIMIT if precision == "fp32" else BF16_FACTOR * peer[name]
            if not difference <= limit:
                sys.exit(f"bench: {precision} {name} differs by {difference:.2e}, the limit is {limit:.2e}: not timed")
        return {"fovea": fovea, "torchvision": peer}

    def convolutions(self, precision):
        """Seconds an image of all convolutions of each part, run alone one layer at a time by oneDNN's direct primitives."""
        if self.args.model != "r50" or self.args.classes != 91:
            return None  # bench_conv knows the layers of this network only
        path = self.file("convolutions.json")
        run(os.path.join(self.args.build, "benchmarks", "bench_conv"), "--size", str(self.args.size), "--batch",
            str(self.args.batch), "--dtype", precision, "--algorithm", "direct", "--json", path)
        layers = load(path)
        return {part: sum(layer["seconds"][p] * layer["times"][p] for layer in layers for p in passes) / self.args.batch
                for part, passes in CONV_PASSES.items()}

    def measure(self, precision):
        outputs = self.compare_outputs(precision)
        rounds = [(self.time_fovea(precision), self.time_peer(precision)) for _ in range(self.args.rounds)]
        direct = self.convolutions(precision)
        result = {"outputs": outputs, "peer": rounds[-1][1]["inference"]["form"], "fovea": {}, "torchvision": {}}
        for part in PARTS:
            for side, name in enumerate(("fovea", "torchvision")):
                seconds = sorted(s for r in rounds for s in r[side][part]["all"])
                result[name][part] = {
                    "seconds_per_image": statistics.median(seconds), "least": seconds[0], "most": seconds[-1],
                    "runs": len(seconds), "peak_rss_bytes": max(r[side][part]["peak_rss_bytes"] for r in rounds)}
            fovea, last = result["fovea"][part], rounds[-1][0][part]
            fovea["shares"] = last["shares"]
            fovea["convolution_share"] = sum(share for kernel, share in last["shares"].items() if "conv" in kernel)
            fovea["peak_tensor_bytes"] = last["peak_tensor_bytes"]
            fovea["times_as_fast"] = result["torchvision"][part]["seconds_per_image"] / fovea["seconds_per_image"]
            if direct:
                fovea["direct_convolution_seconds"] = direct[part]
                fovea["of_direct_convolution_rate"] = direct[part] / fovea["seconds_per_image"]
        return result


def table(results):
    lines = ["| precision | part | Fovea s/image | torchvision s/image | times as fast | convolution | of oneDNN's direct rate "
             "| Fovea MiB | torchvision MiB |", "|---|---|---|---|---|---|---|---|---|"]
    for precision, result in results["precisions"].items():
        for part in PARTS:
            fovea, peer = result["fovea"][part], result["torchvision"][part]
            spread = lambda side: f"{side['seconds_per_image']:.3f} ({side['least']:.3f}–{side['most']:.3f})"
            rate = f"{fovea['of_direct_convolution_rate']:.0%}" if "of_direct_convolution_rate" in fovea else "–"
            lines.append(f"| {precision} | {part} | {spread(fovea)} | {spread(peer)} | **{fovea['times_as_fast']:.2f}** | "
                         f"{fovea['convolution_share']:.1%} | {rate} | {fovea['peak_rss_bytes'] >> 20} | "
                         f"{peer['peak_rss_bytes'] >> 20} |")
    return "\n".join(lines)


def shares(results):
    lines = []
    for precision, result in results["precisions"].items():
        for part in PARTS:
            parts = sorted(result["fovea"][part]["shares"].items(), key=lambda item: -item[1])
            shown = ", ".join(f"{name} {share:.1%}" for name, share in parts if share >= 0.001)
            lines.append(f"- {precision} {part}: {shown}")
    return "\n".join(lines)


def cpu():
    with open("/proc/cpuinfo") as file:
        fields = [line.split(":", 1) for line in file if ":" in line]
    values = {key.strip(): value.strip() for key, value in fields}
    return values.get("model name", platform.processor()), values.get("flags", "").split()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, help="folder of the release build")
    parser.add_argument("--folder", required=True, help="where to write")
    parser.add_argument("--model", default="r50")
    parser.add_argument("--size", type=int, default=800)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--classes", type=int, default=91)
    parser.add_argument("--precision", nargs="+", choices=["fp32", "bf16"], help="default: what this CPU is fast at")
    parser.add_argument("--conv", default="auto", help="auto or direct")
    parser.add_argument("--rounds", type=int, default=3, help="turns of Fovea and torchvision")
    parser.add_argument("--repeats", type=int, default=5, help="timed runs a turn")
    args = parser.parse_args()
    name, flags = cpu()
    precisions = args.precision or (["fp32", "bf16"] if {"avx512_bf16", "amx_bf16"} & set(flags) else ["fp32"])
    os.makedirs(args.folder, exist_ok=True)
    bench = Bench(args)
    bench.peer("prepare")
    results = {"cpu": name, "cores": len(os.sched_getaffinity(0)), "load_before": os.getloadavg()[0], "model": args.model,
               "size": args.size, "batch": args.batch, "classes": args.classes, "convolution": args.conv,
               "precisions": {precision: bench.measure(precision) for precision in precisions}}
    with open(bench.file("bench.json"), "w") as file:
        json.dump(results, file, indent=1)
    text = (f"{args.model} {args.size}x{args.size}, batch {args.batch}, {args.classes} classes, on {results['cores']} cores of {name} "
            f"(load before: {results['load_before']:.1f}). Median (least–most).\n\n{table(results)}\n\nWhere Fovea's time goes:\n"
            f"{shares(results)}\n")
    with open(bench.file("bench.md"), "w") as file:
        file.write(text)
    print(text)


if __name__ == "__main__":
    main()

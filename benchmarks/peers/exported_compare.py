"""Measures Fovea beside the runtimes that run its exported model, in one run and in turns, and writes the figures as JSON and as a table.

Called by scripts/bench_exported. Before anything is timed, the heads' outputs of all are compared with torchvision's in fp32, and the
detections of the runtimes with each other. Fovea's own time includes NMS.
"""
import argparse
import json
import os
import statistics
import sys

import numpy as np

import safetensors_file
from compare import FP32_LIMIT, Bench, cpu, load, run

PEER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "exported_peer.py")
RUNTIMES, TAILS = ("onnxruntime", "openvino"), ("heads", "nms")
REFERENCE = {"cls_logits": "logits", "bbox_regression": "deltas"}  # torchvision's names, and those of the exported model
SAME_PIXELS, SAME_SCORE = 0.5, 1e-3  # as `fovea export --verify` has them
LEAST_SAME = 0.999


def same(one, other):
    """The share of one image's detections [D, 6] (box, score, label) that the other has too."""
    if len(one) == 0 or len(other) == 0:
        return float(len(one) == len(other))
    apart = np.abs(one[:, None] - other[None])
    return float(((apart[..., :4].max(-1) <= SAME_PIXELS) & (apart[..., 4] <= SAME_SCORE) & (apart[..., 5] == 0)).any(1).mean())


class Exported(Bench):
    def model(self, tail):
        return self.file(f"{tail}.onnx")

    def export(self):
        side = f"{self.args.size}x{self.args.size}"
        for tail in TAILS:
            run(os.path.join(self.args.build, "fovea"), "export", self.file("weights.safetensors"), self.model(tail), "--tail", tail,
                "--size", side, "--batch", str(self.args.batch), "--input", "normalized", "--filled")

    def time_peer(self, runtime, tail, repeats=None):
        path = self.file("peer.json")
        run(self.args.runtimes, PEER, runtime, "--model", self.model(tail), "--input", self.file("input.safetensors"), "--outputs",
            self.file(f"{runtime}_{tail}.safetensors"), "--json", path, "--repeats", str(repeats or self.args.repeats))
        return load(path)

    def compare_outputs(self):
        reference = safetensors_file.read(self.file("reference.safetensors"))
        self.time_fovea("fp32", "--outputs", self.file("fovea.safetensors"), "--inference-only", "--warmup", "0", "--repeats", "1")
        distances = {"fovea": self.distance("fovea.safetensors")}
        for runtime in RUNTIMES:
            self.time_peer(runtime, "heads", 1)
            found = safetensors_file.read(self.file(f"{runtime}_heads.safetensors"))
            distances[runtime] = {name: float(np.sqrt(np.mean((found[REFERENCE[name]] - values) ** 2)) / np.std(values))
                                  for name, values in reference.items()}
        for side, by_name in distances.items():
            for name, difference in by_name.items():
                if not difference <= FP32_LIMIT:
                    sys.exit(f"bench_exported: {side}'s {name} differs by {difference:.2e}, the limit is {FP32_LIMIT:.2e}: not timed")
        return distances

    def compare_detections(self):
        for runtime in RUNTIMES:
            self.time_peer(runtime, "nms", 1)
        one, other = (safetensors_file.read(self.file(f"{runtime}_nms.safetensors")) for runtime in RUNTIMES)

        def detections(found, image):
            count = int(found["count"][image])
            return np.concatenate([found["boxes"][image], found["scores"][image, :, None], found["labels"][image, :, None]], 1)[:count]

        shares = [same(detections(one, image), detections(other, image)) for image in range(self.args.batch)]
        if min(shares) < LEAST_SAME:
            sys.exit(f"bench_exported: the runtimes find different things ({min(shares):.2%} agree): not timed")
        return {"detections": [int(count) for count in one["count"]], "agree": shares}

    def measure(self):
        results = {"outputs": self.compare_outputs(), "nms": self.compare_detections()}
        sides = {"fovea": lambda: self.time_fovea("fp32", "--inference-only")["inference"]}
        for runtime in RUNTIMES:
            for tail in TAILS:
                sides[f"{runtime}_{tail}"] = lambda runtime=runtime, tail=tail: self.time_peer(runtime, tail)
        rounds = [{side: time() for side, time in sides.items()} for _ in range(self.args.rounds)]
        for side in sides:
            seconds = sorted(s for r in rounds for s in r[side]["all"])
            results[side] = {"seconds_per_image": statistics.median(seconds), "least": seconds[0], "most": seconds[-1],
                             "runs": len(seconds), "peak_rss_bytes": max(r[side]["peak_rss_bytes"] for r in rounds)}
            if side != "fovea":
                results[side]["version"] = rounds[-1][side]["version"]
                results[side]["fovea_times_as_fast"] = results[side]["seconds_per_image"] / results["fovea"]["seconds_per_image"]
        return results


def table(results):
    lines = ["| program | ends in | s/image | Fovea is times as fast | peak MiB |", "|---|---|---|---|---|"]
    for runtime, tail in [("fovea", "nms"), *((r, t) for r in RUNTIMES for t in TAILS)]:
        side = results["fovea" if runtime == "fovea" else f"{runtime}_{tail}"]
        ratio = "" if runtime == "fovea" else f"**{side['fovea_times_as_fast']:.2f}**"
        lines.append(f"| {runtime} {side.get('version', '')} | {tail} | {side['seconds_per_image']:.3f} ({side['least']:.3f}–"
                     f"{side['most']:.3f}) | {ratio} | {side['peak_rss_bytes'] >> 20} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, help="folder of the release build")
    parser.add_argument("--folder", required=True, help="where to write")
    parser.add_argument("--runtimes", required=True, help="a Python that has ONNX Runtime and OpenVINO")
    parser.add_argument("--json", help="file of the results, instead of the folder's bench.json")
    parser.set_defaults(model="r50", conv="auto")
    parser.add_argument("--size", type=int, default=800)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--classes", type=int, default=91)
    parser.add_argument("--rounds", type=int, default=3, help="turns of all")
    parser.add_argument("--repeats", type=int, default=5, help="timed runs a turn")
    args = parser.parse_args()
    os.makedirs(args.folder, exist_ok=True)
    bench = Exported(args)
    bench.peer("prepare")
    bench.export()
    name, _ = cpu()
    results = {"cpu": name, "cores": len(os.sched_getaffinity(0)), "load_before": os.getloadavg()[0], "model": args.model,
               "size": args.size, "batch": args.batch, "classes": args.classes, "precision": "fp32", **bench.measure()}
    with open(args.json or bench.file("bench.json"), "w") as file:
        json.dump(results, file, indent=1)
    text = (f"{args.model} {args.size}x{args.size}, batch {args.batch}, {args.classes} classes, fp32, on {results['cores']} cores of "
            f"{name} (load before: {results['load_before']:.1f}). Median (least–most).\n\n{table(results)}\n")
    with open(bench.file("bench.md"), "w") as file:
        file.write(text)
    print(text)


if __name__ == "__main__":
    main()

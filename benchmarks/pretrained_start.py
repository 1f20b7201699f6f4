#!/usr/bin/env python3
"""Trains a half-width ResNet-50 from a classifier's weights and from random ones, with the demo's recipe, and writes the APs.

    benchmarks/pretrained_start.py --data DIR --backbone FILE --out DIR [--steps 160] [--seeds 3] [--json FILE]

FILE is what benchmarks/peers/caffe_backbone.py makes. Trainings that are done are not done again. Needs build/release/fovea.
"""
import argparse
import json
import pathlib
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
NETWORK = ["model.backbone.depth=50", "model.backbone.stem_width=64", "model.backbone.stride_in_1x1=true",
           "input.mean=[0.4824,0.4588,0.4078]", "input.std=[0.003922,0.003922,0.003922]"]
STARTS = {"classifier": ["model.backbone.norm=frozen_batch", "model.backbone.frozen_stages=2"],
          "random": ["model.backbone.norm=batch", "model.backbone.frozen_stages=0"]}


def fovea(*arguments):
    subprocess.run([ROOT / "build/release/fovea", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def train(args, start, seed):
    run = args.out / f"{start}_{seed}"
    metrics = run / "metrics.json"
    if not metrics.exists():
        weights = ["--init-from", args.backbone] if start == "classifier" else []
        settings = [*NETWORK, *STARTS[start], f"train.steps={args.steps}", f"train.checkpoint_every={args.steps}",
                    "train.eval_every=0"]
        resume = ["--resume"] if (run / "last.safetensors").exists() else []
        fovea("train", *resume, "--preset", "demo", "--data", args.data, "--out", run, "--seed", seed, *weights,
              *[word for setting in settings for word in ("--set", setting)])
        fovea("eval", "--weights", run / "last.safetensors", "--data", args.data, "--json", metrics)
    result = json.loads(metrics.read_text())
    return {name: 100 * result["metrics"][name] for name in ("AP", "AP50")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--backbone", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--steps", type=int, default=160)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    results = {start: [train(args, start, seed) for seed in range(args.seeds)] for start in STARTS}
    print("| start | AP | AP50 |\n|---|---|---|")
    for start, runs in results.items():
        cells = []
        for name in ("AP", "AP50"):
            values = [run[name] for run in runs]
            cells.append(f"{statistics.mean(values):.1f} ± {statistics.stdev(values) if len(values) > 1 else 0:.1f}")
        print(f"| {start} | {cells[0]} | {cells[1]} |")
    if args.json:
        args.json.write_text(json.dumps({"steps": args.steps, "seeds": args.seeds, "network": NETWORK, "starts": STARTS,
                                         "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()

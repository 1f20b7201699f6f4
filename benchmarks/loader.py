#!/usr/bin/env python3
"""Measures the loader beside libjpeg-turbo alone and PyTorch's DataLoader with torchvision's transforms: the same files, as many
threads as workers, in turns, medians. Then the resident memory over ten epochs with everything on.

  build/peers/bin/python benchmarks/loader.py --data DIR [--workers 2] [--rounds 3] [--epochs 3] [--json FILE]

after `scripts/setup --bench` and `cmake --build --preset release --target bench_loader`. Leave the machine alone meanwhile.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SSD = ["input.augment.photometric=1", "input.augment.crop=0.86"]  # torchvision's crop leaves the image in one of seven draws
ALL = ["input.shape_buckets=4", "input.augment.vertical_flip=0.5", "input.augment.crop=0.5", "input.augment.photometric=1",
       "input.augment.rotation=10", "input.augment.mosaic=0.3", "input.augment.mixup=0.2", "input.cache_mb=64"]
# name: what bench_loader does, with which settings; what the DataLoader does
WORK = {"decode": ("load", [], "decode"),
        "decode, SSD's augmentations": ("load", SSD, "ssd"),
        "decode, flip, resize, normalise, batch": ("input", [], "input")}


def run(command):
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if result.returncode != 0:
        sys.exit(f"loader: failed with {result.returncode}: {' '.join(command)}")
    return json.loads(result.stdout.splitlines()[-1])


class Bench:
    def __init__(self, args):
        self.args = args
        self.common = ["--data", args.data, "--workers", str(args.workers)]

    def fovea(self, what, settings=(), epochs=None):
        settings = ["input.cache_mb=0", *settings]
        command = [os.path.join(self.args.build, "benchmarks/bench_loader"), *self.common, "--what", what]
        command += [word for setting in settings for word in ("--set", setting)]
        return run(command + ["--epochs", str(epochs or self.args.epochs)])

    def peer(self, transforms, decoder):
        return run([sys.executable, os.path.join(HERE, "peers/torchvision_loader.py"), *self.common, "--epochs",
                    str(self.args.epochs), "--transforms", transforms, "--decoder", decoder])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--json")
    args = parser.parse_args()
    bench = Bench(args)
    results = {}

    def take(row, who, result):
        for key in ("images_per_second", "cpu_ms"):
            results.setdefault(row, {}).setdefault(who, {}).setdefault(key, []).extend(result[key])

    for _ in range(args.rounds):
        take("decode", "libjpeg-turbo", bench.fovea("decode"))
        for row, (what, settings, transforms) in WORK.items():
            take(row, "fovea", bench.fovea(what, settings))
            for decoder in ("pil", "io"):
                take(row, f"torchvision {decoder}", bench.peer(transforms, decoder))
    print("| work | who | images/s | CPU ms per image |\n|---|---|---|---|")
    for row, all_of_row in results.items():
        for who, values in all_of_row.items():
            rate, cpu = (statistics.median(values[key]) for key in ("images_per_second", "cpu_ms"))
            spread = f"{min(values['images_per_second']):.0f}–{max(values['images_per_second']):.0f}"
            print(f"| {row} | {who} | {rate:.0f} ({spread}) | {cpu:.2f} |")
    results["memory"] = bench.fovea("load", ALL, epochs=10)["resident_mb"]
    print("resident MB after each of ten epochs, all augmentations, 64 MB of cache:", *results["memory"])
    if args.json:
        with open(args.json, "w") as file:
            json.dump(results, file, indent=1)


main()

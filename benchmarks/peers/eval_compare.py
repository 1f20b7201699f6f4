"""Measures `fovea eval` beside pycocotools and faster-coco-eval in one run and in turns, and writes the figures as JSON and as tables.

Called by scripts/bench_eval. Each run is a process of its own: its time is from its start to its end, reading JSON included, its
memory the most that was resident. All must give the same twelve numbers.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT = 1e-12
PEERS = ("pycocotools", "faster-coco-eval")


def run(command):
    """Seconds, seconds of all cores together, MiB, and what was printed."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status != 0:
        sys.exit(f"bench_eval: failed: {' '.join(command)}")
    return {"seconds": seconds, "cpu_seconds": usage.ru_utime + usage.ru_stime, "mib": usage.ru_maxrss / 1024}, text


def summarized(results):
    seconds = [result["seconds"] for result in results]
    return {"median": statistics.median(seconds), "least": min(seconds), "most": max(seconds),
            "cpu_seconds": statistics.median(result["cpu_seconds"] for result in results), "mib": max(result["mib"] for result in results)}


class Bench:
    def __init__(self, args):
        self.args = args

    def file(self, name):
        return os.path.join(self.args.folder, name)

    def generate(self, images, detections):
        run([os.path.join(self.args.build, "benchmarks", "bench_eval_data"), "--images", str(images), "--detections", str(detections),
             "--classes", str(self.args.classes), "--seed", str(self.args.seed), "--out", self.args.folder])
        return sum(os.path.getsize(self.file(name)) for name in ("gt.json", "dt.json")) / 2 ** 20

    def fovea(self, *options):
        used, _ = run([os.path.join(self.args.build, "fovea"), "eval", "--ground-truth", self.file("gt.json"), "--detections",
                       self.file("dt.json"), "--json", self.file("fovea.json"), *options])
        with open(self.file("fovea.json")) as file:
            return {**used, "stats": json.load(file)["stats"]}

    def peer(self, package):
        used, text = run([sys.executable, os.path.join(HERE, "eval_peer.py"), package, self.file("gt.json"), self.file("dt.json")])
        return {**used, "stats": json.loads(text)["stats"]}

    def compare(self):
        size = self.generate(self.args.images, self.args.detections)
        runs = {name: [] for name in ("fovea", *PEERS)}
        for _ in range(self.args.rounds):
            runs["fovea"].append(self.fovea())
            for package in PEERS:
                runs[package].append(self.peer(package))
        reference = runs["pycocotools"][0]["stats"]
        for name, results in runs.items():
            for result in results:
                difference = max(abs(a - b) for a, b in zip(result["stats"], reference, strict=True))
                if not difference <= LIMIT:
                    sys.exit(f"bench_eval: {name} differs from pycocotools by {difference}")
        summary = {"json_mib": size}
        summary.update((name, summarized(results)) for name, results in runs.items())
        return summary

    def growth(self):
        rows = []
        for images in self.args.growth:
            size = self.generate(images, self.args.growth_detections)
            rows.append({"images": images, "json_mib": size, **summarized([self.fovea() for _ in range(self.args.rounds)])})
        for name in ("gt.json", "dt.json"):  # gigabytes
            os.remove(self.file(name))
        return rows


def tables(results, args):
    lines = [f"{args.images} images x {args.detections} detections, {args.classes} classes, {results['comparison']['json_mib']:.0f} MiB of "
             f"JSON; {results['cores']} cores of {results['cpu']}, load before: {results['load_before']:.1f}. Median (least–most) of "
             f"{args.rounds} runs.", "", "| | seconds | times as fast is Fovea | core seconds | peak memory MiB |", "|---|---|---|---|---|"]
    fovea = results["comparison"]["fovea"]
    for name in ("fovea", *PEERS):
        own = results["comparison"][name]
        ratio = "" if name == "fovea" else f"**{own['median'] / fovea['median']:.1f}**"
        lines.append(f"| {name} | {own['median']:.2f} ({own['least']:.2f}–{own['most']:.2f}) | {ratio} | "
                     f"{own['cpu_seconds']:.2f} | {own['mib']:.0f} |")
    if results["growth"]:
        lines += ["", f"Fovea, {args.growth_detections} detections an image:", "",
                  "| images | JSON MiB | seconds | core seconds | core µs a detection | peak memory MiB |", "|---|---|---|---|---|---|"]
    for row in results["growth"]:
        each = row["cpu_seconds"] / (row["images"] * args.growth_detections) * 1e6
        lines.append(f"| {row['images']} | {row['json_mib']:.0f} | {row['median']:.2f} ({row['least']:.2f}–{row['most']:.2f}) | "
                     f"{row['cpu_seconds']:.2f} | {each:.2f} | {row['mib']:.0f} |")
    return "\n".join(lines)


def cpu():
    with open("/proc/cpuinfo") as file:
        return next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), "unknown")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, help="folder of the release build")
    parser.add_argument("--folder", required=True, help="where to write")
    parser.add_argument("--cases", type=int, default=200, help="random cases that must agree")
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--detections", type=int, default=100)
    parser.add_argument("--classes", type=int, default=80)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--growth", type=int, nargs="*", default=[12500, 25000, 50000, 100000], help="numbers of images")
    parser.add_argument("--growth-detections", type=int, default=300)
    args = parser.parse_args()
    os.makedirs(args.folder, exist_ok=True)
    bench = Bench(args)
    load = os.getloadavg()[0]
    if args.cases:
        subprocess.run([sys.executable, os.path.join(HERE, "..", "eval_cases.py"), "--fovea", os.path.join(args.build, "fovea"),
                        "--cases", str(args.cases)], check=True)
    results = {"cpu": cpu(), "cores": len(os.sched_getaffinity(0)), "load_before": load, "comparison": bench.compare(),
               "growth": bench.growth()}
    with open(bench.file("bench.json"), "w") as file:
        json.dump(results, file, indent=1)
    text = tables(results, args)
    with open(bench.file("bench.md"), "w") as file:
        file.write(text + "\n")
    print(text)


if __name__ == "__main__":
    main()

"""Measures Fovea's evaluation beside its peers in one run and in turns, and writes the figures as JSON and as tables.

Called by scripts/bench_eval. Each run is a process of its own. On files its time is from its start to its end, Python's start and
reading JSON included; on arrays and lists of dicts, which lie in memory already, it is that of the evaluation alone (eval_peer.py). Its
memory is the most that was resident. All must give the same twelve numbers.
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
PEERS = ("ultrafast-pycocotools", "hotcoco", "faster-coco-eval", "pycocotools")
FAST_PEERS = PEERS[:2]  # the others take minutes, and are measured on the first shape alone
FORMS = {"files": "files, JSON included", "arrays": "NumPy arrays in memory", "dicts": "results as a list of dicts in memory"}
# Fovea's ways; the peers' times are divided by that of the last one.
OWN = {"files": ("fovea eval", "fovea.evaluate", "fovea.coco"), "arrays": ("fovea.evaluate",), "dicts": ("fovea.coco",)}
# What is measured: options of bench_eval_data.
SHAPES = {"COCO": {}, "300 detections": {"detections": 300}, "LVIS": {"classes": 1200, "detections": 300, "objects": 12},
          "crowds": {"crowds": 30}}


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

    def generate(self, images, detections, **options):
        options = {"images": images, "detections": detections, "classes": self.args.classes, "seed": self.args.seed, **options}
        run([os.path.join(self.args.build, "benchmarks", "bench_eval_data"), "--out", self.args.folder,
             *(word for name, value in options.items() for word in ("--" + name, str(value)))])
        return sum(os.path.getsize(self.file(name)) for name in ("gt.json", "dt.json")) / 2 ** 20

    def fovea(self, *options):
        used, _ = run([os.path.join(self.args.build, "fovea"), "eval", "--ground-truth", self.file("gt.json"), "--detections",
                       self.file("dt.json"), "--json", self.file("fovea.json"), *options])
        with open(self.file("fovea.json")) as file:
            return {**used, "stats": json.load(file)["stats"]}

    def package(self, name, form):
        used, text = run([sys.executable, os.path.join(HERE, "eval_peer.py"), name, form, self.file("gt.json"), self.file("dt.json")])
        printed = json.loads(text)
        if form != "files":
            used["seconds"] = printed["seconds"]
        return {**used, "stats": printed["stats"]}

    def floor(self):
        """Core seconds of what any evaluation of the two files has to do."""
        _, text = run([os.path.join(self.args.build, "benchmarks", "bench_eval_floor"), "--ground-truth", self.file("gt.json"),
                       "--detections", self.file("dt.json")])
        return json.loads(text)

    def compare(self, shape):
        """Figures of one shape, by form and program."""
        options = {"detections": self.args.detections, **SHAPES[shape]}
        summary = {"json_mib": self.generate(self.args.images, **options)}
        summary["floor"] = self.floor()
        peers = PEERS if shape == "COCO" else FAST_PEERS
        for form in self.args.forms:
            runs = {name: [] for name in (*OWN[form], *peers)}
            for _ in range(self.args.rounds):
                for name, results in runs.items():
                    if name in FAST_PEERS or name.startswith("fovea") or len(results) < self.args.slow_rounds:
                        results.append(self.fovea() if name == "fovea eval" else self.package(name, form))
            self.check(runs, peers[-1])
            summary[form] = {name: summarized(results) for name, results in runs.items()}
        return summary

    def check(self, runs, reference):
        for name, results in runs.items():
            for result in results:
                difference = max(abs(a - b) for a, b in zip(result["stats"], runs[reference][0]["stats"], strict=True))
                if not difference <= LIMIT:
                    sys.exit(f"bench_eval: {name} differs from {reference} by {difference}")

    def growth(self):
        rows = []
        for images in self.args.growth:
            size = self.generate(images, self.args.growth_detections)
            rows.append({"images": images, "json_mib": size, **summarized([self.fovea() for _ in range(self.args.rounds)])})
        for name in ("gt.json", "dt.json"):  # gigabytes
            os.remove(self.file(name))
        return rows


def tables(results, args):
    lines = [f"{results['cores']} cores of {results['cpu']}, load before: {results['load_before']:.1f}. Median (least–most) of "
             f"{args.rounds} runs, of the slow peers of {args.slow_rounds}."]
    for shape, figures in results["comparison"].items():
        options = {"images": args.images, "detections": args.detections, "classes": args.classes, **SHAPES[shape]}
        lines += ["", f"{shape}: " + ", ".join(f"{value} {name}" for name, value in options.items()) + f", {figures['json_mib']:.0f} MiB "
                  "of JSON"]
        steps = {step: figures["floor"][step] for step in ("read", "parse", "sort", "match")}
        least, own = sum(steps.values()), figures.get("files", {}).get("fovea eval")
        lines += ["", "The least, in core seconds: " + ", ".join(f"{step} {seconds:.3f}" for step, seconds in steps.items()) +
                  f", together {least:.3f}" + (f"; fovea eval takes {own['cpu_seconds'] / least:.2f} times that" if own else "") + "."]
        for form in args.forms:
            lines += ["", FORMS[form] + ":", "", f"| | seconds | times as fast is {OWN[form][-1]} | core seconds | peak memory MiB |",
                      "|---|---|---|---|---|"]
            fovea = figures[form][OWN[form][-1]]
            for name, own in figures[form].items():
                ratio = "" if name.startswith("fovea") else f"**{own['median'] / fovea['median']:.1f}**"
                lines.append(f"| {name} | {own['median']:.3f} ({own['least']:.3f}–{own['most']:.3f}) | {ratio} | "
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
    parser.add_argument("--slow-rounds", type=int, default=1, help="of pycocotools and faster-coco-eval")
    parser.add_argument("--shapes", nargs="*", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--forms", nargs="*", choices=list(FORMS), default=list(FORMS))
    parser.add_argument("--growth", type=int, nargs="*", default=[12500, 25000, 50000, 100000], help="numbers of images")
    parser.add_argument("--growth-detections", type=int, default=300)
    args = parser.parse_args()
    os.makedirs(args.folder, exist_ok=True)
    bench = Bench(args)
    load = os.getloadavg()[0]
    if args.cases:
        subprocess.run([sys.executable, os.path.join(HERE, "..", "eval_cases.py"), "--fovea", os.path.join(args.build, "fovea"),
                        "--cases", str(args.cases)], check=True)
    results = {"cpu": cpu(), "cores": len(os.sched_getaffinity(0)), "load_before": load, "comparison": {shape: bench.compare(shape) for shape in args.shapes},
               "growth": bench.growth()}
    with open(bench.file("bench.json"), "w") as file:
        json.dump(results, file, indent=1)
    text = tables(results, args)
    with open(bench.file("bench.md"), "w") as file:
        file.write(text + "\n")
    print(text)


if __name__ == "__main__":
    main()

"""Runs the peers' own tests of boxes with fovea.coco in the peers' place, and torchmetrics with it in pycocotools' place.

    build/peers_eval/bin/python benchmarks/peers/eval_suites.py --folder build/peers_suites [--torch build/peers/bin/python]

The tests are fetched, not kept here: by git at a fixed tag, or, where that fails, from the source distribution on PyPI if it has them;
or they lie in --folder already, in a folder of the peer's name. Each runs twice, with pycocotools' classes in the peer's place and with
fovea.coco's. A test fails where pycocotools passes and Fovea does not, but for masks and keypoints, which Fovea says are not here. Where
pycocotools fails, too, it is of the peer's own additions. What could not be fetched is said. Exits with 1 where a test failed.
"""
import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
# name: (repository, tag or commit, source distribution whose tests can stand in, test folders)
SUITES = {
    "faster-coco-eval": ("https://github.com/MiXaiLL76/faster_coco_eval", "1.8.0", "faster-coco-eval==1.8.0", ["tests"]),
    "hotcoco": ("https://github.com/derekallman/hotcoco", "v1.3.0", None, ["tests"]),
    "ultrafast-pycocotools": ("https://github.com/developer0hye/ultrafast-pycocotools", "v0.1.14", None, ["tests"]),
    # its tests are of masks: they show that these are left to pycocotools
    "cocoapi": ("https://github.com/ppwwyyxx/cocoapi", "master", None, ["tests"]),
}


def run(command, seconds, **named):
    """(success, its output)"""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds, **named)
    except (OSError, subprocess.TimeoutExpired) as error:
        return False, str(error)
    return done.returncode == 0, done.stdout


def unpacked(distribution, folder):
    """The source distribution of PyPI, or why there is none."""
    with tempfile.TemporaryDirectory() as temporary:
        good, text = run([sys.executable, "-m", "pip", "download", "-q", "--no-binary", distribution.split("==")[0], "--no-deps", "-d",
                          temporary, distribution], 300)
        archives = [name for name in os.listdir(temporary) if name.endswith(".tar.gz")]
        if not good or not archives:
            return f"pip download: {(text.strip().splitlines() or ['nothing came'])[-1]}"
        with tarfile.open(os.path.join(temporary, archives[0])) as archive:
            archive.extractall(temporary, filter="data")
        os.rename(os.path.join(temporary, archives[0][:-len(".tar.gz")]), folder)
    return None


def fetched(name, folder):
    """None, or why it is not there."""
    repository, tag, distribution, _ = SUITES[name]
    place = os.path.join(folder, name)
    if os.path.isdir(place):
        return None
    good, text = run(["git", "clone", "-q", "--depth", "1", "--branch", tag, repository, place], 300,
                     env={**os.environ, "GIT_TERMINAL_PROMPT": "0"})
    if good:
        return None
    reason = f"git clone: {(text.strip().splitlines() or ['failed'])[-1]}"
    if distribution is None:
        return reason + " (its source distribution has no tests)"
    other = unpacked(distribution, place)
    return other and f"{reason}; {other}"


def run_suite(name, folder):
    """Tests by outcome."""
    outcomes = [run_with(module, name, folder) for module in ("pycocotools", "fovea")]
    for outcome in outcomes:
        if isinstance(outcome, str):
            return {"error": outcome}
    sorted_in = {"passed": [], "failed": [], "not here": [], "additions": [], "no data": [], "more": []}
    for test, (kind, words) in outcomes[1].items():
        with_pycocotools = outcomes[0].get(test, ["failed"])[0]
        if kind == "passed":
            sorted_in["passed" if with_pycocotools == "passed" else "more"].append(test)
        elif kind in ("not here", "no data"):
            sorted_in[kind].append(test)
        elif kind == "failed" and with_pycocotools == "passed":
            sorted_in["failed"].append(f"{test}: {words}")
        elif kind == "failed":
            sorted_in["additions"].append(test)
    return sorted_in


def run_with(module, name, folder):
    """{test: [outcome, words]}, or why there is nothing."""
    place = os.path.join(folder, name)
    report = os.path.join(folder, name + ".json")
    if os.path.exists(report):
        os.remove(report)
    tests = [os.path.join(place, part) for part in SUITES[name][3]]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([HERE, os.environ.get("PYTHONPATH", "")]), "FOVEA_SUITE": name, "FOVEA_SUITE_MODULE": module,
                   "FOVEA_SUITE_REPORT": report, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    _, text = run([sys.executable, "-m", "pytest", "-q", "-p", "eval_suites_plugin", "-p", "no:cacheprovider", "--no-header",
                   "--continue-on-collection-errors", "--rootdir", place, "-c", os.devnull, *tests], 900, env=environment, cwd=tests[0])
    if not os.path.exists(report):
        return (text.strip().splitlines() or ["pytest wrote nothing"])[-1]
    with open(report) as file:
        return json.load(file)


def torchmetrics(python):
    """{'passed': …}, or why it could not run."""
    site = next(path for path in sys.path if path.endswith("site-packages"))
    paths = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    command = [python, os.path.join(HERE, "eval_torchmetrics.py"), site]
    good, text = run(command, 600, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)})
    last = (text.strip().splitlines() or ["it printed nothing"])[-1]
    return json.loads(last) if good else {"error": last}


def line_of(name, outcome):
    if "error" in outcome:
        return f"{name}: not run: {outcome['error']}"
    words = {"passed": "passed", "failed": "failed", "more": "passed where pycocotools fails", "not here": "of masks or keypoints",
             "additions": "of the peer's own additions", "no data": "without their data"}
    counts = {kind: len(value) if isinstance(value, list) else value for kind, value in outcome.items()}
    return f"{name}: " + ", ".join(f"{count} {words[kind]}" for kind, count in counts.items() if count or kind in ("passed", "failed"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", required=True, help="where the tests are put, or lie already")
    parser.add_argument("--torch", help="a Python with PyTorch, for torchmetrics")
    parser.add_argument("--only", nargs="*", default=[*SUITES, "torchmetrics"])
    args = parser.parse_args()
    os.makedirs(args.folder, exist_ok=True)
    folder, results = os.path.abspath(args.folder), {}
    for name in SUITES:
        if name in args.only:
            reason = fetched(name, folder)
            results[name] = {"error": reason} if reason else run_suite(name, folder)
    if "torchmetrics" in args.only:
        results["torchmetrics"] = torchmetrics(args.torch) if args.torch else {"error": "no Python with PyTorch was named (--torch)"}
    for name, outcome in results.items():
        print(line_of(name, outcome))
        for test in outcome.get("failed", []):
            print(f"  failed: {test}")
    with open(os.path.join(folder, "suites.json"), "w") as file:
        json.dump(results, file, indent=1)
    sys.exit(1 if any(outcome.get("failed") for outcome in results.values()) else 0)


if __name__ == "__main__":
    main()

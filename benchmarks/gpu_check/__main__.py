"""scripts/gpu_check, which says what it does. Standard library only: it runs where nothing can be installed."""
import argparse
import datetime
import os
import shutil
import signal
import sys
import tarfile
import tempfile
import time
import traceback

from parts import Parts
from results import Results
from runner import CutOff, Failed, Runner, Skipped

LIMITS_FOR = 540  # seconds: the limits of parts are made for such a budget, and shrink with a smaller one
RESERVE = 0.02  # of the budget, for ending what runs and writing


def run_part(name, limit, work, runner, results, order):
    """Nothing that goes wrong in a part ends more than that part."""
    result, start = {}, time.monotonic()
    part = {"state": "passed", "result": result}
    results.data["parts"][name] = part
    runner.begin(name, limit)
    try:
        if runner.left() <= 0:
            raise CutOff("the budget was spent before")
        work(result)
    except Skipped as reason:
        part |= {"state": "skipped", "reason": str(reason)}
    except CutOff as reason:
        part |= {"state": "cut off", "reason": str(reason), "last_lines": runner.last_lines()}
    except Failed as error:
        part |= {"state": "failed", "reason": str(error), "last_lines": runner.last_lines()}
    except Exception as error:  # of our own reading of what a program printed, too
        where = traceback.extract_tb(error.__traceback__)[-1]
        part |= {"state": "failed", "reason": f"{type(error).__name__}: {error}", "last_lines": runner.last_lines(),
                 "where": f"{os.path.basename(where.filename)}:{where.lineno}"}
    finally:
        if "reason" not in part and sys.exc_info()[0] is not None:
            part |= {"state": "cut off", "reason": "gpu_check was ended"}
        part["seconds"] = round(time.monotonic() - start, 1)
        if runner.notes:
            part["notes"] = runner.notes
        say(name, part)
        results.write(order)


def say(name, part):
    reason = ": " + part["reason"] if "reason" in part else ""
    print(f"{name:12} {part['seconds']:7.1f} s  {part['state']}{reason}", flush=True)
    for line in part.get("last_lines", []) + part.get("notes", []):
        print("    | " + line, flush=True)


def arguments():
    parser = argparse.ArgumentParser(prog="gpu_check", description=__doc__)
    parser.add_argument("out", nargs="?", help="folder for the results")
    parser.add_argument("--build", help="folder with fovea, tests/ and benchmarks/, or an archive of one")
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--budget", type=float, default=float("inf"), help="seconds that all parts together may take")
    parser.add_argument("--part", action="append", default=[], help="this part alone; may be given several times")
    parser.add_argument("--list", action="store_true", help="name the parts")
    args = parser.parse_args()
    if not args.list and (args.out is None or args.build is None):
        parser.error("needs OUT and --build")
    return args


def main():
    sys.stdout.reconfigure(errors="replace")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("gpu_check: ended by SIGTERM"))  # so that nothing is left behind
    args = arguments()
    if args.list:
        return print("\n".join(Parts(args.device, None, None, None, None).all()))
    os.makedirs(args.out, exist_ok=True)
    work = tempfile.mkdtemp(prefix="fovea_gpu_check_")
    try:
        runner = Runner(os.path.join(args.out, "logs"), args.budget * (1 - RESERVE))
        results = Results(args.out, merge=bool(args.part))
        try:
            parts = Parts(args.device, args.build, runner, results, work).all()
        except (OSError, tarfile.TarError) as error:
            sys.exit(f"gpu_check: --build {args.build} cannot be unpacked: {error}")
        for name in args.part:
            if name not in parts:
                sys.exit(f"gpu_check: there is no part {name}; there are {' '.join(parts)}")
        results.data |= {"device": args.device, "build": args.build,
                         "written": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")}
        for name in args.part or parts:
            limit, work_of = parts[name]
            run_part(name, limit * min(1, args.budget / LIMITS_FOR), work_of, runner, results, list(parts))
        failed = [name for name in args.part or parts if results.data["parts"][name]["state"] == "failed"]
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(f"results: {results.file}, {results.table}" + (f"; failed: {', '.join(failed)}" if failed else ""))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

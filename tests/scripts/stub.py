"""Stands for every program that scripts/gpu_check runs: does at once what is expected of it, or what `faults` beside it says."""
import json
import os
import signal
import struct
import sys
import time

here, name = os.path.dirname(os.path.abspath(__file__)), os.path.basename(__file__)
arguments = sys.argv[1:]


def option(text, default=None):
    return arguments[arguments.index(text) + 1] if text in arguments else default


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


def write_tensor(path):
    header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header + struct.pack("<2f", 1, 2))


def fork_and_hang():
    """A child in a session of its own that ignores SIGTERM, and its parent that waits for it."""
    if os.fork() == 0:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        write(os.path.join(here, "child"), str(os.getpid()))
    while True:
        time.sleep(60)


def leave_child():
    if os.fork() == 0:
        while True:
            time.sleep(60)


def fault(kind):
    if kind == "hang":
        time.sleep(3600)
    elif kind == "fork and hang":
        fork_and_hang()
    elif kind == "leave a child":
        leave_child()
    elif kind == "garbage":
        sys.stdout.buffer.write(bytes(range(256)) * 3 + b"\n\xff\xfe last words \xc3\n")
        sys.stdout.flush()
        sys.exit(3)
    elif kind == "signal":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif kind.startswith("exit "):
        print("these were its last words")
        sys.exit(int(kind[5:]))
    elif kind.startswith("json "):
        write(option("--json"), kind[5:])
        sys.exit(0)
    elif kind.startswith("say "):
        print(kind[4:])
        sys.exit(0)
    elif kind.startswith("refuse "):
        print(kind[7:])
        sys.exit(1)


def bench():
    if option("--outputs"):
        write_tensor(option("--outputs"))
    layers = {"head.conv.0.weight": {"conv_forward": 0.012}, "": {"copy|2": 0.004}}
    part = {"seconds_per_image": 0.5, "peak_tensor_bytes": 1 << 20, "candidates_per_image": 1000, "layers": layers}
    libraries = {library: {"version": "9.9.9", "path": "/x"} for library in ("cuDNN", "cuBLASLt", "NVRTC")}
    write(option("--json", os.path.join(here, "bench.json")),
          json.dumps({"batch": int(option("--batch", "1")), "libraries": libraries, "inference": part, "training": part}))


def train():
    for file in ("last", "previous"):
        write_tensor(os.path.join(option("--out"), file + ".safetensors"))


with open(os.path.join(here, os.pardir if os.path.basename(here) in ("tests", "benchmarks", "bin") else "", "faults")) as file:
    for words, kind in json.load(file).items():
        if words in " ".join([name, *arguments]):
            fault(kind)
if "compute-sanitizer" == name and "--help" not in arguments:
    arguments = arguments[[i for i, word in enumerate(arguments) if os.path.isabs(word)][0]:]
    name = os.path.basename(arguments[0])
    arguments = arguments[1:]
if name == "fovea" and arguments[0] == "bench":
    bench()
elif name == "fovea" and arguments[0] == "train":
    train()
elif "--simulate" in arguments:
    work = {"seconds": 0.016, "calls": 3, "layers": {"head.conv.0.weight": {"conv_forward": 0.009}, "": {"copy|2": 0.002}}}
    write(option("--json"), json.dumps({"gpu": "X", "batch": 32, "detection": work, "training": work}))
elif name == "fovea" and option("--json"):
    write(option("--json"), json.dumps({"metrics": {"AP": 0.6, "AP50": 0.9}, "stats": [0.5]}))
elif name.startswith("test_"):
    print("All tests passed (3 assertions in 2 test cases)")
elif name == "bench_loader":
    print(json.dumps({"images_per_second": [10.0], "cpu_ms": [1.0]}))
elif name == "bench_eval_data":
    os.makedirs(option("--out"), exist_ok=True)
elif name.startswith("bench_"):
    kernel = {"kernel": "copy", "dtype": "fp32", "median_seconds": 1e-3, "of_memory": 0.5}
    write(option("--json"), json.dumps({"results": [kernel]}))
elif "--roofline" in arguments:
    print("layer  GFLOP  MB  forward us  mask us  data us  weight us")
    for forward in ("2000.0", "500.0"):  # two levels
        print(f"head.conv.0.weight  1.0  2.0  {forward}  -  -  100.0")
else:
    print("one: line")

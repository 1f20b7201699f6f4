"""Times an exported model in ONNX Runtime or OpenVINO, on the CPU in fp32: the peers of scripts/bench_exported.

    exported_peer.py onnxruntime|openvino --model FILE.onnx --input FILE --outputs FILE --json FILE …

The input is `images` of a safetensors file, [N, H, W, 3], which the model takes as [N, 3, H, W]. One thread a core.
"""
import argparse
import json
import os
import statistics
import sys
import time

import numpy as np

import safetensors_file


def onnxruntime_model(args):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = args.threads
    session = onnxruntime.InferenceSession(args.model, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return onnxruntime.__version__, lambda images: dict(zip(names, session.run(None, {"images": images})))


def openvino_model(args):
    sys.modules["openvino_telemetry"] = None  # by which importing OpenVINO reports to its makers
    import openvino

    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": args.threads, "PERFORMANCE_HINT": "LATENCY"}
    compiled = openvino.compile_model(openvino.Core().read_model(args.model), "CPU", settings)
    names = [output.any_name for output in compiled.outputs]
    return openvino.__version__.split("-")[0], lambda images: dict(zip(names, compiled({"images": images}).values()))


def reset_peak_memory():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def peak_memory():
    """The process's largest resident size since then, bytes."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmHWM"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runtime", choices=["onnxruntime", "openvino"])
    for name in ("model", "input", "outputs", "json"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    version, run = (onnxruntime_model if args.runtime == "onnxruntime" else openvino_model)(args)
    given = safetensors_file.read(args.input)["images"]
    images = np.ascontiguousarray(given.transpose(0, 3, 1, 2))
    for _ in range(args.warmup):
        outputs = run(images)
    reset_peak_memory()
    seconds = []
    for _ in range(args.repeats):
        start = time.perf_counter()
        outputs = run(images)
        seconds.append((time.perf_counter() - start) / len(images))
    safetensors_file.write(args.outputs, {name: values.astype(np.float32) for name, values in outputs.items()})
    with open(args.json, "w") as file:
        json.dump({"version": version, "threads": args.threads, "seconds_per_image": statistics.median(seconds), "all": seconds,
                   "peak_rss_bytes": peak_memory()}, file)


if __name__ == "__main__":
    main()

"""PyTorch and torchvision doing Fovea's work on a GPU: the peer of scripts/gpu_check.

    torchvision_gpu.py --json FILE [--device cuda|cpu] [--size 800] [--classes 80] [--batches 32 8 1] [--seconds 3]

Times, each on random data in channels_last with bf16 autocast: the training step and detection with post-processing, eager; torchvision's
sigmoid_focal_loss with its gradient; batched_nms; at the end, since compiling takes minutes, both under torch.compile for the first batch. A
form that fails is recorded with its error, not left out. FILE is written anew, whole, after each figure.
"""
import argparse
import json
import os
import statistics
import time
import traceback

import torch
import torchvision
from torchvision.ops import batched_nms, sigmoid_focal_loss

import torchvision_retinanet as peer


class Clock:
    """Seconds of a call: by events on a GPU, by the wall clock on a CPU."""

    def __init__(self, device, budget):
        self.cuda, self.budget = device == "cuda", budget

    def once(self, call):
        if not self.cuda:
            start = time.perf_counter()
            call()
            return time.perf_counter() - start
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        call()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1e3

    def seconds(self, call, warm_ups=3):
        for _ in range(warm_ups):
            call()
        first = self.once(call)
        runs = max(3, min(200, int(self.budget / max(first, 1e-6))))
        all_runs = sorted(self.once(call) for _ in range(runs))
        return {"median": statistics.median(all_runs), "least": all_runs[0], "most": all_runs[-1], "runs": runs}


def random_targets(args, batch):
    side = args.size * (0.05 + 0.4 * torch.rand(batch, peer.BOXES, 1))
    corner = torch.rand(batch, peer.BOXES, 2) * (args.size - side)
    boxes = torch.cat([corner, corner + side], 2).to(args.device)
    return [{"boxes": b, "labels": torch.randint(0, args.classes, (peer.BOXES,), device=args.device)} for b in boxes]


def random_images(args, batch):
    images = torch.randn(batch, 3, args.size, args.size, device=args.device)
    return images.contiguous(memory_format=torch.channels_last)


def network(args):
    torch.manual_seed(0)
    model = peer.build(args)
    with torch.no_grad():
        peer.randomize(model)
    return model.to(args.device)


def training(args, batch, compiled):
    model = network(args).train()
    images, targets = random_images(args, batch), random_targets(args, batch)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=1e-4, momentum=0.9, weight_decay=1e-4, foreach=True)
    if compiled:
        model.backbone = torch.compile(model.backbone)
        model.head.forward = torch.compile(model.head.forward)

    def step():
        with torch.autocast(args.device, torch.bfloat16):
            loss = sum(model(images, targets).values())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def inference(args, batch, compiled):
    model = network(args).eval()
    images = random_images(args, batch)
    run = peer.Network(model).eval()
    run = torch.compile(run) if compiled else run

    def detect():
        with torch.inference_mode():
            with torch.autocast(args.device, torch.bfloat16):
                outputs = run(images)
            return peer.detections(model, images, outputs)

    return detect


def focal_loss(args):
    anchors = sum((-(-args.size // s)) ** 2 for s in (8, 16, 32, 64, 128)) * 9
    logits = torch.randn(anchors, args.classes, device=args.device, requires_grad=True)
    one_hot = (torch.rand(anchors, args.classes, device=args.device) < 1e-4).float()

    def step():
        loss = sigmoid_focal_loss(logits, one_hot, alpha=0.25, gamma=2.0, reduction="sum")
        return torch.autograd.grad(loss, logits)

    return step


def suppression(args, batch):
    """The candidates of a batch, 1000 of each of five levels an image: boxes, scores, classes, image by image as torchvision does."""
    n = 5000
    corner, side = torch.rand(batch, n, 2, device=args.device) * args.size, torch.rand(batch, n, 2, device=args.device) * 100
    boxes, scores = torch.cat([corner, corner + side], 2), torch.rand(batch, n, device=args.device)
    classes = torch.randint(0, args.classes, (batch, n), device=args.device)
    return lambda: [batched_nms(boxes[i], scores[i], classes[i], 0.5)[:100] for i in range(batch)]


def write(results, clock, args):
    device = torch.cuda.get_device_name() if clock.cuda else "cpu"
    with open(args.json + ".new", "w", encoding="utf-8") as file:
        json.dump({"torch": torch.__version__, "torchvision": torchvision.__version__, "device": device, "size": args.size,
                   "classes": args.classes, "precision": "bf16 autocast", "results": results}, file, indent=1)
    os.replace(args.json + ".new", args.json)


def measure(results, name, clock, make, images, args):
    try:
        if clock.cuda:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        results[name] = clock.seconds(make()) | {"images": images}
        results[name]["images_per_second"] = images / results[name]["median"]
        if clock.cuda:
            results[name]["peak_memory_bytes"] = torch.cuda.max_memory_allocated()
        print(f"{name:32} {results[name]['median'] * 1e3:10.3f} ms {results[name]['images_per_second']:10.1f} images/s", flush=True)
    except Exception as error:  # one form that fails must not hide the others
        results[name] = {"error": f"{type(error).__name__}: {error}"}
        print(f"{name:32} failed: {results[name]['error'].splitlines()[0]}", flush=True)
        if args.verbose:
            traceback.print_exc()
    write(results, clock, args)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", required=True)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--model", default="r50")
    parser.add_argument("--size", type=int, default=800)
    parser.add_argument("--classes", type=int, default=80)
    parser.add_argument("--batches", type=int, nargs="+", default=[32, 8, 1], help="the first also compiled")
    parser.add_argument("--seconds", type=float, default=3, help="time to spend on each figure")
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    torch.backends.cudnn.benchmark = True
    clock, results = Clock(args.device, args.seconds), {}

    def network_at(batch, form):
        compiled = form == "compiled"
        measure(results, f"training_{form}_{batch}", clock, lambda: training(args, batch, compiled), batch, args)
        measure(results, f"inference_{form}_{batch}", clock, lambda: inference(args, batch, compiled), batch, args)

    for batch in args.batches:
        network_at(batch, "eager")
        measure(results, f"nms_{batch}", clock, lambda batch=batch: suppression(args, batch), batch, args)
    measure(results, "focal_loss_1", clock, lambda: focal_loss(args), 1, args)
    if not args.no_compile:
        network_at(args.batches[0], "compiled")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Compares what `fovea weights list` says with torchvision's own lists of weights: names, addresses, sizes, accuracies,
and that none of a kind that Fovea takes is missing. With --start it also runs the line that starts from each: for one
step on small images, from random weights of torchvision's constructor, of which all of the backbone must be taken.

    build/peers/bin/python benchmarks/peers/known_weights.py [--start] [--fovea build/release/fovea] [--only NAME…]
"""
import argparse
import json
import pathlib
import shlex
import subprocess
import sys
import tempfile

import torch
import torchvision
from torchvision import models

ROOT = pathlib.Path(__file__).resolve().parents[2]
KINDS = ("resnet", "resnext", "wide_resnet", "vgg", "inception_v3", "retinanet")
LEFT_OUT = {"vgg16_features-amdegroot-88682ab5.pth"}  # for SSD, of pixels from 0 to 255; its classifier is not a number
SMALL = "train.steps=1 train.batch=1 train.eval_every=0 input.short_side=96 input.long_side=128 input.workers=1"


def published():
    """By file: torchvision's entry and the name of its network."""
    entries = {}
    for name in models.list_models(include=[kind + "*" for kind in KINDS]):
        for entry in models.get_model_weights(name):
            entries[entry.url.rsplit("/", 1)[1]] = (name, entry)
    return entries


def faults_of(known):
    theirs = published()
    files = {weights["file"] for weights in known}
    for missing in sorted(set(theirs) - files - LEFT_OUT):
        yield f"{missing} is not in the list"
    for weights in known:
        if weights["file"] not in theirs:
            yield f"{weights['name']}: torchvision has no {weights['file']}"
            continue
        name, entry = theirs[weights["file"]]
        [(data, accuracy)] = entry.meta["_metrics"].items()
        expected = {
            "name": name + ("_v2" if entry.name == "IMAGENET1K_V2" else ""),
            "url": entry.url,
            "mib": entry.meta["_file_size"],
            "sha256_begins": weights["file"].rsplit("-", 1)[1].split(".")[0],
            "data": data.split("-val")[0],
            "accuracy": accuracy.get("acc@1", accuracy.get("box_map")),
            "detector": "box_map" in accuracy,
        }
        for key, value in expected.items():
            if weights[key] != value:
                yield f"{weights['name']}: {key} is {weights[key]}, torchvision's {value}"


def random_weights(name):
    torch.manual_seed(1)
    if name.startswith("retinanet"):
        model = models.get_model(name, weights=None, weights_backbone=None)
    elif name.startswith(("vgg", "inception")):
        model = models.get_model(name, weights=None, init_weights=False)
    else:
        model = models.get_model(name, weights=None)
    return model.state_dict()


def run(line, fovea, replaced, more=""):
    words = [replaced.get(word, word) for word in shlex.split(line)] + shlex.split(more)
    done = subprocess.run([fovea, *words[1:]], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{shlex.join(words)}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def start(weights, fovea, folder):
    """Runs the lines; what is not as it should be."""
    file, data = folder / weights["file"], ROOT / "examples/blood_cells"
    torch.save(random_weights(weights["name"].removesuffix("_v2") if not weights["detector"] else weights["name"]), file)
    replaced = {"DIR": str(data), "RUN": str(folder / "run"), weights["file"]: str(file), "FOUND": str(folder / "found"),
                "photo.jpg": str(sorted((data / "val").glob("*.jpg"))[0])}
    said = run(weights["start"], fovea, replaced, "--device cpu --set " + SMALL)
    [taken] = [line for line in said.splitlines() if line.startswith("weights from ")]
    anew = taken.split("another shape): ")[1].split(", ")
    allowed = ("head.classification_head.cls_logits.",) if weights["detector"] else ("backbone.fpn.", "head.")
    faults = [f"{weights['name']}: {name} is not taken" for name in anew if not name.startswith(allowed)]
    if weights["detector"]:
        run(weights["detect"], fovea, replaced, "--device cpu --set input.short_side=96 input.long_side=128")
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fovea", default=str(ROOT / "build/release/fovea"))
    parser.add_argument("--start", action="store_true")
    parser.add_argument("--only", nargs="+")
    options = parser.parse_args()
    listed = subprocess.run([options.fovea, "weights", "list", "--json"], capture_output=True, text=True, check=True)
    known = json.loads(listed.stdout)["weights"]
    faults = list(faults_of(known))
    networks = set()
    for weights in known if options.start else []:
        network = (weights["preset"], *weights["settings"])
        if network in networks or options.only and weights["name"] not in options.only:
            continue
        networks.add(network)
        with tempfile.TemporaryDirectory() as folder:
            found = start(weights, options.fovea, pathlib.Path(folder))
        print(f"{weights['name']}: {'starts' if not found else found}", flush=True)
        faults += found
    for fault in faults:
        print(fault, file=sys.stderr)
    if not faults:
        print(f"{len(known)} weights are as torchvision {torchvision.__version__} lists them")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())

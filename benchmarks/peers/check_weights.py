"""Whether torchvision and Fovea understand each other's weights. Called by scripts/check_weights.

For both of torchvision's RetinaNets, with random weights that find something everywhere: Fovea finds with torchvision's file what
torchvision finds; its conversions are loaded by torch.load(weights_only=True) and load_state_dict(strict=True), to the bit; and a
network that Fovea trained finds in torchvision what it finds in Fovea.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import torch
import torchvision
from PIL import Image

LIMIT = 1e-4  # of a score, and of a corner relative to the image's longer side
CLASSES = 5
SIZE = (320, 256)  # of the images: width, height; neither side is resized
SCORE = 0.05
SPREAD = {"cls_logits": 1, "bbox_reg": 0.2}  # standard deviations
NETWORKS = {"torchvision": torchvision.models.detection.retinanet_resnet50_fpn,
            "torchvision_v2": torchvision.models.detection.retinanet_resnet50_fpn_v2}


def build(preset):
    return NETWORKS[preset](weights=None, weights_backbone=None, num_classes=CLASSES, min_size=SIZE[1], max_size=SIZE[0],
                            score_thresh=SCORE)


def randomize(model):
    """Norms that keep the activations near one, and logits that spread around the prior."""
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name.endswith(".running_mean"):
                value.normal_(0, 0.1)
            elif name.endswith(".running_var"):
                value.uniform_(0.8, 1.2)
            elif name.endswith("bn3.weight") or "downsample.1.weight" in name:
                value.fill_(0.5)
        model.eval()
        features = list(model.backbone(torch.randn(1, 3, SIZE[1], SIZE[0])).values())
        for outputs, head in (("cls_logits", model.head.classification_head), ("bbox_reg", model.head.regression_head)):
            layer = getattr(head, outputs)
            layer.weight.normal_()
            layer.weight /= (head(features) - layer.bias.mean()).std() / SPREAD[outputs]
    return model


def make_images(folder, count=3):
    os.makedirs(folder)
    generator = np.random.default_rng(5)
    for i in range(count):
        coarse = generator.integers(0, 256, (SIZE[1] // 16, SIZE[0] // 16, 3), np.uint8)
        Image.fromarray(coarse).resize(SIZE, Image.BICUBIC).save(os.path.join(folder, f"{i}.png"))


def same(one, other):
    return (one[0] == other[0] and abs(one[1] - other[1]) <= LIMIT
            and np.abs(one[2] - other[2]).max() <= LIMIT * max(SIZE))


class Check:
    def __init__(self, args):
        self.fovea, self.folder = args.fovea, args.folder
        self.images = self.path("images")
        make_images(self.images)

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self, *arguments):
        result = subprocess.run([self.fovea, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if result.returncode != 0:
            sys.exit(f"fovea {' '.join(arguments)}\n{result.stdout}")
        return result.stdout

    def found_by_fovea(self, weights):
        out = self.path("found")
        shutil.rmtree(out, ignore_errors=True)
        self.run("detect", self.images, "--weights", weights, "--precision", "fp32", "--no-draw", "--score", str(SCORE),
                 "--out", out, "--set", f"input.short_side=[{SIZE[1]}]", "--set", f"input.long_side={SIZE[0]}")
        with open(os.path.join(out, "detections.json")) as file:
            entries = json.load(file)
        return [[(d["category_id"], d["score"], np.array(d["bbox"])) for d in entries if d["image_id"] == image]
                for image in range(1, len(os.listdir(self.images)) + 1)]

    def found_by_torchvision(self, model, categories=range(CLASSES)):
        found = []
        for name in sorted(os.listdir(self.images)):
            pixels = torch.from_numpy(np.array(Image.open(os.path.join(self.images, name))))
            with torch.no_grad():
                result = model([pixels.permute(2, 0, 1).float() / 255])[0]
            boxes = result["boxes"].numpy().astype(np.float64)
            boxes[:, 2:] -= boxes[:, :2]
            labels = [categories[label] for label in result["labels"].tolist()]
            found.append(list(zip(labels, result["scores"].tolist(), boxes)))
        return found

    def compare(self, what, fovea, peer):
        """Each detection of either side has one of the other's that is as good as equal."""
        total = missing = 0
        for pair in zip(fovea, peer, strict=True):
            for mine, others in (pair, pair[::-1]):
                total += len(mine)
                missing += sum(not any(same(one, other) for other in others) for one in mine)
        print(f"{what}: {total} detections compared, {missing} differ")
        if total == 0 or missing > 0:
            sys.exit(f"{what}: not the same")

    def load(self, model, path):
        state = torch.load(path, weights_only=True)
        model.load_state_dict(state, strict=True)
        return state

    def torchvision_to_fovea(self, preset):
        torch.manual_seed(1)
        model = randomize(build(preset))
        original = self.path(f"{preset}.pth")
        torch.save({"model": model.state_dict(), "epoch": 3}, original)
        peer = self.found_by_torchvision(model)
        self.compare(f"{preset}: torchvision's file in Fovea", self.found_by_fovea(original), peer)

        checkpoint, back, old = (self.path(preset + end) for end in (".safetensors", "_back.pth", "_2020.pt"))
        self.run("convert", original, checkpoint)
        self.run("convert", checkpoint, back)
        state = self.load(build(preset), back)
        for name, value in model.state_dict().items():
            assert torch.equal(state[name], value), name
        print(f"{preset}: there and back, {len(state)} tensors, strict, to the bit")
        self.compare(f"{preset}: the checkpoint in Fovea", self.found_by_fovea(checkpoint), peer)
        if preset == "torchvision":
            self.run("convert", checkpoint, old, "--to", "torchvision_2020")
            names = torch.load(old, weights_only=True).keys()
            assert "backbone.fpn.inner_blocks.0.weight" in names and "head.classification_head.conv.6.bias" in names
            self.load(build(preset), old)  # torchvision renames them itself
        for precision, dtype in (("fp16", torch.float16), ("bf16", torch.bfloat16)):
            self.run("convert", original, back, "--precision", precision)
            for name, value in torch.load(back, weights_only=True).items():
                wanted = model.state_dict()[name]
                assert torch.equal(value, wanted.to(dtype) if wanted.is_floating_point() else wanted), name
        print(f"{preset}: fp16 and bf16 as PyTorch rounds")

    def fovea_to_torchvision(self, preset, data):
        run = self.path(f"{preset}_run")
        self.run("train", "--preset", preset, "--data", data, "--out", run, "--set", "train.steps=1", "--set",
                 "train.batch=2", "--set", "train.eval_every=0", "--set", f"input.short_side=[{SIZE[1]}]", "--set",
                 f"input.long_side={SIZE[0]}", "--set", "model.head.prior=0.06")
        last, out = os.path.join(run, "last.safetensors"), self.path(f"{preset}_trained.pth")
        self.run("convert", last, out, "--strip")
        state = torch.load(out, weights_only=True)
        classes = state["head.classification_head.cls_logits.bias"].numel() // 9
        model = NETWORKS[preset](weights=None, weights_backbone=None, num_classes=classes, min_size=SIZE[1],
                                 max_size=SIZE[0], score_thresh=SCORE)
        model.load_state_dict(state, strict=True)
        with open(os.path.join(data, "annotations", "instances_train.json")) as file:
            categories = [category["id"] for category in json.load(file)["categories"]]
        self.compare(f"{preset}: Fovea's training in torchvision", self.found_by_fovea(last),
                     self.found_by_torchvision(model.eval(), categories))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fovea", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--data", default="tests/data/cards")
    args = parser.parse_args()
    shutil.rmtree(args.folder, ignore_errors=True)
    os.makedirs(args.folder)
    check = Check(args)
    for preset in NETWORKS:
        check.torchvision_to_fovea(preset)
        check.fovea_to_torchvision(preset, args.data)
    print("all agree")


if __name__ == "__main__":
    main()

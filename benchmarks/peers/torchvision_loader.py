"""Images a second of PyTorch's DataLoader with torchvision's transforms. Called by benchmarks/loader.py.

The transforms, each the fastest way that torchvision 0.26 offers on a CPU (v2 on 8-bit tensors):
  decode   the image as an 8-bit tensor
  ssd      decode, then SSD's photometric distortion, IoU crop, horizontal flip
  input    decode, horizontal flip, resize to the network's size, to float, normalize, padded into one batch
"""
import argparse
import json
import os
import time

import torch
import torchvision
from torchvision import tv_tensors
from torchvision.transforms import v2


class Images(torch.utils.data.Dataset):
    def __init__(self, folder, split, decoder, transform):
        with open(os.path.join(folder, "annotations", f"instances_{split}.json")) as file:
            coco = json.load(file)
        boxes = {image["id"]: [] for image in coco["images"]}
        for annotation in coco["annotations"]:
            x, y, w, h = annotation["bbox"]
            boxes[annotation["image_id"]].append([x, y, x + w, y + h])
        self.paths = [os.path.join(folder, split, image["file_name"]) for image in coco["images"]]
        self.boxes = [torch.tensor(boxes[image["id"]], dtype=torch.float32).reshape(-1, 4) for image in coco["images"]]
        self.decoder, self.transform = decoder, transform

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        if self.decoder == "pil":
            from PIL import Image
            image = v2.functional.pil_to_tensor(Image.open(self.paths[index]).convert("RGB"))
        else:
            image = torchvision.io.decode_image(self.paths[index], mode="RGB")
        image = tv_tensors.Image(image)
        boxes = tv_tensors.BoundingBoxes(self.boxes[index], format="XYXY", canvas_size=image.shape[-2:])
        return self.transform(image, {"boxes": boxes, "labels": torch.zeros(len(boxes), dtype=torch.int64)})


def transform_of(name, short_side, long_side):
    if name == "decode":
        return lambda image, target: (image, target)
    if name == "ssd":
        return v2.Compose([v2.RandomPhotometricDistort(), v2.RandomIoUCrop(), v2.RandomHorizontalFlip(),
                           v2.SanitizeBoundingBoxes()])
    return v2.Compose([v2.RandomHorizontalFlip(), v2.Resize(short_side, max_size=long_side, antialias=False),
                       v2.ToDtype(torch.float32, scale=True),
                       v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])


def as_list(samples):
    return list(zip(*samples))


def padded(samples):
    images, targets = zip(*samples)
    height, width = (max(-(-image.shape[i] // 32) * 32 for image in images) for i in (1, 2))
    batch = torch.zeros(len(images), 3, height, width)
    for slot, image in zip(batch, images):
        slot[:, :image.shape[1], :image.shape[2]] = image
    return batch, targets


def cpu_seconds(loader):
    """Of this process and its workers."""
    ticks = 0
    for pid in [os.getpid()] + [worker.pid for worker in loader._iterator._workers]:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--split", default="train")
    parser.add_argument("--transforms", choices=("decode", "ssd", "input"), default="decode")
    parser.add_argument("--decoder", choices=("pil", "io"), default="pil")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--short-side", type=int, default=800)
    parser.add_argument("--long-side", type=int, default=1333)
    args = parser.parse_args()
    torch.set_num_threads(1)  # as each worker has
    dataset = Images(args.data, args.split, args.decoder, transform_of(args.transforms, args.short_side, args.long_side))
    loader = torch.utils.data.DataLoader(dataset, args.batch, shuffle=True, num_workers=args.workers, drop_last=True,
                                         persistent_workers=True, prefetch_factor=4,
                                         collate_fn=padded if args.transforms == "input" else as_list)
    rates, cpu_ms, before = [], [], 0
    for epoch in range(args.epochs + 1):
        start, images = time.perf_counter(), 0
        for batch, _ in loader:
            images += len(batch)
        seconds, cpu = time.perf_counter() - start, cpu_seconds(loader)
        if epoch > 0:  # the first fills the page cache and starts the workers
            rates.append(images / seconds)
            cpu_ms.append(1e3 * (cpu - before) / images)
        before = cpu
    print(json.dumps({"images_per_second": rates, "cpu_ms": cpu_ms}))


main()

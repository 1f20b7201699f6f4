"""torchmetrics' MeanAveragePrecision with fovea.coco as its backend beside pycocotools: every value that it gives, on random boxes.

    python eval_torchmetrics.py SITE_PACKAGES      of torchmetrics and pycocotools; this Python has PyTorch and fovea

Prints JSON: how many of its settings gave equal values with both.
"""
import json
import sys

sys.path.append(sys.argv[1])
import torch  # noqa: E402
from torchmetrics.detection import MeanAveragePrecision  # noqa: E402

SETTINGS = [{}, {"class_metrics": True, "extended_summary": True}, {"box_format": "xywh"}, {"iou_thresholds": [0.3, 0.5, 0.75]},
            {"rec_thresholds": [0.0, 0.5, 1.0]}, {"max_detection_thresholds": [1, 5, 20]}, {"average": "micro"},
            {"average": "micro", "class_metrics": True}]


def boxes(count, draw):
    corner = torch.rand(count, 2, generator=draw) * 300
    return torch.cat([corner, corner + 5 + torch.rand(count, 2, generator=draw) * 150], 1)


def batches(seed):
    draw = torch.Generator().manual_seed(seed)
    for number in range(10):
        objects = int(torch.randint(0, 12, (1,), generator=draw))
        truth = boxes(objects, draw)
        labels = torch.randint(0, 4, (objects,), generator=draw)
        found = torch.cat([truth + torch.randn(objects, 4, generator=draw) * 3, boxes(number, draw)])
        yield [{"boxes": found, "scores": torch.rand(len(found), generator=draw),
                "labels": torch.cat([labels, torch.randint(0, 5, (number,), generator=draw)])}], [
                   {"boxes": truth, "labels": labels, "iscrowd": (torch.rand(objects, generator=draw) < 0.1).int()}]


def values(seed, settings):
    metric = MeanAveragePrecision(**settings)
    for found, truth in batches(seed):
        metric.update(found, truth)
    return metric.compute()


def equal(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(equal, a, b))
    return torch.equal(torch.as_tensor(a), torch.as_tensor(b))


cases = [(seed, settings) for seed in range(5) for settings in SETTINGS]
expected = [values(*case) for case in cases]
import fovea.coco  # noqa: E402

fovea.coco.init_as_pycocotools()
own = [values(*case) for case in cases]
failed = [f"seed {seed}, {settings}" for (seed, settings), a, b in zip(cases, expected, own) if not equal(a, b)]
print(json.dumps({"passed": len(cases) - len(failed), "failed": failed}))

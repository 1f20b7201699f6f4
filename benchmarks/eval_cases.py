"""Compares `fovea eval` with pycocotools on random datasets: all twelve numbers, of all classes together and of each.

    build/peers_eval/bin/python benchmarks/eval_cases.py --fovea build/release/fovea --cases 200
    … --seed 15 --cases 10 --write tests/data/coco_eval/random     keeps the cases, with pycocotools' numbers, for the tests

The cases have what makes evaluations differ: crowds, equal scores, IoUs that lie on a threshold, classes without objects or without
detections, ids of 0 and with gaps, areas that differ from the box, more than 100 detections an image, boxes beyond their image and of
no size, lists in any order, entries with other keys.
"""
import argparse
import contextlib
import io
import json
import os
import random
import subprocess
import sys
import tempfile

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

LIMIT = 1e-12
SIZES = [4, 10, 16, 20, 32, 40, 64, 80, 96, 120, 200, 320]


def ids(draw, count, highest):
    """Distinct ids with gaps, in any order; 0 is among them in one of three cases."""
    chosen = draw.sample(range(1, highest), count)
    if draw.random() < 1 / 3:
        chosen[draw.randrange(count)] = 0
    return chosen


def random_box(draw, grid):
    if grid:  # on a coarse grid many IoUs are equal or lie on a threshold
        return [draw.randrange(0, 40) * 8, draw.randrange(0, 40) * 8, draw.choice(SIZES), draw.choice(SIZES)]
    size = 4 * 100 ** draw.random()
    return [draw.uniform(-10, 400), draw.uniform(-10, 400), size * draw.uniform(0.5, 2), size * draw.uniform(0.5, 2)]


def near(draw, box, grid):
    if grid:
        return [box[0] + draw.choice([0, 0, 1, -1, 2]), box[1] + draw.choice([0, 0, 1, -1]), box[2] + draw.choice([0, 1, 2, 4]),
                max(0, box[3] - draw.choice([0, 1, 2, 4]))]
    spread = draw.choice([0.02, 0.1, 0.3])
    return [box[0] + draw.gauss(0, spread) * box[2], box[1] + draw.gauss(0, spread) * box[3],
            box[2] * abs(draw.gauss(1, spread)), box[3] * abs(draw.gauss(1, spread))]


def random_annotation(draw, index, image, category, grid):
    box = random_box(draw, grid)
    if draw.random() < 0.02:
        box[draw.choice([2, 3])] = 0
    area = box[2] * box[3]
    if draw.random() < 0.4:
        area *= draw.choice([0.3, 0.5, 0.9, 1.5, draw.uniform(0.2, 1)])
    if draw.random() < 0.1:
        area = draw.choice([32 ** 2, 96 ** 2])
    annotation = {"id": index, "image_id": image, "category_id": category, "bbox": box, "area": area,
                  "iscrowd": int(draw.random() < 0.15)}
    if draw.random() < 0.2:
        annotation["segmentation"] = [[box[0], box[1], box[0] + box[2], box[1], box[0], box[1] + box[3]]]
        annotation["attributes"] = {"note": "} , { \"id\": 1", "list": [{"a": 1}, {"a": 2}]}
        annotation["ignore"] = draw.choice([0, 1])
    return annotation


def random_detection(draw, annotation, images, categories, grid, score):
    detection = {"image_id": annotation["image_id"], "category_id": annotation["category_id"],
                 "bbox": near(draw, annotation["bbox"], grid), "score": score()}
    if draw.random() < 0.3:
        detection["bbox"] = random_box(draw, grid)
    if draw.random() < 0.1:
        detection["image_id"] = draw.choice(images)
    if draw.random() < 0.15:
        detection["category_id"] = draw.choice(categories)
    if draw.random() < 0.05:
        detection["attributes"] = [{"text": "},{"}, {"text": "\\\"}, {\""}]
    return detection


def random_case(seed):
    draw = random.Random(seed)
    images = ids(draw, draw.randrange(1, 12), draw.choice([40, 10 ** 6, 2 ** 40]))
    categories = ids(draw, draw.randrange(1, 7), draw.choice([10, 90, 10 ** 9]))
    grid, crowded = draw.random() < 0.5, draw.random() < 0.3
    values = draw.choice([3, 11, 10 ** 9])
    score = lambda: draw.randrange(values + 1) / values
    with_objects = categories[:max(1, len(categories) - draw.randrange(0, 3))]
    count = draw.choice([1, 5, 30, 80])
    annotations = [random_annotation(draw, index, draw.choice(images), draw.choice(with_objects), grid)
                   for index in ids(draw, count, 10 * count + 1)]
    with_detections = [c for c in categories if draw.random() < 0.9] or categories
    detections = [random_detection(draw, draw.choice(annotations), images, with_detections, grid, score)
                  for _ in range(draw.choice([1, 20, 200]))]
    if crowded:
        crowd = draw.choice(annotations)
        detections += [random_detection(draw, crowd, [crowd["image_id"]], [crowd["category_id"]], grid, score) for _ in range(130)]
    draw.shuffle(detections)
    truth = {"annotations": annotations,
             "images": [{"id": i, "file_name": f"{i}.jpg", "width": 400, "height": 400} for i in images],
             "categories": [{"id": c, "name": f"class {c}"} for c in categories], "info": {"description": f"random case {seed}"}}
    return truth, detections


def pycocotools_stats(truth, found, categories=None):
    evaluation = COCOeval(truth, found, "bbox")
    if categories is not None:
        evaluation.params.catIds = categories
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return [float(value) for value in evaluation.stats]


def expected_of(truth_path, detections_path):
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(truth_path)
        found = truth.loadRes(detections_path)
        return {"stats": pycocotools_stats(truth, found),
                "per_class": [{"id": c, "stats": pycocotools_stats(truth, found, [c])} for c in sorted(truth.getCatIds())]}


NAMES = ["AP", "AP50", "AP75", "APsmall", "APmedium", "APlarge", "AR1", "AR10", "AR100", "ARsmall", "ARmedium", "ARlarge"]


def largest_difference(expected, fovea):
    """Over everything that both give; infinite where one has a value and the other none."""
    difference = 0.0
    pairs = list(zip(expected["stats"], fovea["stats"], strict=True))
    pairs += [(value, -1 if fovea["metrics"][name] is None else fovea["metrics"][name])
              for name, value in zip(NAMES, expected["stats"], strict=True)]
    for wanted, own in zip(expected["per_class"], fovea["per_class"], strict=True):
        if wanted["id"] != own["id"]:
            return float("inf")
        pairs += [(value, -1 if own[name] is None else own[name]) for name, value in zip(NAMES, wanted["stats"], strict=True)]
    for a, b in pairs:
        difference = max(difference, float("inf") if (a == -1) != (b == -1) else abs(a - b))
    return difference


def compare(fovea, seed, folder):
    truth, detections = random_case(seed)
    paths = {name: os.path.join(folder, name + ".json") for name in ("gt", "dt", "expected", "fovea")}
    for name, content in (("gt", truth), ("dt", detections)):
        with open(paths[name], "w") as file:
            json.dump(content, file, separators=(",", ":"))
    expected = expected_of(paths["gt"], paths["dt"])
    with open(paths["expected"], "w") as file:
        json.dump(expected, file, indent=1)
    subprocess.run([fovea, "eval", "--ground-truth", paths["gt"], "--detections", paths["dt"], "--json", paths["fovea"]],
                   check=True, stdout=subprocess.DEVNULL)
    with open(paths["fovea"]) as file:
        own = json.load(file)
    os.remove(paths["fovea"])
    return largest_difference(expected, own), expected


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fovea", default="build/release/fovea")
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", help="keep the cases in this folder, one folder a case")
    args = parser.parse_args()
    worst, with_values = 0.0, 0
    for seed in range(args.seed, args.seed + args.cases):
        with contextlib.ExitStack() as stack:
            folder = args.write and os.path.join(args.write, f"{seed:03}")
            if folder:
                os.makedirs(folder, exist_ok=True)
            difference, expected = compare(args.fovea, seed, folder or stack.enter_context(tempfile.TemporaryDirectory()))
        if not difference <= LIMIT:
            sys.exit(f"eval_cases: case {seed} differs by {difference}, more than {LIMIT}")
        worst = max(worst, difference)
        with_values += expected["stats"][0] > 0
    print(f"{args.cases} random cases agree with pycocotools, {with_values} of them with an AP above 0; "
          f"the largest difference is {worst:g}")


if __name__ == "__main__":
    main()

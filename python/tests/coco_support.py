"""What the tests of fovea.coco share: datasets, and both evaluations of them."""

import contextlib
import copy
import io
import json
import os
import random
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "benchmarks"))

ARRAYS = ("precision", "recall", "scores")
LISTS = ("dtIds", "gtIds", "dtScores")
MATCHES = ("dtMatches", "gtMatches", "gtIgnore", "dtIgnore")


def small_truth():
    """Two images and three categories; the last has no object."""
    return {
        "info": {"description": "small", "year": 2026},
        "images": [
            {"id": 7, "file_name": "b.jpg", "width": 640, "height": 480, "license": 3},
            {"id": 3, "file_name": "a.jpg", "width": 320, "height": 240, "license": 1},
        ],
        "categories": [
            {"id": 2, "name": "cat", "supercategory": "animal"},
            {"id": 1, "name": "car", "supercategory": "vehicle"},
            {"id": 9, "name": "dog", "supercategory": "animal"},
        ],
        "annotations": [
            {
                "id": 5,
                "image_id": 7,
                "category_id": 2,
                "bbox": [10, 20, 30, 40],
                "area": 1100.5,
                "iscrowd": 0,
                "note": "first",
            },
            {"id": 4, "image_id": 3, "category_id": 1, "bbox": [100, 100, 100, 100], "area": 9999, "iscrowd": 0},
            {"id": 8, "image_id": 7, "category_id": 1, "bbox": [0, 0, 20, 20], "area": 400, "iscrowd": 1},
            {"id": 6, "image_id": 7, "category_id": 2, "bbox": [200, 20, 30, 40], "area": 1200, "iscrowd": 0},
        ],
    }


def small_results():
    return [
        {"image_id": 7, "category_id": 2, "bbox": [11, 21, 30, 40], "score": 0.9},
        {"image_id": 3, "category_id": 1, "bbox": [90, 100, 100, 110], "score": 0.8},
        {"image_id": 7, "category_id": 2, "bbox": [205, 20, 30, 40], "score": 0.7},
        {"image_id": 7, "category_id": 1, "bbox": [0, 0, 10, 10], "score": 0.6},
        {"image_id": 3, "category_id": 9, "bbox": [0, 0, 10, 10], "score": 0.5},
    ]


def many_boxes(seed, images=6, categories=3, objects=40, detections=200):
    """A dataset with ties and crowds, and results of it."""
    draw = random.Random(seed)
    box = lambda: [
        draw.randrange(0, 100) * 2,
        draw.randrange(0, 100) * 2,
        draw.randrange(4, 120),
        draw.randrange(4, 120),
    ]
    truth = {
        "images": [{"id": 10 * i} for i in range(1, images + 1)],
        "categories": [{"id": k, "name": f"class {k}"} for k in range(1, categories + 1)],
        "annotations": [],
    }
    for number in range(objects):
        entry = {
            "id": number + 1,
            "image_id": 10 * draw.randrange(1, images + 1),
            "category_id": draw.randrange(1, categories + 1),
            "bbox": box(),
            "iscrowd": int(draw.random() < 0.1),
        }
        truth["annotations"].append({**entry, "area": entry["bbox"][2] * entry["bbox"][3] * 0.8})
    results = []
    for _ in range(detections):
        near = draw.choice(truth["annotations"])
        results.append(
            {
                "image_id": near["image_id"],
                "category_id": near["category_id"],
                "score": draw.randrange(20) / 20,
                "bbox": [
                    side + draw.randrange(-4, 5) if draw.random() < 0.8 else abs(side) for side in near["bbox"][:2]
                ]
                + [max(1, side + draw.randrange(-4, 5)) for side in near["bbox"][2:]],
            }
        )
    return truth, results


def write(folder, **contents):
    """Writes JSON files; their paths by name."""
    paths = {}
    for name, content in contents.items():
        paths[name] = str(folder / f"{name}.json")
        with open(paths[name], "w") as file:
            json.dump(content, file)
    return paths


def quiet(function, *args, **named):
    with contextlib.redirect_stdout(io.StringIO()):
        return function(*args, **named)


def printed(function, *args):
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        function(*args)
    return text.getvalue()


def in_memory(COCO, dataset):
    """A COCO of a dict of its own."""
    coco = COCO()
    coco.dataset = copy.deepcopy(dataset)
    quiet(coco.createIndex)
    return coco


def finished(evaluation):
    """With all three steps done."""
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation


def evaluated(coco_module, eval_module, truth, results, edit=None, summarize=True):
    """An evaluation of a path or dict, and a path, a list, an array or a COCO dict of results."""

    def run():
        gt = coco_module.COCO(truth) if isinstance(truth, str) else in_memory(coco_module.COCO, truth)
        dt = in_memory(coco_module.COCO, results) if isinstance(results, dict) else gt.loadRes(copy.deepcopy(results))
        evaluation = eval_module.COCOeval(gt, dt, "bbox")
        if edit:
            edit(evaluation.params)
        evaluation.evaluate()
        evaluation.accumulate()
        if summarize:
            evaluation.summarize()
        return evaluation

    return quiet(run)


def both_evaluated(peer, *arguments, **named):
    """The same evaluation by fovea.coco and by the peer's two modules."""
    import fovea.coco as own

    return evaluated(own, own, *arguments, **named), evaluated(*peer, *arguments, **named)


def assert_same(own, other, images=True):
    """Every number of both evaluations, to the last bit."""
    assert own.eval["counts"] == other.eval["counts"]
    for name in ARRAYS:
        assert own.eval[name].shape == other.eval[name].shape
        assert np.array_equal(own.eval[name], other.eval[name]), name
    assert list(own.stats) == list(other.stats)
    if images:
        assert_same_images(own.evalImgs, other.evalImgs)


def assert_same_images(own, other):
    assert len(own) == len(other)
    for mine, theirs in zip(own, other):
        assert (mine is None) == (theirs is None)
        if mine is None:
            continue
        assert set(mine) == set(theirs)
        for name in ("image_id", "category_id", "aRng", "maxDet", *LISTS):
            assert mine[name] == theirs[name], name
        for name in MATCHES:
            assert np.shape(mine[name]) == np.shape(theirs[name]), name
            assert np.array_equal(mine[name], theirs[name]), name

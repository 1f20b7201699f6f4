"""One evaluation by Fovea or a peer, as a user of it writes it. Prints JSON: stats, seconds within this process, and peak memory.

    eval_peer.py PACKAGE FORM GROUND_TRUTH DETECTIONS

FORM says in which form the package gets what lies in the two files:
    files    it reads them; the seconds are from here on, imports included (who measures the process adds Python's own start)
    arrays   both are NumPy arrays already, which it takes in its fastest way; what it needs of dicts is made within the seconds
    dicts    the ground truth is read by the package before, the detections are a list of dicts already
"""
import contextlib
import importlib
import io
import json
import resource
import sys
import time

COCOS = {"pycocotools": ("pycocotools.coco", "COCO", "pycocotools.cocoeval", "COCOeval"),
         "faster-coco-eval": ("faster_coco_eval", "COCO", "faster_coco_eval", "COCOeval_faster"),
         "ultrafast-pycocotools": ("ultrafast_pycocotools", "COCO", "ultrafast_pycocotools", "COCOeval"),
         "hotcoco": ("hotcoco", "COCO", "hotcoco", "COCOeval"),
         "fovea.coco": ("fovea.coco", "COCO", "fovea.coco", "COCOeval")}


def classes_of(package):
    coco_module, coco, eval_module, evaluation = COCOS[package]
    return getattr(importlib.import_module(coco_module), coco), getattr(importlib.import_module(eval_module), evaluation)


def stats_of(Evaluation, truth, found):
    evaluation = Evaluation(truth, found, "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return [float(value) for value in evaluation.stats[:12]]


def own_stats_of(evaluate, truth, detections):
    metrics = evaluate(truth, detections)
    names = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar_1", "ar_10", "ar_100", "ar_small", "ar_medium", "ar_large")
    values = [getattr(metrics, name) for name in names]
    return [-1 if value is None else value for value in values]


def of_files(package, truth_path, detections_path):
    start = time.perf_counter()
    if package == "fovea.evaluate":
        from fovea import evaluate
        return own_stats_of(evaluate, truth_path, detections_path), time.perf_counter() - start
    COCO, Evaluation = classes_of(package)
    truth = COCO(truth_path)
    stats = stats_of(Evaluation, truth, truth.loadRes(detections_path))
    return stats, time.perf_counter() - start


def arrays_of(truth, detections):
    import numpy as np
    annotations = truth["annotations"]
    columns = {"image_ids": np.array([a["image_id"] for a in annotations]), "category_ids": np.array([a["category_id"] for a in annotations]),
               "boxes": np.array([a["bbox"] for a in annotations], float).reshape(-1, 4), "areas": np.array([a["area"] for a in annotations], float),
               "crowds": np.array([a["iscrowd"] for a in annotations], np.uint8), "ids": np.array([a["id"] for a in annotations])}
    rows = np.array([(d["image_id"], *d["bbox"], d["score"], d["category_id"]) for d in detections], float)
    return columns, rows


def dicts_of(columns):
    """Annotations of arrays, for packages that take no others."""
    lists = [columns[name].tolist() for name in ("image_ids", "category_ids", "boxes", "areas", "crowds", "ids")]
    return [{"image_id": image, "category_id": category, "bbox": box, "area": area, "iscrowd": crowd, "id": identity}
            for image, category, box, area, crowd, identity in zip(*lists)]


def truth_of_arrays(package, COCO, images, categories, columns):
    if package == "hotcoco":
        return COCO.from_arrays(images, categories, columns["image_ids"], columns["category_ids"], columns["boxes"],
                                ids=columns["ids"], area=columns["areas"], iscrowd=columns["crowds"])
    truth = COCO()
    truth.dataset = {"info": {}, "images": images, "categories": categories, "annotations": dicts_of(columns)}
    truth.createIndex()
    return truth


def of_arrays(package, truth_path, detections_path):
    with open(truth_path) as gt, open(detections_path) as dt:
        truth, detections = json.load(gt), json.load(dt)
    columns, rows = arrays_of(truth, detections)
    images, categories = truth["images"], truth["categories"]
    del truth, detections
    if package == "fovea.evaluate":
        from fovea import evaluate
        start = time.perf_counter()
        return own_stats_of(evaluate, columns, rows), time.perf_counter() - start
    COCO, Evaluation = classes_of(package)
    start = time.perf_counter()
    truth = truth_of_arrays(package, COCO, images, categories, columns)
    return stats_of(Evaluation, truth, truth.loadRes(rows)), time.perf_counter() - start


def of_dicts(package, truth_path, detections_path):
    importlib.import_module("numpy")  # all packages import it sooner or later
    COCO, Evaluation = classes_of(package)
    truth = COCO(truth_path)
    with open(detections_path) as file:
        detections = json.load(file)
    start = time.perf_counter()
    return stats_of(Evaluation, truth, truth.loadRes(detections)), time.perf_counter() - start


if __name__ == "__main__":
    package, form, truth_path, detections_path = sys.argv[1:]
    with contextlib.redirect_stdout(io.StringIO()):
        stats, seconds = {"files": of_files, "arrays": of_arrays, "dicts": of_dicts}[form](package, truth_path, detections_path)
    print(json.dumps({"stats": stats, "seconds": seconds, "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))

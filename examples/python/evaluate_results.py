"""COCO's metrics of any detector's results: with fovea.coco in the place of pycocotools, and in one call.

python evaluate_results.py instances_val.json results.json
"""

import json
import sys

import fovea
from fovea.coco import COCO, COCOeval

truth_file, results_file = sys.argv[1:]

truth = COCO(truth_file)
with open(results_file, encoding="utf-8") as file:
    results = json.load(file)
ids = {image.get("file_name"): image["id"] for image in truth.imgs.values()}
for entry in results:  # pycocotools goes by ids; detect_folder.py knows names only
    entry["image_id"] = ids.get(entry.get("file_name"), entry["image_id"])
evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
evaluation.evaluate()
evaluation.accumulate()
evaluation.summarize()

metrics = fovea.evaluate(truth_file, results_file)  # which goes by names where there are any
print(metrics)
assert metrics.ap == evaluation.stats[0]

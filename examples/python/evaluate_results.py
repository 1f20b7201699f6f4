"""COCO's metrics of any detector's results: with fovea.coco in the place of pycocotools, and in one call.

python evaluate_results.py instances_val.json results.json
"""

import sys

import fovea
from fovea.coco import COCO, COCOeval

truth_file, results_file = sys.argv[1:]

truth = COCO(truth_file)
evaluation = COCOeval(truth, truth.loadRes(results_file), "bbox")
evaluation.evaluate()
evaluation.accumulate()
evaluation.summarize()

metrics = fovea.evaluate(truth_file, results_file)
print(metrics)
assert metrics.ap == evaluation.stats[0]

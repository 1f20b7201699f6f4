"""One evaluation by pycocotools or faster-coco-eval, reading included, as a user writes it. Prints JSON: stats and peak memory."""
import contextlib
import io
import json
import resource
import sys

package, truth_path, detections_path = sys.argv[1:]
with contextlib.redirect_stdout(io.StringIO()):
    if package == "pycocotools":
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval as Evaluation
    else:
        from faster_coco_eval import COCO
        from faster_coco_eval import COCOeval_faster as Evaluation
    truth = COCO(truth_path)
    evaluation = Evaluation(truth, truth.loadRes(detections_path), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
print(json.dumps({"stats": [float(v) for v in evaluation.stats[:12]],
                  "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))

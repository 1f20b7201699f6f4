"""COCOeval and Params with pycocotools' interface, for boxes, over the native evaluation."""

import time
from collections import defaultdict

from . import _fovea
from ._coco_params import Params, chosen, settings_of, thresholds, unique
from ._columns import coded, columns_of_dicts
from .errors import UnsupportedError

_BOXES_ONLY = (
    "fovea.coco evaluates boxes: iouType must be 'bbox', not {!r} (masks and keypoints are not here; "
    "pycocotools has them)"
)


class _Run:
    """What evaluate() was given: the columns, and the native evaluation of some settings of them."""

    def __init__(self, truth, detections, codes):
        self.truth, self.detections = truth, detections
        self.codes = codes  # (of images, of categories): dicts, where ids are no integers
        self.settings = self.evaluation = None

    def evaluate(self, settings):
        """The native evaluation of these settings; None where they choose nothing."""
        if settings != self.settings:
            some = all(len(settings[name]) for name in ("image_ids", "category_ids", "areas", "max_detections"))
            self.evaluation = self._native(settings) if some else None
            self.settings = settings
        return self.evaluation

    def _native(self, settings):
        from array import array

        ids = [settings["image_ids"], settings["category_ids"]]
        if self.codes is not None:
            ids = [[known[value] for value in values] for known, values in zip(self.codes, ids)]
        return _fovea.evaluate(
            self.truth,
            self.detections,
            **{**settings, "image_ids": array("q", ids[0]), "category_ids": array("q", ids[1])},
        )


def any_replaced(thing, methods):
    """Whether a derived class has others than these methods, by name, or others were put in their place."""
    return any(name in thing.__dict__ or getattr(type(thing), name) is not own for name, own in methods.items())


def _columns_of(coco, scored, image_ids, category_ids):
    """Of a COCO of this package, or of any other with pycocotools' interface. category_ids None: all."""
    if hasattr(coco, "_columns") and not coco._chooses_itself():
        return coco._columns(scored, image_ids, category_ids)
    entries = coco.loadAnns(coco.getAnnIds(imgIds=image_ids, catIds=[] if category_ids is None else category_ids))
    return columns_of_dicts(entries, scored, "results" if scored else "ground truth")


class COCOeval:
    """Evaluates results against ground truth: evaluate(), accumulate(), summarize().

    eval: {'params', 'counts', 'date', 'precision' [T, R, K, A, M], 'recall' [T, K, A, M], 'scores' [T, R, K, A, M]}
    after accumulate(), for T IoU thresholds, R recalls, K categories, A areas, M limits; -1 where there is no ground
    truth. stats: the twelve numbers after summarize(). evalImgs, ious, _gts, _dts: as pycocotools has them, made when
    they are asked for.
    """

    def __init__(self, cocoGt=None, cocoDt=None, iouType="segm"):
        if not iouType:
            print("iouType not specified. use default iouType segm")
        self.cocoGt, self.cocoDt = cocoGt, cocoDt
        self.params = Params(iouType=iouType)
        self._paramsEval = {}
        self._run = None
        self._forget()
        self._stats = []
        if cocoGt is not None:
            self.params.imgIds = sorted(cocoGt.getImgIds())
            self.params.catIds = sorted(cocoGt.getCatIds())

    def _forget(self):
        self._accumulated = None
        self._eval, self._eval_images, self._ious = {}, defaultdict(list), {}
        self._groups = None

    # evaluate

    def evaluate(self):
        """Matches the results to the ground truth, as `params` says."""
        start = time.time()
        print("Running per image evaluation...")
        p = self.params
        if p.useSegm is not None:
            p.iouType = "segm" if p.useSegm == 1 else "bbox"
            print(f"useSegm (deprecated) is not None. Running {p.iouType} evaluation")
        print(f"Evaluate annotation type *{p.iouType}*")
        self._check_type()
        p.imgIds = unique(p.imgIds)
        if p.useCats:
            p.catIds = unique(p.catIds)
        p.maxDets = sorted(p.maxDets)
        self._forget()
        if self._has_a_way_of_its_own():
            self._evaluate_image_by_image()
            return self._evaluated(start)
        self._run = self._prepared_run()
        self._run.evaluate(settings_of(p, p.imgIds, p.catIds, p.areaRng, unique(p.maxDets)))
        self._eval_images = self._ious = None
        self._evaluated(start)

    def _evaluated(self, start):
        self._paramsEval = self.params.__deepcopy__({})
        print(f"DONE (t={time.time() - start:0.2f}s).")

    def _has_a_way_of_its_own(self):
        """Somebody matches images in another way, as pycocotools lets them."""
        return any_replaced(self, _MATCHING)

    def _evaluate_image_by_image(self):
        p = self.params
        self._run = None
        self._prepare()
        categories = p.catIds if p.useCats else [-1]
        self._ious = {
            (image, category): self.computeIoU(image, category) for image in p.imgIds for category in categories
        }
        self._eval_images = [
            self.evaluateImg(image, category, area, p.maxDets[-1])
            for category in categories
            for area in p.areaRng
            for image in p.imgIds
        ]

    def _check_type(self):
        if self.params.iouType != "bbox":
            raise UnsupportedError(_BOXES_ONLY.format(self.params.iouType))

    def _prepared_run(self):
        p = self.params
        categories = p.catIds if p.useCats else None
        columns = [
            _columns_of(coco, scored, p.imgIds, categories)
            for coco, scored in ((self.cocoGt, False), (self.cocoDt, True))
        ]
        plain = all(isinstance(value, int) or hasattr(value, "__index__") for value in (*p.imgIds, *p.catIds))
        if plain and not any(isinstance(part, list) for of in columns for part in (of.image_ids, of.category_ids)):
            return _Run(*columns, None)
        codes = [{value: number for number, value in enumerate(values)} for values in (p.imgIds, p.catIds)]
        return _Run(*(coded(of, *codes) for of in columns), codes)

    # accumulate

    def accumulate(self, p=None):
        """Precision and recall of all that evaluate() matched, or of the part of it that `p` chooses."""
        print("Accumulating evaluation results...")
        start = time.time()
        p = self.params if p is None else p
        if self._eval_images is not None and not len(self._eval_images):
            print("Please run evaluate() first")
        evaluated = self._paramsEval
        if not hasattr(evaluated, "imgIds"):
            raise Exception("Please run evaluate() first")
        p.catIds = p.catIds if p.useCats == 1 else [-1]
        date = time.strftime("%Y-%m-%d %H:%M:%S")
        if self._eval_images is not None:  # somebody has them, or put others there: they count
            from ._cocoeval_arrays import accumulated

            self._accumulated, self._eval = None, accumulated(p, evaluated, self._eval_images, date)
        else:
            self._accumulated, self._eval = (self._evaluated_part(p), p, date), None
        print(f"DONE (t={time.time() - start:0.2f}s).")

    def _evaluated_part(self, p):
        """(the evaluation, the limits it has of p.maxDets), as pycocotools chooses them: by place, of what is in both
        settings.
        """
        evaluated = self._paramsEval
        categories, areas, limits, images = chosen(p, evaluated)
        if not evaluated.useCats:
            category_ids = evaluated.catIds if categories else []
        else:
            category_ids = [evaluated.catIds[place] for place in categories]
        settings = settings_of(
            p,
            [evaluated.imgIds[place] for place in images],
            category_ids,
            [evaluated.areaRng[place] for place in areas],
            unique(limits),
        )
        settings["ious"] = thresholds(evaluated, "iouThrs")
        settings["use_categories"] = bool(evaluated.useCats)
        return self._run.evaluate(settings), limits

    @property
    def eval(self):
        if self._eval is None:
            from ._cocoeval_arrays import arrays_of

            (evaluation, limits), p, date = self._accumulated
            self._eval = arrays_of(evaluation, limits, p, date)
        return self._eval

    @eval.setter
    def eval(self, value):
        self._accumulated, self._eval = None, value

    # summarize

    def summarize(self):
        """Prints COCO's twelve numbers, and keeps them as `stats`. They need three limits in params.maxDets."""
        if self._accumulated is None and not self._eval:
            raise Exception("Please run accumulate() first")
        from ._cocoeval_lines import lines_of, print_lines

        lines = lines_of(self.params)
        values = self._native_summary() if self._eval is None else None
        if values is None:
            from ._cocoeval_arrays import summary_of

            values = summary_of(self.eval, self.params, lines)
        print_lines(self.params, lines, values)
        self._stats = list(values)

    def _native_summary(self):
        (evaluation, limits), p, _ = self._accumulated
        own = self.params
        usual = (
            p is own
            and evaluation is not None
            and limits == own.maxDets == [1, 10, 100]
            and self._run.settings["ious"] is None
            and self._run.settings["recalls"] != []
            and own.areaRngLbl == ["all", "small", "medium", "large"]
            and len(self._run.settings["areas"]) == 4
        )
        return list(evaluation.summary()) if usual else None

    @property
    def stats(self):
        if isinstance(self._stats, list) and self._stats:
            import numpy as np

            self._stats = np.array(self._stats)
        return self._stats

    @stats.setter
    def stats(self, value):
        self._stats = value

    def __str__(self):
        self.summarize()
        return ""

    # what lies behind the numbers

    @property
    def evalImgs(self):
        """One dict, or None where there is nothing, for each category, area and image, in this order."""
        if self._eval_images is None:
            from ._cocoeval_images import images_of

            self._eval_images = images_of(self)
        return self._eval_images

    @evalImgs.setter
    def evalImgs(self, value):
        self._eval_images = value

    @property
    def ious(self):
        """IoUs [D, G] of each (image, category), best detection first; [] where either has none."""
        if self._ious is None:
            p = self._paramsEval
            self._ious = self._as_evaluated(
                lambda: {
                    (image, category): self.computeIoU(image, category)
                    for image in p.imgIds
                    for category in (p.catIds if p.useCats else [-1])
                }
            )
        return self._ious

    @ious.setter
    def ious(self, value):
        self._ious = value

    def _prepare(self):
        from ._cocoeval_images import grouped

        self._check_type()
        self._forget()
        self._groups = grouped(self)

    def _grouped(self, which):
        if self._groups is None:
            if self._run is None:
                self._groups = (defaultdict(list), defaultdict(list))
            else:
                from ._cocoeval_images import grouped

                self._groups = self._as_evaluated(lambda: grouped(self))
        return self._groups[which]

    def _as_evaluated(self, make):
        """With the settings that were evaluated, whatever has become of them since: accumulate() changes some."""
        params, self.params = self.params, self._paramsEval
        try:
            return make()
        finally:
            self.params = params

    @property
    def _gts(self):
        return self._grouped(0)

    @property
    def _dts(self):
        return self._grouped(1)

    def computeIoU(self, imgId, catId):
        """IoUs [D, G] of the best params.maxDets[-1] detections of an image and category; of a crowd, the share of the
        detection.
        """
        from ._cocoeval_images import ious_of

        return ious_of(self, imgId, catId)

    def computeOks(self, imgId, catId):
        """Not here: keypoints are pycocotools'."""
        raise UnsupportedError(_BOXES_ONLY.format("keypoints"))

    def evaluateImg(self, imgId, catId, aRng, maxDet):
        """The entry of evalImgs of an image, category, area and limit; None where there is nothing."""
        from ._cocoeval_images import image_of

        return image_of(self, imgId, catId, aRng, maxDet)

    def __getstate__(self):
        state = self.__dict__.copy()
        if self._run is not None:
            state["_eval_images"] = self.evalImgs
            if self._accumulated is not None:
                state.update(_eval=self.eval, _accumulated=None)
        state["_run"] = None
        state["_ious"] = self._ious if self._ious is not None else {}
        return state

    def __deepcopy__(self, memo):
        import copy

        made = memo[id(self)] = type(self).__new__(type(self))
        shared = (self._run, self._accumulated and self._accumulated[0][0])  # nothing changes them
        memo.update((id(one), one) for one in shared)
        made.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return made


_MATCHING = {name: getattr(COCOeval, name) for name in ("_prepare", "computeIoU", "evaluateImg")}

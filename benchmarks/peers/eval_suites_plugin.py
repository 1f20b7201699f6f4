"""A plugin of pytest: the peers' COCO and COCOeval are those of the module FOVEA_SUITE_MODULE, fovea.coco or pycocotools.

Tests of peers use what these have added to pycocotools' interface. What is only another spelling is put over both modules here: a dict
instead of a file, a call without output, run() for three calls, other names of methods.
"""
import importlib
import json
import os

import fovea
import fovea.coco

if os.environ["FOVEA_SUITE_MODULE"] == "fovea":
    tested = evaluation = fovea.coco
else:
    tested, evaluation = (importlib.import_module("pycocotools." + part) for part in ("coco", "cocoeval"))

SPELLINGS = {"load_res": "loadRes", "load_anns": "loadAnns", "load_cats": "loadCats", "load_imgs": "loadImgs",
             "get_ann_ids": "getAnnIds", "get_cat_ids": "getCatIds", "get_img_ids": "getImgIds"}


class COCO(tested.COCO):
    def __init__(self, annotation_file=None, **quiet):
        if set(quiet) - {"verbose", "print_function"}:
            raise Addition(f"COCO({', '.join(quiet)})")
        of_dict = isinstance(annotation_file, dict)
        super().__init__(None if of_dict else annotation_file)
        if of_dict:  # pycocotools' way
            self.dataset = annotation_file
            self.createIndex()

    def __getattr__(self, name):
        if name in SPELLINGS:
            return getattr(self, SPELLINGS[name])
        raise AttributeError(name)

    @staticmethod
    def load_json(path):
        with open(path) as file:
            return json.load(file)

    def loadRes(self, resFile, **named):
        if named:
            raise Addition(f"loadRes({', '.join(named)})")
        return super().loadRes(resFile)


class COCOeval(evaluation.COCOeval):
    def __init__(self, cocoGt=None, cocoDt=None, iouType="segm", *more, **quiet):
        if more or set(quiet) - {"verbose", "print_function"}:
            raise Addition(f"COCOeval({', '.join(quiet)})")
        super().__init__(cocoGt, cocoDt, iouType)

    def run(self):
        self.evaluate()
        self.accumulate()
        self.summarize()


class Addition(Exception):
    """Of the peer's interface, not of pycocotools'."""


# Where each peer's tests find the two classes.
PLACES = {
    "faster-coco-eval": [("faster_coco_eval", {"COCO": COCO, "COCOeval_faster": COCOeval}),
                         ("faster_coco_eval.core.coco", {"COCO": COCO}), ("faster_coco_eval.core.faster_eval_api", {"COCOeval_faster": COCOeval})],
    "hotcoco": [("hotcoco", {"COCO": COCO, "COCOeval": COCOeval, "Params": evaluation.Params})],
    "ultrafast-pycocotools": [(name, {"COCO": COCO, "COCOeval": COCOeval, "Params": evaluation.Params}) for name in (
        "ultrafast_pycocotools", "ultrafast_pycocotools.coco", "ultrafast_pycocotools.cocoeval")],
    "cocoapi": [],
}

outcomes = {}  # of each test: passed, skipped, failed, not here, no data
used = set()


def watched(kind):
    """The class, with a note of each test that makes one."""
    make = kind.__init__

    def __init__(self, *args, **named):
        used.add(kind.__name__)
        make(self, *args, **named)

    kind.__init__ = __init__
    return kind


def pytest_configure():
    for kind in (COCO, COCOeval):
        watched(kind)
    for module, names in PLACES[os.environ["FOVEA_SUITE"]]:
        for name, value in names.items():
            setattr(importlib.import_module(module), name, value)
    if os.environ["FOVEA_SUITE"] == "cocoapi" and tested is fovea.coco:
        fovea.coco.init_as_pycocotools()


def kind_of(error):
    if isinstance(error, FileNotFoundError):
        return "no data"
    while error is not None:
        if isinstance(error, fovea.UnsupportedError):
            return "not here"
        error = error.__cause__ or error.__context__
    return "failed"


def pytest_runtest_setup():
    used.clear()


def pytest_runtest_makereport(item, call):
    if call.when == "teardown" or (call.when == "setup" and call.excinfo is None):
        return
    if call.excinfo is None:
        outcomes[item.nodeid] = ["passed" if used else "unused", ""]  # a test of masks alone says nothing of boxes
    elif call.excinfo.typename in ("Skipped", "XFailed"):
        outcomes[item.nodeid] = ["skipped", ""]
    else:
        outcomes[item.nodeid] = [kind_of(call.excinfo.value), call.excinfo.exconly()[:200]]


def pytest_collectreport(report):
    if report.failed:
        outcomes[report.nodeid] = ["failed", str(report.longrepr).strip().splitlines()[-1][:200]]


def pytest_sessionfinish():
    with open(os.environ["FOVEA_SUITE_REPORT"], "w") as file:
        json.dump(outcomes, file, indent=1)

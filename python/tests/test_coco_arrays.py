"""Results as an array or with NumPy's numbers: pycocotools computes in their precision."""

import numpy as np
import pytest

coco_peer = pytest.importorskip("pycocotools.coco")
import pycocotools.cocoeval as eval_peer  # noqa: E402
from coco_support import assert_same, both_evaluated, finished, in_memory, many_boxes, quiet  # noqa: E402

import fovea.coco as own  # noqa: E402


def both(*arguments):
    return both_evaluated((coco_peer, eval_peer), *arguments)


def one_box():
    """An image with a box of 32² pixels, where small ends and medium begins."""
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 32, 32], "area": 1024, "iscrowd": 0}
    return {"images": [{"id": 1}], "categories": [{"id": 1, "name": "box"}], "annotations": [box]}


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_array_of_results(kind):
    truth, results = many_boxes(4)
    rows = np.array(
        [[r["image_id"], *(side + 1 / 3 for side in r["bbox"]), r["score"], r["category_id"]] for r in results], kind
    )
    assert_same(*both(truth, rows))


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_an_array_s_dicts_have_its_numbers(kind):
    """A box of 32² pixels is small or not by the last bit of its area."""
    rows = np.array([[1, 60, 60, 32.00553, 31.99447, 0.9, 1], [1, 10, 10, 32, 32, 0.5, 1]], kind)

    def run(coco_module, eval_module):
        gt = in_memory(coco_module.COCO, one_box())
        dt = gt.loadRes(rows.copy())
        entries = dt.loadAnns(dt.getAnnIds())
        types = [(type(entry["score"]), type(entry["area"]), type(entry["category_id"])) for entry in entries]
        return entries, types, finished(eval_module.COCOeval(gt, dt, "bbox"))

    mine, theirs = quiet(run, own, own), quiet(run, coco_peer, eval_peer)
    assert mine[:2] == theirs[:2]
    assert_same(mine[2], theirs[2])


@pytest.mark.parametrize("column", [0, 6])
@pytest.mark.parametrize(("value", "kind"), [(np.nan, ValueError), (np.inf, OverflowError)])
def test_an_array_s_ids_are_numbers(column, value, kind):
    rows = np.array([[1, 10, 10, 32, 32, 0.5, 1]])
    rows[0, column] = value
    for module in (own, coco_peer):
        with pytest.raises(kind):
            quiet(in_memory(module.COCO, one_box()).loadRes, rows)


def test_numbers_of_python_and_numpy_in_a_list():
    boxes = [[10.0, 10.0, 32.0, 32.0], list(map(np.float32, (60, 60, 32.00553, 31.99447)))]
    results = [{"image_id": 1, "category_id": 1, "bbox": box, "score": score} for box, score in zip(boxes, (0.5, 0.9))]
    assert_same(*both(one_box(), results))


def test_numbers_of_numpy_in_a_list():
    truth, results = many_boxes(5)
    for entry in results:
        entry["bbox"] = list(np.array(entry["bbox"], np.float32) + np.float32(1 / 3))
        entry["score"], entry["image_id"] = np.float32(entry["score"]), np.int64(entry["image_id"])
    assert_same(*both(truth, results))

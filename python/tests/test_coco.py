"""fovea.coco: its interface beside pycocotools', and that it makes dicts only for those who ask."""

import copy
import itertools
import json
import subprocess
import sys

import numpy as np
import pytest

coco_peer = pytest.importorskip("pycocotools.coco")
import pycocotools.cocoeval as eval_peer  # noqa: E402
from coco_support import (
    in_memory,
    printed,
    quiet,
    small_results,
    small_truth,
    write,
)  # noqa: E402

import fovea  # noqa: E402
import fovea.coco as own  # noqa: E402
from fovea.coco import COCO, COCOeval, Params  # noqa: E402

LISTS = (
    lambda coco: coco.dataset,
    lambda coco: coco.anns,
    lambda coco: coco.imgs,
    lambda coco: coco.cats,
    lambda coco: coco.imgToAnns,
    lambda coco: coco.catToImgs,
)


@pytest.fixture
def paths(tmp_path):
    return write(tmp_path, gt=small_truth(), dt=small_results())


def looked_at(coco):
    coco.dataset
    return coco


def truths(path):
    """pycocotools' COCO, and ours of a file, of a file whose dicts were made, and of a dict."""
    return (
        quiet(coco_peer.COCO, path),
        quiet(COCO, path),
        looked_at(quiet(COCO, path)),
        in_memory(COCO, small_truth()),
    )


IMAGES, CATEGORIES, AREAS, CROWDS = (
    ([], [7], [3, 7, 99], 7),
    ([], [1], [2, 1, 5], 2),
    ([], [400, 1200], [0, 1e9]),
    (None, 0, 1, False),
)


def test_annotation_ids(paths):
    expected, *own_ones = truths(paths["gt"])
    for images, categories, areas, crowds in itertools.product(IMAGES, CATEGORIES, AREAS, CROWDS):
        wanted = expected.getAnnIds(images, categories, areas, crowds)
        for coco in own_ones:
            assert coco.getAnnIds(imgIds=images, catIds=categories, areaRng=areas, iscrowd=crowds) == wanted


@pytest.mark.parametrize("names", [[], ["cat", "dog"], "cat", "concatenate", ["no"]])
@pytest.mark.parametrize("groups", [[], ["animal"], "vehicle"])
@pytest.mark.parametrize("ids", [[], [2], 1, [1, 9, 77]])
def test_category_ids(paths, names, groups, ids):
    expected, *own_ones = truths(paths["gt"])
    for coco in own_ones:
        assert coco.getCatIds(names, groups, ids) == expected.getCatIds(names, groups, ids)


@pytest.mark.parametrize("images", IMAGES)
@pytest.mark.parametrize("categories", CATEGORIES + ([1, 2],))
def test_image_ids(paths, images, categories):
    expected, *own_ones = truths(paths["gt"])
    wanted = expected.getImgIds(images, categories)
    for coco in own_ones:
        found = coco.getImgIds(images, categories)
        assert found == wanted if images == categories == [] else set(found) == set(wanted)


def test_entries_by_id(paths):
    expected, *own_ones = truths(paths["gt"])
    for coco in own_ones:
        assert coco.loadAnns([5, 8]) == expected.loadAnns([5, 8]) and coco.loadAnns(4) == expected.loadAnns(4)
        assert coco.loadImgs([3]) == expected.loadImgs([3]) and coco.loadCats(9) == expected.loadCats(9)
        assert coco.loadAnns() == [] and coco.loadAnns(np.int64(5)) == expected.loadAnns(5)
        with pytest.raises(KeyError):
            coco.loadAnns(12345)


@pytest.mark.parametrize("look", LISTS)
def test_dicts_are_pycocotools(paths, look):
    for coco in truths(paths["gt"])[1:]:
        assert look(coco) == look(quiet(coco_peer.COCO, paths["gt"]))


@pytest.mark.parametrize("look", LISTS)
def test_dicts_of_results_are_pycocotools(paths, look):
    expected, mine = (quiet(quiet(module.COCO, paths["gt"]).loadRes, paths["dt"]) for module in (coco_peer, own))
    assert look(mine) == look(expected)


def test_dicts_are_one(paths):
    coco = quiet(COCO, paths["gt"])
    assert coco.anns[5] is coco.dataset["annotations"][0] is coco.imgToAnns[7][0] is coco.loadAnns(5)[0]


def test_dict_instead_of_a_file():
    assert quiet(COCO, small_truth()).getAnnIds() == [5, 4, 8, 6]


def test_captions(tmp_path):
    truth = {"info": {}, "images": [{"id": 1}], "annotations": [{"id": 1, "image_id": 1, "caption": "A cat."}]}
    gt = quiet(COCO, write(tmp_path, gt=truth)["gt"])
    assert gt.loadAnns(gt.getAnnIds(imgIds=1))[0]["caption"] == "A cat."
    assert printed(gt.showAnns, gt.loadAnns(1)) == "A cat.\n"
    assert quiet(gt.loadRes, [{"image_id": 1, "caption": "A dog."}]).anns[1]["caption"] == "A dog."


def test_keypoints_have_boxes(paths):
    results = [{"image_id": 7, "category_id": 2, "score": 1.0, "keypoints": [1, 2, 2, 5, 9, 2, 3, 3, 1]}]
    mine, expected = (
        quiet(quiet(module.COCO, paths["gt"]).loadRes, copy.deepcopy(results)) for module in (own, coco_peer)
    )
    assert mine.anns == expected.anns


def test_nothing_found(paths):
    gt = quiet(COCO, paths["gt"])
    evaluation = COCOeval(gt, quiet(gt.loadRes, []), "bbox")
    for step in (evaluation.evaluate, evaluation.accumulate, evaluation.summarize):
        quiet(step)
    assert evaluation.stats[0] == 0 and evaluation.cocoDt.getAnnIds() == []


def test_info_is_printed(paths):
    assert printed(quiet(COCO, paths["gt"]).info) == printed(quiet(coco_peer.COCO, paths["gt"]).info)


def test_the_same_is_printed(paths):
    def all_of(coco_module, eval_module):
        gt = coco_module.COCO(paths["gt"])
        e = eval_module.COCOeval(gt, gt.loadRes(paths["dt"]), "bbox")
        e.evaluate()
        e.accumulate()
        e.summarize()

    without_times = lambda text: [line.split("(t=")[0] for line in text.splitlines()]
    assert without_times(printed(all_of, own, own)) == without_times(printed(all_of, coco_peer, eval_peer))


def test_params_are_pycocotools():
    for kind in ("bbox", "segm", "keypoints"):
        mine, expected = Params(kind), eval_peer.Params(kind)
        for name, value in expected.__dict__.items():
            assert (
                np.array_equal(getattr(mine, name), value)
                if isinstance(value, np.ndarray)
                else getattr(mine, name) == value
            )
    with pytest.raises(Exception, match="iouType not supported"):
        Params("boxes")
    params = Params("bbox")
    params.iouThrs[0] = 0.25
    copied = copy.deepcopy(params)
    copied.areaRng[0][0] = 5
    copied.iouThrs[0] = 1
    assert params.iouThrs[0] == 0.25 and params.areaRng[0][0] == 0


@pytest.mark.parametrize("kind", ["segm", "keypoints"])
def test_other_types_say_that_they_are_not_here(paths, kind):
    gt = quiet(COCO, paths["gt"])
    evaluation = COCOeval(gt, quiet(gt.loadRes, paths["dt"]), kind)
    with pytest.raises(fovea.UnsupportedError, match=f"iouType must be 'bbox', not '{kind}'"):
        quiet(evaluation.evaluate)
    evaluation.params.iouType = "bbox"
    quiet(evaluation.evaluate)


def test_default_type_is_pycocotools_and_not_here(paths):
    evaluation = COCOeval()
    assert (
        evaluation.params.iouType == "segm"
        and evaluation.evalImgs == {}
        and evaluation.eval == {}
        and evaluation.stats == []
    )
    with pytest.raises(fovea.UnsupportedError, match="boxes"):
        quiet(evaluation.evaluate)


def test_old_name_of_the_type(paths):
    gt = quiet(COCO, paths["gt"])
    evaluation = COCOeval(gt, quiet(gt.loadRes, paths["dt"]))
    evaluation.params.useSegm = 0
    assert "useSegm (deprecated) is not None. Running bbox evaluation" in printed(evaluation.evaluate)


def test_order_of_calls(paths):
    gt = quiet(COCO, paths["gt"])
    evaluation = COCOeval(gt, quiet(gt.loadRes, paths["dt"]), "bbox")
    with pytest.raises(Exception, match="evaluate"):
        quiet(evaluation.accumulate)
    quiet(evaluation.evaluate)
    with pytest.raises(Exception, match="Please run accumulate"):
        quiet(evaluation.summarize)


@pytest.mark.parametrize(
    "results, error, words",
    [
        (
            [{"image_id": 99, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 1}],
            AssertionError,
            "do not correspond to current coco set",
        ),
        ({"image_id": 7}, AssertionError, "results in not an array of objects"),
        (np.zeros((3, 6)), AssertionError, "7 columns"),
        (
            [{"image_id": 7, "category_id": 1, "bbox": [0, 0, 1], "score": 1}],
            fovea.DataError,
            "results: entry 0: bbox has 3 numbers",
        ),
        ([{"image_id": 7, "category_id": 1, "bbox": [0, 0, 1, 1]}], fovea.DataError, "results: entry 0 has no score"),
        (
            [{"image_id": 7, "category_id": 1, "segmentation": {}, "score": 1}],
            fovea.UnsupportedError,
            "masks without boxes",
        ),
    ],
)
def test_results_that_cannot_be_used(paths, results, error, words):
    with pytest.raises(error, match=words):
        quiet(quiet(COCO, paths["gt"]).loadRes, results)


def test_files_that_cannot_be_used(tmp_path):
    with pytest.raises(FileNotFoundError):
        quiet(COCO, str(tmp_path / "none.json"))
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(json.JSONDecodeError):
        quiet(COCO, str(tmp_path / "broken.json"))
    with pytest.raises(AssertionError, match="annotation file format <class 'list'> not supported"):
        quiet(COCO, write(tmp_path, dt=small_results())["dt"])


def test_masks_say_that_they_are_not_here(paths):
    with pytest.raises(fovea.UnsupportedError, match="pycocotools"):
        quiet(COCO, paths["gt"]).annToMask({"image_id": 7})


def test_boxes_are_drawn(paths):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    gt = quiet(COCO, paths["gt"])
    gt.showAnns(gt.loadAnns(gt.getAnnIds()), draw_bbox=True)
    assert len(pyplot.gca().collections) == 2
    pyplot.close()


def test_in_pycocotools_place(paths):
    """What imports pycocotools gets this module."""
    program = """
import sys
import fovea.coco
fovea.coco.init_as_pycocotools()
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval, Params
import pycocotools.mask
assert COCO is fovea.coco.COCO and COCOeval is fovea.coco.COCOeval and Params is fovea.coco.Params
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_numpy_waits_for_arrays(paths):
    """Its import takes as long as the evaluation of a small dataset."""
    program = f"""
import sys
from fovea.coco import COCO, COCOeval
gt = COCO({paths["gt"]!r})
evaluation = COCOeval(gt, gt.loadRes({paths["dt"]!r}), "bbox")
evaluation.evaluate()
evaluation.accumulate()
evaluation.summarize()
assert "numpy" not in sys.modules
assert type(evaluation.stats).__name__ == "ndarray"
"""
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)

"""fovea.coco's numbers beside pycocotools', to the last bit."""

import copy

import numpy as np
import pytest

coco_peer = pytest.importorskip("pycocotools.coco")
import pycocotools.cocoeval as eval_peer  # noqa: E402
from coco_support import (
    assert_same,
    assert_same_images,
    both_evaluated,
    evaluated,
    finished,
    in_memory,
    many_boxes,
    quiet,
    small_results,
    small_truth,
    write,
)  # noqa: E402
from eval_cases import random_case  # noqa: E402

import fovea.coco as own  # noqa: E402


def both(*arguments, **named):
    return both_evaluated((coco_peer, eval_peer), *arguments, **named)


@pytest.mark.parametrize("seed", range(200))
def test_random_case(seed, tmp_path):
    truth, results = random_case(seed + 1000)
    paths = write(tmp_path, gt=truth, dt=results)
    from_files, expected = both(paths["gt"], paths["dt"])
    assert_same(from_files, expected)
    assert_same(evaluated(own, own, truth, results), expected, images=False)


@pytest.mark.parametrize("seed", range(20))
def test_settings(seed, tmp_path):
    truth, results = many_boxes(seed)
    paths = write(tmp_path, gt=truth, dt=results)

    def edit(p):
        p.iouThrs = np.array([[0.3, 0.5, 0.75], [0.5], [0.75, 0.5, 0.9999999999999]][seed % 3])
        p.recThrs = [np.linspace(0, 1, 11), np.array([0.5]), np.array([0.9, 0.1])][seed % 3]
        p.maxDets = [[1, 10, 100], [7, 1, 3, 50], [2, 100, 300], [0, 10, 100]][seed % 4]
        p.areaRng = [[0, 1e10], [0, 40**2], [40**2, 1e10]]
        p.areaRngLbl = ["all", "small", "large"]
        p.imgIds = p.imgIds[1:] + p.imgIds[1:2]
        if seed % 2:
            p.catIds = p.catIds[:2]

    assert_same(*both(paths["gt"], paths["dt"], edit))
    assert_same(*both(truth, results, edit))


@pytest.mark.parametrize("order", [[1, 2, 3], [3, 1, 2]])
def test_without_categories(order, tmp_path):
    truth, results = many_boxes(1)
    paths = write(tmp_path, gt=truth, dt=results)

    def edit(p):
        p.useCats = 0
        p.catIds = list(order)

    mine, theirs = both(paths["gt"], paths["dt"], edit)
    assert_same(mine, theirs)
    assert mine.params.catIds == theirs.params.catIds == [-1]


@pytest.mark.parametrize("limits", [[100], [1, 10]])
def test_few_limits(limits):
    def edit(p):
        p.maxDets = limits

    mine, theirs = both(*many_boxes(2), edit, summarize=False)
    for name in ("precision", "recall", "scores"):
        assert np.array_equal(mine.eval[name], theirs.eval[name])
    for evaluation in (mine, theirs):
        with pytest.raises(IndexError, match="list index out of range"):
            quiet(evaluation.summarize)


@pytest.mark.parametrize("name", ["iouThrs", "recThrs"])
def test_no_thresholds(name):
    def edit(p):
        setattr(p, name, np.array([]))

    mine, theirs = both(*many_boxes(3), edit, summarize=False)
    for evaluation in (mine, theirs):
        if name == "iouThrs":
            with pytest.raises(IndexError):
                quiet(evaluation.summarize)
        else:
            quiet(evaluation.summarize)
    assert_same(mine, theirs, images=name == "recThrs")


@pytest.mark.parametrize("one", [20, np.int64(20)])
def test_one_id_alone(one):
    def edit(p):
        p.imgIds, p.catIds = one, 2

    assert_same(*both(*many_boxes(3), edit))


def test_thresholds_as_a_list():  # pycocotools' summarize fails with NumPy 2
    lists, arrays = ({"iouThrs": kind([0.5, 0.75])} for kind in (list, np.array))
    mine = evaluated(own, own, *many_boxes(11), lambda p: [setattr(p, *item) for item in lists.items()])
    theirs = evaluated(coco_peer, eval_peer, *many_boxes(11), lambda p: p.__dict__.update(arrays))
    assert_same(mine, theirs)
    assert mine.stats[1] > 0


@pytest.mark.parametrize(
    "edit", [{"imgIds": []}, {"catIds": []}, {"imgIds": [3]}, {"imgIds": [12345]}, {"catIds": [77]}]
)
def test_little_to_evaluate(edit):
    assert_same(*both(small_truth(), small_results(), lambda p: p.__dict__.update(edit)))


def test_no_annotations():
    assert_same(*both({**small_truth(), "annotations": []}, small_results()))


def test_results_as_a_dataset_with_ids_of_their_own():
    truth = small_truth()
    results = {
        **truth,
        "annotations": [
            {**entry, "id": 100 + number, "area": 50.0 if number else 5000.0}
            for number, entry in enumerate(small_results())
        ],
    }
    assert_same(*both(truth, results))


def test_entries_with_one_id():
    truth, results = many_boxes(3)
    for entry in truth["annotations"][5:9]:
        entry["id"] = 5
    assert_same(*both(truth, results))


def test_entries_with_one_id_in_a_file(tmp_path):
    truth, results = many_boxes(3)
    truth["annotations"][7]["id"] = truth["annotations"][3]["id"]
    paths = write(tmp_path, gt=truth, dt=results)
    assert_same(*both(paths["gt"], paths["dt"]))


def test_words_and_fractions_as_ids():
    truth, results = small_truth(), small_results()
    for entry in truth["images"]:
        entry["id"] = f"image {entry['id']}"
    for entry in truth["annotations"] + results:
        entry["image_id"] = f"image {entry['image_id']}"
        entry["category_id"] += 0.5
    for entry in truth["categories"]:
        entry["id"] += 0.5
    assert_same(*both(truth, results))


def test_ids_as_whole_fractions():
    truth, results = small_truth(), small_results()
    for entry in truth["annotations"] + results:
        entry["image_id"] = float(entry["image_id"])
    assert_same(*both(truth, results))


@pytest.mark.parametrize("look", [False, True])
def test_edited_dicts_count(look, tmp_path):
    truth, results = many_boxes(6)
    paths = write(tmp_path, gt=truth, dt=results)

    def run(coco_module, eval_module):
        gt = coco_module.COCO(paths["gt"])
        dt = gt.loadRes(paths["dt"])
        for ann in gt.dataset["annotations"][:10]:
            ann["area"], ann["iscrowd"], ann["ignore"] = 10.0, 1 - ann["iscrowd"], 1
        for ann in dt.anns.values() if look else dt.dataset["annotations"]:
            ann["area"], ann["score"] = 5000.0, 1 - ann["score"]
        evaluation = eval_module.COCOeval(gt, dt, "bbox")
        return finished(evaluation)

    assert_same(quiet(run, own, own), quiet(run, coco_peer, eval_peer))


def test_again_after_an_edit():
    mine, theirs = both(*many_boxes(7))
    for evaluation in (mine, theirs):
        evaluation.cocoGt.loadAnns(1)[0]["bbox"] = [0, 0, 1000, 1000]
        evaluation.params.maxDets = [5, 10, 20]
        quiet(evaluation.evaluate)
        quiet(evaluation.accumulate)
        quiet(evaluation.summarize)
    assert_same(mine, theirs)


def test_accumulate_with_other_settings():
    mine, theirs = both(*many_boxes(8))
    for evaluation in (mine, theirs):
        p = copy.deepcopy(evaluation.params)
        p.recThrs, p.maxDets, p.catIds = np.linspace(0, 1, 5), [10, 100, 12345], p.catIds[:2]
        p.areaRng, p.imgIds = [p.areaRng[0], [1, 2], p.areaRng[2]], p.imgIds[:3]
        quiet(evaluation.accumulate, p)
    for name in ("precision", "recall", "scores"):
        assert np.array_equal(mine.eval[name], theirs.eval[name])
    assert mine.eval["counts"] == theirs.eval["counts"]


@pytest.mark.parametrize("seed", range(10))
def test_merged_images_accumulate(seed):
    """As torchvision's references do it: image by image, then evalImgs are merged."""
    truth, results = many_boxes(seed + 20)

    def run(coco_module, eval_module):
        gt, merged = in_memory(coco_module.COCO, truth), []
        for image in gt.getImgIds():
            some = [copy.deepcopy(r) for r in results if r["image_id"] == image]
            part = eval_module.COCOeval(gt, gt.loadRes(some) if some else coco_module.COCO(), iouType="bbox")
            part.params.imgIds = [image]
            part.evaluate()
            merged.append(np.asarray(part.evalImgs).reshape(-1, len(part.params.areaRng), 1))
        whole = eval_module.COCOeval(gt, iouType="bbox")
        whole.evalImgs = list(np.concatenate(merged, 2).flatten())
        whole._paramsEval = copy.deepcopy(whole.params)
        whole.accumulate()
        whole.summarize()
        return whole

    assert_same(quiet(run, own, own), quiet(run, coco_peer, eval_peer))


@pytest.mark.parametrize("with_categories", [1, 0])
def test_image_by_image(with_categories):
    """_prepare, computeIoU and evaluateImg, as those call them who evaluate in a loop of their own."""

    def run(coco_module, eval_module):
        gt = in_memory(coco_module.COCO, many_boxes(9)[0])
        e = eval_module.COCOeval(gt, gt.loadRes(copy.deepcopy(many_boxes(9)[1])), "bbox")
        p = e.params
        p.useCats = with_categories
        e._prepare()
        categories = p.catIds if with_categories else [-1]
        e.ious = {(image, category): e.computeIoU(image, category) for image in p.imgIds for category in categories}
        return e.ious, [
            e.evaluateImg(image, category, area, 100)
            for category in categories
            for area in p.areaRng
            for image in p.imgIds
        ]

    (ious, images), (their_ious, their_images) = quiet(run, own, own), quiet(run, coco_peer, eval_peer)
    assert_same_images(images, their_images)
    assert set(ious) == set(their_ious)
    assert all(np.array_equal(ious[place], their_ious[place]) for place in ious)


def test_ious_and_groups(tmp_path):
    truth, results = many_boxes(10)
    paths = write(tmp_path, gt=truth, dt=results)
    mine, theirs = both(paths["gt"], paths["dt"])
    assert set(mine.ious) == set(theirs.ious)
    assert all(np.array_equal(mine.ious[place], theirs.ious[place]) for place in theirs.ious)
    assert {place: [a["id"] for a in anns] for place, anns in mine._gts.items() if anns} == {
        place: [a["id"] for a in anns] for place, anns in theirs._gts.items() if anns
    }
    assert {place: [a["id"] for a in anns] for place, anns in mine._dts.items() if anns} == {
        place: [a["id"] for a in anns] for place, anns in theirs._dts.items() if anns
    }


@pytest.mark.parametrize("method", ["computeIoU", "evaluateImg"])
def test_derived_evaluations(method):
    """Methods of derived classes are called, as pycocotools calls them."""

    def run(coco_module, eval_module):
        class Mine(eval_module.COCOeval):
            pass

        def changed(self, image, category, *more):
            if image == 20:
                return [] if method == "computeIoU" else None
            return getattr(super(Mine, self), method)(image, category, *more)

        setattr(Mine, method, changed)
        gt = in_memory(coco_module.COCO, many_boxes(12)[0])
        evaluation = Mine(gt, gt.loadRes(copy.deepcopy(many_boxes(12)[1])), "bbox")
        return finished(evaluation)

    assert_same(quiet(run, own, own), quiet(run, coco_peer, eval_peer))


@pytest.mark.parametrize("place", ["class", "instance"])
def test_methods_put_in_the_place_of_others(place, monkeypatch):
    def run(coco_module, eval_module):
        gt = in_memory(coco_module.COCO, many_boxes(12)[0])
        evaluation = eval_module.COCOeval(gt, gt.loadRes(copy.deepcopy(many_boxes(12)[1])), "bbox")
        original = eval_module.COCOeval.computeIoU

        def halved(self, image, category):
            found = original(self, image, category)
            return found / 2 if len(found) else found

        if place == "class":
            monkeypatch.setattr(eval_module.COCOeval, "computeIoU", halved)
        else:
            evaluation.computeIoU = lambda image, category: halved(evaluation, image, category)
        return finished(evaluation)

    assert_same(quiet(run, own, own), quiet(run, coco_peer, eval_peer))


@pytest.mark.parametrize("place", ["class", "instance"])
def test_another_choice_of_annotations(place):
    def run(coco_module, eval_module):
        class Odd(coco_module.COCO):
            pass

        gt = in_memory(Odd, many_boxes(12)[0])
        found = gt.loadRes(copy.deepcopy(many_boxes(12)[1]))

        def odd_ids(*choice, **more):
            return [identity for identity in coco_module.COCO.getAnnIds(gt, *choice, **more) if identity % 2]

        if place == "class":
            Odd.getAnnIds = lambda self, *choice, **more: odd_ids(*choice, **more)
        else:
            gt.getAnnIds = odd_ids
        evaluation = eval_module.COCOeval(gt, found, "bbox")
        return finished(evaluation)

    if place == "class":  # loadRes() makes a plain COCO in both
        assert type(quiet(run, own, own).cocoDt).__name__ == "COCO"
    assert_same(quiet(run, own, own), quiet(run, coco_peer, eval_peer))


@pytest.mark.parametrize("change", ["useCats", "maxDets"])
def test_overlaps_are_those_that_were_evaluated(change):
    def edit(params):
        if change == "useCats":
            params.useCats = 0

    truth, results = many_boxes(12)
    mine, theirs = (evaluated(*modules, truth, results, edit) for modules in ((own, own), (coco_peer, eval_peer)))
    if change == "maxDets":
        mine.params.maxDets = theirs.params.maxDets = [1, 2, 3]
    assert set(mine.ious) == set(theirs.ious)
    assert all(np.array_equal(mine.ious[place], theirs.ious[place]) for place in theirs.ious)


def test_arrays_can_be_changed():
    mine, _ = both(*many_boxes(13))
    mine.eval["precision"][mine.eval["precision"] < 0] = 0
    mine.eval["recall"] *= 2


def test_missing_areas_and_crowd_flags():
    """pycocotools raises KeyError; here they are the box's area, and no crowd."""
    whole, results = many_boxes(14)
    for entry in whole["annotations"]:
        entry["area"], entry["iscrowd"] = entry["bbox"][2] * entry["bbox"][3], 0
    some = copy.deepcopy(whole)
    for entry in some["annotations"][::2]:
        del entry["area"], entry["iscrowd"]
    none = copy.deepcopy(some)
    for entry in none["annotations"][1::2]:
        del entry["area"], entry["iscrowd"]
    expected = evaluated(coco_peer, eval_peer, whole, results)
    for truth in (some, none):
        assert_same(evaluated(own, own, truth, results), expected, images=False)


def test_datasets_of_pycocotools():
    """COCOeval takes a COCO that was made before the import was changed."""

    def run(COCOeval):
        gt = in_memory(coco_peer.COCO, many_boxes(15)[0])
        evaluation = COCOeval(gt, gt.loadRes(copy.deepcopy(many_boxes(15)[1])), "bbox")
        return finished(evaluation)

    assert_same(quiet(run, own.COCOeval), quiet(run, eval_peer.COCOeval))

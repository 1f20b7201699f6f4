"""fovea.coco makes dicts only for those who ask, and they count from then on."""

import concurrent.futures
import copy
import json
import multiprocessing
import os
import pathlib
import pickle
import warnings

import numpy as np
import pytest

coco_peer = pytest.importorskip("pycocotools.coco")
import pycocotools.cocoeval as eval_peer  # noqa: E402
from coco_support import assert_same, evaluated, finished, quiet, small_results, small_truth, write  # noqa: E402

import fovea  # noqa: E402
import fovea.coco as own  # noqa: E402
from fovea.coco import COCO, COCOeval  # noqa: E402


@pytest.fixture
def paths(tmp_path):
    return write(tmp_path, gt=small_truth(), dt=small_results())


@pytest.fixture
def no_json(monkeypatch):
    """json.load fails, which makes the dicts of a file."""

    def load(*_, **__):
        raise AssertionError("dicts were made")

    monkeypatch.setattr(json, "load", load)
    monkeypatch.setattr(json, "loads", load)


def test_evaluation_makes_no_dicts(paths, no_json):
    gt = quiet(COCO, paths["gt"])
    dt = quiet(gt.loadRes, paths["dt"])
    evaluation = COCOeval(gt, dt, "bbox")
    for step in (evaluation.evaluate, evaluation.accumulate, evaluation.summarize):
        quiet(step)
    assert gt.getImgIds() == [7, 3] and gt.getCatIds(catNms=["car"]) == [1] and gt.getAnnIds(imgIds=3) == [4]
    assert dt.getAnnIds(catIds=[2]) == [1, 3] and dt.getImgIds() == [7, 3]
    assert 0 < evaluation.stats[0] < 1 and len(evaluation.evalImgs) == 3 * 4 * 2
    with pytest.raises(AssertionError, match="dicts were made"):
        gt.loadAnns(5)


def test_lists_and_arrays_make_no_dicts(paths, no_json):
    gt, results = quiet(COCO, paths["gt"]), small_results()
    rows = np.array([[r["image_id"], *r["bbox"], r["score"], r["category_id"]] for r in results])
    before = copy.deepcopy(results)
    stats = [evaluated(own, own, paths["gt"], given).stats.tolist() for given in (results, rows)]
    dt = quiet(gt.loadRes, results)
    assert stats[0] == stats[1] and results == before
    assert dt.getAnnIds() == [1, 2, 3, 4, 5]


def test_array_of_results_has_pycocotools_dicts(paths):
    rows = np.array([[r["image_id"], *r["bbox"], r["score"], r["category_id"]] for r in small_results()])
    mine, expected = (quiet(quiet(module.COCO, paths["gt"]).loadRes, rows) for module in (own, coco_peer))
    assert mine.dataset == expected.dataset and mine.anns == expected.anns
    assert quiet(COCO().loadNumpyAnnotations, rows) == quiet(coco_peer.COCO().loadNumpyAnnotations, rows)


def test_list_of_results_gets_its_fields_when_they_are_asked_for(paths):
    mine, theirs = small_results(), small_results()
    dt = quiet(quiet(COCO, paths["gt"]).loadRes, mine)
    quiet(quiet(coco_peer.COCO, paths["gt"]).loadRes, theirs)
    dt.anns
    assert mine == theirs


def test_file_that_is_gone(paths):
    gt = quiet(COCO, paths["gt"])
    dt = quiet(gt.loadRes, paths["dt"])
    for path in paths.values():
        os.remove(path)
    assert gt.anns[5]["note"] == "first" and dt.anns[1]["score"] == 0.9


def test_file_that_changed(paths):
    gt = quiet(COCO, paths["gt"])
    with open(paths["gt"], "w") as file:
        file.write("[]")
    with pytest.raises(fovea.DataError, match="has changed since it was read"):
        gt.anns


def test_dataset_set_later_waits_for_its_index():
    coco = COCO()
    assert coco.dataset == {} and coco.anns == {} and coco.getImgIds() == []
    coco.dataset = small_truth()
    assert coco.anns == {}
    quiet(coco.createIndex)
    assert sorted(coco.anns) == [4, 5, 6, 8]
    coco.dataset["annotations"].pop()
    assert sorted(coco.anns) == [4, 5, 6, 8]
    quiet(coco.createIndex)
    assert sorted(coco.anns) == [4, 5, 8]


@pytest.mark.parametrize("look", [False, True])
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_copies(paths, look, copied):
    expected = evaluated(coco_peer, eval_peer, paths["gt"], paths["dt"])
    gt = quiet(COCO, paths["gt"])
    dt = quiet(gt.loadRes, paths["dt"])
    if look:
        gt.anns, dt.anns
    gt, dt = copied(gt), copied(dt)
    evaluation = COCOeval(gt, dt, "bbox")
    for step in (evaluation.evaluate, evaluation.accumulate):
        quiet(step)
    evaluation = copied(evaluation)
    quiet(evaluation.summarize)
    assert_same(evaluation, expected)
    quiet(evaluation.accumulate)
    quiet(evaluation.summarize)
    assert_same(evaluation, expected)
    assert evaluation.cocoGt.anns[5] is evaluation.cocoGt.dataset["annotations"][0]


def test_copies_are_apart(paths):
    gt = quiet(COCO, paths["gt"])
    other = copy.deepcopy(gt)
    other.anns[5]["area"] = 1
    assert gt.anns[5]["area"] == 1100.5


def many_images(folder, images=400):
    truth = {
        "images": [{"id": i} for i in range(images)],
        "categories": [{"id": 1, "name": "cell"}],
        "annotations": [
            {"id": i, "image_id": i % images, "category_id": 1, "bbox": [0, 0, 9, 9], "area": 81, "iscrowd": 0}
            for i in range(1, 20 * images + 1)
        ],
    }
    return write(folder, gt=truth)["gt"]


def test_threads_get_all_annotations(tmp_path):
    path = many_images(tmp_path)
    for ask in (lambda coco: len(coco.anns), lambda coco: len(coco.loadAnns(coco.getAnnIds(imgIds=[5]))) * 400):
        for _ in range(5):
            coco = quiet(COCO, path)
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                assert list(pool.map(ask, [coco] * 32)) == [8000] * 32


def test_processes_made_by_fork_read_each_for_itself(tmp_path):
    coco = quiet(COCO, many_images(tmp_path))
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    workers = [context.Process(target=lambda: answers.put(len(coco.anns))) for _ in range(6)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of fork() beside threads
        for worker in workers:
            worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert [answers.get() for _ in workers] == [8000] * 6


@pytest.mark.parametrize("key", ["category", "image", "annotation", "number"])
def test_ids_that_are_words_stay_words(key, tmp_path):
    truth, results = small_truth(), small_results()
    if key == "category":
        for entry in truth["categories"] + truth["annotations"] + results:
            name = "id" if "name" in entry else "category_id"
            entry[name] = f"cat{entry[name]}"
    elif key == "annotation":
        for entry in truth["annotations"]:
            entry["id"] = f"a{entry['id']}"
    else:
        word = "{:06}" if key == "number" else "im{}"
        for entry in truth["images"] + truth["annotations"] + results:
            name = "id" if "file_name" in entry else "image_id"
            entry[name] = word.format(entry[name])
    coco = quiet(COCO, write(tmp_path, gt=truth)["gt"])
    assert sorted(coco.getImgIds()) == sorted(image["id"] for image in truth["images"])
    assert coco.loadCats(coco.getCatIds()) == truth["categories"]
    assert coco.loadAnns(coco.getAnnIds(imgIds=[truth["images"][0]["id"]]))
    if key == "annotation":
        return
    paths = write(tmp_path, gt=truth, dt=results)
    stats = [quiet(evaluated_stats, paths["gt"], given) for given in (paths["dt"], results)]
    assert stats[0] == stats[1] and stats[0][0] > 0


def evaluated_stats(truth, results):
    gt = COCO(truth)
    evaluation = COCOeval(gt, gt.loadRes(copy.deepcopy(results)), "bbox")
    return finished(evaluation).stats.tolist()


def test_results_may_be_used_for_others(paths):
    gt, entries = quiet(COCO, paths["gt"]), small_results()
    rows = np.array([[e["image_id"], *e["bbox"], e["score"], e["category_id"]] for e in entries], float)
    for results, clear in ((entries, lambda: entries.clear()), (rows, lambda: rows.fill(0))):
        found = quiet(gt.loadRes, results)
        clear()
        assert [found.anns[i]["bbox"] for i in range(1, 6)] == [e["bbox"] for e in small_results()]


def test_edits_of_images_count(paths):
    gt = quiet(COCO, paths["gt"])
    gt.imgs.pop(7)
    assert gt.getImgIds() == [3]
    gt.imgs[99] = {"id": 99}
    assert gt.getImgIds() == [3, 99] and COCOeval(gt, gt, "bbox").params.imgIds == [3, 99]


def test_results_as_a_dataset_in_a_file(tmp_path):
    truth = small_truth()
    found = {**truth, "annotations": [{**a, "score": 0.9} for a in truth["annotations"] if not a["iscrowd"]]}
    paths = write(tmp_path, gt=truth, found=found)

    def run(coco_module, eval_module):
        evaluation = eval_module.COCOeval(coco_module.COCO(paths["gt"]), coco_module.COCO(paths["found"]), "bbox")
        return finished(evaluation)

    assert_same(quiet(run, own, own), quiet(run, coco_peer, eval_peer))


def test_a_pipe(paths):
    read, end = os.pipe()
    with open(end, "wb") as file:
        file.write(pathlib.Path(paths["gt"]).read_bytes())
    assert quiet(COCO, f"/dev/fd/{read}").getImgIds() == [7, 3]
    os.close(read)


def test_derived_classes(paths):
    class Mine(COCO):
        def __init__(self, path):
            super().__init__(path)
            self.img_ann_map = self.imgToAnns

    gt = quiet(Mine, paths["gt"])
    assert gt.img_ann_map is gt.imgToAnns and isinstance(copy.deepcopy(gt), Mine)
    results = quiet(COCO.loadRes, gt, small_results())
    assert len(results.anns) == 5


def test_indices_can_be_set():
    coco = COCO()
    coco.imgs, coco.anns = {1: {"id": 1}}, {}
    assert coco.getImgIds() == [1]


def test_categories_and_images_alone(paths, no_json):
    gt, whole = quiet(COCO, paths["gt"]), small_truth()
    assert gt.loadCats(gt.getCatIds()) == whole["categories"] and gt.loadImgs(3) == whole["images"][1:]
    assert gt.getCatIds(supNms=["animal"]) == [2, 9]
    gt.cats[2]["name"] = "tiger"
    assert gt.getCatIds(catNms=["tiger"]) == [2] and gt.getCatIds(catNms=["cat"]) == []
    other = copy.deepcopy(gt)
    other.cats[2]["name"] = "lion"
    assert gt.cats[2]["name"] == "tiger"


def test_categories_and_images_are_those_of_all(paths):
    gt = quiet(COCO, paths["gt"])
    cats, imgs = gt.cats, gt.imgs
    cats[2]["name"] = "tiger"
    assert gt.anns and gt.dataset["categories"][0]["name"] == "tiger"
    assert gt.cats is cats and gt.imgs is imgs and gt.dataset["images"][0] is imgs[7]
    quiet(gt.createIndex)
    assert gt.cats[2] is cats[2]


@pytest.mark.parametrize("size", [0, 100_000])
def test_keys_that_look_like_categories(tmp_path, size):
    truth = {"info": {"categories": [1, 2], "text": '"categories": [{"id": 2}]' + "é" * size}, **small_truth()}
    truth["annotations"][0]["categories"] = [{"id": 2}, {"id": 1}]
    truth["images"][0]["note"] = "ü" * size
    gt = quiet(COCO, write(tmp_path, gt=truth)["gt"])
    assert gt.loadCats(9)[0] == truth["categories"][2] and gt.loadImgs(7)[0] == truth["images"][0]
    assert gt._source is not None and gt.dataset == truth

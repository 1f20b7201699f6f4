"""fovea.evaluate: every form of input gives pycocotools' numbers."""

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
from coco_support import evaluated, many_boxes, quiet, small_results, small_truth, write

import fovea
from fovea.coco import COCO

NAMES = (
    "ap",
    "ap50",
    "ap75",
    "ap_small",
    "ap_medium",
    "ap_large",
    "ar_1",
    "ar_10",
    "ar_100",
    "ar_small",
    "ar_medium",
    "ar_large",
)


def arrays(entries, scored):
    columns = {
        "image_ids": [e["image_id"] for e in entries],
        "category_ids": [e["category_id"] for e in entries],
        "boxes": [e["bbox"] for e in entries],
    }
    names = {"scores": "score"} if scored else {"areas": "area", "crowds": "iscrowd", "ids": "id"}
    columns.update((name, [e[key] for e in entries]) for name, key in names.items())
    return {name: np.array(values) for name, values in columns.items()}


def rows(results):
    return np.array([[r["image_id"], *r["bbox"], r["score"], r["category_id"]] for r in results], float)


@pytest.fixture
def case():
    return many_boxes(3)


@pytest.fixture
def expected(case):
    """pycocotools' twelve numbers."""
    peer, eval_peer = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.cocoeval")
    return [None if value == -1 else value for value in evaluated(peer, eval_peer, *case).stats]


def numbers(metrics):
    return [getattr(metrics, name) for name in NAMES]


def test_a_daemon_thread_does_not_end_the_process_badly(case, tmp_path):
    paths = write(tmp_path, gt=case[0], dt=case[1])
    program = f"""
import threading
import fovea
busy = threading.Event()
def work():
    while True:
        fovea.evaluate({paths["gt"]!r}, {paths["dt"]!r})
        busy.set()
threading.Thread(target=work, daemon=True).start()
busy.wait()
"""
    for _ in range(5):
        ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert (ended.returncode, ended.stderr) == (0, "")


def test_rows_and_arrays_of_any_layout(case):
    truth, results = case
    plain = rows(results)
    expected = numbers(fovea.evaluate(truth, plain))
    spread = np.zeros((2 * len(plain), 9))
    spread[::2, 1:8] = plain
    for same in (np.asfortranarray(plain), spread[::2, 1:8], plain[::-1][::-1], plain.astype(">f8")):
        assert numbers(fovea.evaluate(truth, same)) == expected
    columns = {name: np.repeat(values, 2, axis=0)[::2] for name, values in arrays(results, True).items()}
    assert numbers(fovea.evaluate(truth, columns)) == expected
    columns["boxes"] = np.asfortranarray(columns["boxes"])
    assert numbers(fovea.evaluate(truth, columns)) == expected
    nowhere = plain.copy()
    nowhere[0, 0] = np.nan
    with pytest.raises(fovea.DataError, match="entry 0: image -9223372036854775808"):
        fovea.evaluate(truth, nowhere)


def test_results_with_names_go_to_their_images(case, tmp_path):
    truth, results = case
    truth["images"] = [{**image, "file_name": f"{image['id']}.jpg"} for image in truth["images"]]
    named = [{**entry, "file_name": f"val/{entry['image_id']}.jpg", "image_id": 10**6} for entry in results]
    files = write(tmp_path, gt=truth, dt=named)
    assert numbers(fovea.evaluate(files["gt"], files["dt"])) == numbers(fovea.evaluate(truth, results))


def test_arrays_may_change_after_the_evaluation(case):
    truth, results = case
    columns, found = arrays(truth["annotations"], False), rows(results)
    expected = fovea.evaluate(columns, found)
    arrays_before = [expected.precision.copy(), expected.scores.copy()]
    for detections in (found, arrays(results, True)):
        metrics = fovea.evaluate(columns, detections)
        for values in (*columns.values(), *(detections.values() if isinstance(detections, dict) else [detections])):
            values[:] = 0
        for own, before in zip((metrics.precision, metrics.scores), arrays_before, strict=True):
            np.testing.assert_array_equal(own, before)
        columns, found = arrays(truth["annotations"], False), rows(results)


def test_files(case, expected, tmp_path):
    paths = write(tmp_path, gt=case[0], dt=case[1])
    assert numbers(fovea.evaluate(paths["gt"], paths["dt"])) == pytest.approx(expected, abs=1e-12)
    assert numbers(fovea.evaluate(tmp_path / "gt.json", case[1])) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    "form",
    [
        lambda truth: truth,
        lambda truth: truth["annotations"],
        lambda truth: quiet(COCO, truth),
        lambda truth: arrays(truth["annotations"], False),
    ],
)
@pytest.mark.parametrize(
    "results_form",
    [lambda results: results, rows, lambda results: arrays(results, True), lambda results: {"annotations": results}],
)
def test_forms(case, expected, form, results_form):
    assert numbers(fovea.evaluate(form(case[0]), results_form(case[1]))) == pytest.approx(expected, abs=1e-12)


def test_cocos_as_they_are_loaded(case, expected, tmp_path):
    peer = pytest.importorskip("pycocotools.coco")
    paths = write(tmp_path, gt=case[0], dt=case[1])
    for kind in (COCO, peer.COCO):
        gt = quiet(kind, paths["gt"])
        metrics = fovea.evaluate(gt, quiet(gt.loadRes, paths["dt"]))
        assert numbers(metrics) == pytest.approx(expected, abs=1e-12)
        assert [entry.name for entry in metrics.classes] == ["class 1", "class 2", "class 3"]


def image_lists(case, convert=np.array):
    truth, results = case
    corners = lambda box: [box[0], box[1], box[0] + box[2], box[1] + box[3]]
    lists = ([], [])
    for image in truth["images"]:
        for of, entries, names in (
            (lists[0], truth["annotations"], {"iscrowd": "iscrowd", "area": "area"}),
            (lists[1], results, {"scores": "score"}),
        ):
            here = [e for e in entries if e["image_id"] == image["id"]]
            of.append(
                {
                    "boxes": convert([corners(e["bbox"]) for e in here]),
                    "labels": convert([e["category_id"] for e in here]),
                    **{name: convert([e[key] for e in here]) for name, key in names.items()},
                }
            )
    return lists


def test_lists_of_images(case, expected):
    assert numbers(fovea.evaluate(*image_lists(case))) == pytest.approx(expected, abs=1e-12)


def test_tensors(case, expected):
    torch = pytest.importorskip("torch")
    assert numbers(
        fovea.evaluate(*image_lists(case, lambda values: torch.tensor(values, dtype=torch.float64)))
    ) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    "box_format, boxes", [("xyxy", [10, 20, 40, 60]), ("xywh", [10, 20, 30, 40]), ("cxcywh", [25, 40, 30, 40])]
)
def test_box_formats(box_format, boxes):
    truth = [{"boxes": np.array([boxes]), "labels": np.array([1])}]
    found = [{"boxes": np.array([[10, 20, 30, 40]]), "labels": np.array([1]), "scores": np.array([0.5])}]
    found[0]["boxes"] = np.array([boxes])
    metrics = fovea.evaluate(truth, found, box_format=box_format)
    assert metrics.ap == pytest.approx(1) and metrics.ap_medium == pytest.approx(1) and metrics.ap_small is None


def test_images_without_boxes():
    none = np.zeros((0, 4)), np.zeros(0)
    truth = [{"boxes": none[0], "labels": none[1]}, {"boxes": np.array([[0, 0, 9, 9]]), "labels": np.array([4])}]
    found = [{"boxes": none[0], "labels": none[1], "scores": none[1]}] * 2
    metrics = fovea.evaluate(truth, found)
    assert metrics.ap == 0 and metrics.classes[0].id == 4


def test_classes(case):
    peer, eval_peer = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.cocoeval")
    for entry in fovea.evaluate(*case).classes:
        stats = evaluated(peer, eval_peer, *case, lambda p, one=entry.id: setattr(p, "catIds", [one])).stats
        assert numbers(entry) == pytest.approx([None if value == -1 else value for value in stats], abs=1e-12)


def test_settings(case):
    metrics = fovea.evaluate(*case, max_detections=[5, 300], ious=[0.5], areas={"all": (0, 1e10), "tiny": (0, 16**2)})
    assert list(metrics.to_dict()) == ["ap", "ap50", "ap_tiny", "ar_5", "ar_300", "ar_tiny", "classes"]
    assert (
        metrics.ap == metrics.ap50
        and metrics.precision.shape == (1, 101, 3, 2, 2)
        and metrics.recall.shape == (1, 3, 2, 2)
    )
    with pytest.raises(AttributeError, match="no 'ap75'; it has ap, ap50"):
        metrics.ap75


def test_names_of_classes(case):
    truth = arrays(case[0]["annotations"], False)
    assert [c.name for c in fovea.evaluate(truth, rows(case[1]), class_names={1: "cat", 3: "dog"}).classes] == [
        "cat",
        "2",
        "dog",
    ]


def test_shown():
    truth = small_truth()
    truth["categories"][0]["name"] = "<cat>"
    metrics = fovea.evaluate(truth, small_results())
    assert f"ap         {metrics.ap:.3f}    ar_1       {metrics.ar_1:.3f}" in repr(metrics)
    page = metrics._repr_html_()
    assert "&lt;cat&gt;" in page and "<cat>" not in page and "n/a" in page and page.count("<tr>") == 5
    assert json.loads(json.dumps(metrics.to_dict()))["classes"][0]["name"] == "car"
    assert "car: ap " in repr(metrics.classes[0])


def test_a_notebook_shows_no_thousands_of_classes():
    truth = small_truth()
    truth["categories"] = [{"id": i, "name": f"class {i}"} for i in range(1, 1201)]
    page = fovea.evaluate(truth, small_results())._repr_html_()
    assert page.count("<tr>") == 102 and page.endswith("<p>and 1100 more in <code>classes</code></p>")


def test_pickled(case):
    metrics = fovea.evaluate(*case)
    again = pickle.loads(pickle.dumps(metrics))
    assert again.to_dict() == metrics.to_dict() and np.array_equal(again.scores, metrics.scores)


@pytest.mark.parametrize(
    "named, words",
    [
        ({"max_detections": [10, 1]}, "max_detections: .* is not an ascending list"),
        ({"max_detections": []}, "max_detections"),
        ({"max_detections": 5}, "max_detections is 5"),
        ({"max_detections": [1.5, 2]}, "max_detections is 1.5: expected a whole number"),
        ({"max_detections": [2**63]}, "max_detections is 9223372036854775808"),
        ({"ious": 0.5}, "ious 0.5"),
        ({"areas": {"a": 5}}, "areas {'a': 5}"),
        ({"ious": [0]}, "ious: .* thresholds above 0"),
        ({"areas": {"all": (5, 1)}}, "areas: 'all' is not a pair"),
        ({"areas": {}}, "areas: there is none"),
    ],
)
def test_settings_that_make_no_sense(case, named, words):
    with pytest.raises(fovea.ConfigError, match=words):
        fovea.evaluate(*case, **named)


@pytest.mark.parametrize(
    "gt, dt, words",
    [
        (small_truth(), [{**small_results()[0], "image_id": 99}], "dt: entry 0: image 99 is none of the ground truth's"),
        (small_truth(), [{**small_results()[0], "bbox": [1, 2, 3]}], "dt: entry 0: bbox has 3 numbers"),
        (small_truth(), [{"image_id": 7, "bbox": [1, 2, 3, 4], "score": 1}], "dt: entry 0 has no category_id"),
        (small_truth(), [{**small_results()[0], "score": [0.5]}], "dt: an entry has a box, score, area or id that is no"),
        ({"images": []}, [], "gt: a dict with neither annotations nor boxes; it has images"),
        (5, [], "gt: int is none of the forms"),
        ([{"boxes": np.zeros((0, 4)), "labels": []}], [], "given for both"),
        (
            [{"boxes": np.zeros((2, 4)), "labels": [1]}],
            [{"boxes": np.zeros((0, 4)), "labels": [], "scores": []}],
            "gt: image 0: 1 labels for 2 boxes",
        ),
        (
            [{"boxes": np.zeros((1, 4)), "labels": [1]}],
            [{"boxes": np.zeros((1, 4)), "labels": [1]}],
            "dt: image 0 has no scores",
        ),
        (
            {"image_ids": [1], "category_ids": [1], "boxes": np.zeros((1, 3))},
            [],
            r"boxes is \[1, 3\] instead of \[N, 4\]",
        ),
        (
            {"image_ids": [1, 2], "category_ids": [1], "boxes": np.zeros((1, 4))},
            [],
            r"image_ids is \[2\] instead of \[1\]",
        ),
        (
            {"image_ids": [1.5], "category_ids": [1], "boxes": np.zeros((1, 4))},
            [],
            "image_ids are float64, not integers",
        ),
        ({"boxes": np.zeros((1, 4))}, [], "needs image_ids, category_ids, too"),
    ],
)
def test_data_that_cannot_be_used(gt, dt, words):
    with pytest.raises(fovea.DataError, match=words):
        fovea.evaluate(gt, dt)


def test_files_in_the_wrong_place(case, tmp_path):
    paths = write(tmp_path, gt=case[0], dt=case[1])
    with pytest.raises(fovea.DataError, match="is a list of results, which is not what gt has to be"):
        fovea.evaluate(paths["dt"], case[1])
    with pytest.raises(fovea.DataError, match="is a COCO annotation file, which is not what dt has to be"):
        fovea.evaluate(case[0], paths["gt"])
    with pytest.raises(fovea.DataError):
        fovea.evaluate(paths["dt"], paths["dt"])
    with pytest.raises(fovea.DataError):
        fovea.evaluate(paths["gt"], str(tmp_path / "none.json"))

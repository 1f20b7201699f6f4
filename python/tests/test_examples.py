"""The examples of examples/python do what they say."""

import asyncio
import json
import os
import pathlib
import runpy
import shutil
import subprocess
import sys

import pytest

import fovea
from conftest import SETTINGS

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples" / "python"


def run_example(name, *arguments):
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, *map(str, arguments)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def images(photo, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    shutil.copy(photo, folder / "a.jpg")
    shutil.copy(photo, folder / "b.jpg")
    (folder / "bad.jpg").write_bytes(b"no image")
    return folder


def test_detect_folder(run, images, tmp_path):
    said = run_example("detect_folder.py", run.last, images, tmp_path / "results.json")
    results = json.loads((tmp_path / "results.json").read_text())
    assert [line.split(":")[0] for line in said.splitlines()[:3]] == ["a.jpg", "b.jpg", "bad.jpg"]
    assert f"{len(results)} boxes" in said


def test_results_of_a_folder_can_be_evaluated(cells, tmp_path):
    settings = {**SETTINGS, "train.steps": 1, "model.detect.score_threshold": 0.001}  # it finds something everywhere
    run = fovea.train(cells, tmp_path / "run", preset="tiny", settings=settings, device="cpu", progress=False)
    truth = cells / "annotations" / "instances_val.json"
    images = shutil.copytree(cells / "val", tmp_path / "images")
    shutil.copy(next(images.iterdir()), images / "not_annotated.jpg")
    run_example("detect_folder.py", run.last, images, tmp_path / "results.json", truth)
    results = json.loads((tmp_path / "results.json").read_text())
    assert {r["image_id"] for r in results} == {image["id"] for image in json.loads(truth.read_text())["images"]}
    assert "Average Recall" in run_example("evaluate_results.py", truth, tmp_path / "results.json")


def test_evaluate_results(cells, tmp_path):
    truth = cells / "annotations" / "instances_val.json"
    boxes = json.loads(truth.read_text())["annotations"]
    entries = [{k: a[k] for k in ("image_id", "category_id", "bbox")} | {"score": 0.9} for a in boxes]
    (tmp_path / "results.json").write_text(json.dumps(entries))
    said = run_example("evaluate_results.py", truth, tmp_path / "results.json")
    assert "Average Precision  (AP) @[ IoU=0.50:0.95 | area=   all | maxDets=100 ] = 1.000" in said


def test_train_and_plot(cells, tmp_path):
    pytest.importorskip("matplotlib")
    small = ("input.short_side=[64]", "input.long_side=100", "train.steps=2", "train.batch=1")
    said = run_example("train_and_plot.py", cells, tmp_path / "run", *small)
    assert "step 2: AP " in said
    assert (tmp_path / "run" / "loss_and_ap.png").read_bytes().startswith(b"\x89PNG")


def post(app, body):
    """(status, JSON) of a request, without a server."""
    said = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        said.append(message)

    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "path": "/detect"}
    scope |= {"raw_path": b"/detect", "query_string": b"", "headers": [], "scheme": "http", "root_path": ""}
    scope |= {"server": ("test", 80), "client": ("test", 1)}
    asyncio.run(app(scope, receive, send))
    return said[0]["status"], json.loads(b"".join(message.get("body", b"") for message in said))


def test_serve(run, photo, monkeypatch):
    pytest.importorskip("fastapi")
    monkeypatch.setitem(os.environ, "MODEL", str(run.last))
    app = runpy.run_path(str(EXAMPLES / "serve.py"))["app"]
    status, boxes = post(app, photo.read_bytes())
    assert status == 200 and all(box["score"] >= 0.3 for box in boxes)
    status, error = post(app, b"no image")
    assert status == 400 and "image" in error["detail"]


def test_batch_of_tensors(run, images):
    pytest.importorskip("torch")
    said = run_example("batch_of_tensors.py", run.last, images / "a.jpg", images / "b.jpg")
    assert said.count("<Detections: ") == 2

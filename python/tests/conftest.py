"""A small dataset, and the smallest network, trained on it for a few steps."""

import json
import pathlib
import shutil

import numpy
import pytest

import fovea

CELLS = pathlib.Path(__file__).parents[2] / "examples" / "blood_cells"
SETTINGS = {"train.steps": 6, "train.eval_every": 3, "train.checkpoint_every": 4}


def make_cells(folder: pathlib.Path, train: int, val: int) -> pathlib.Path:
    """The first images of the example data as a dataset of its own."""
    (folder / "annotations").mkdir(parents=True)
    for split, count in (("train", train), ("val", val)):
        whole = json.loads((CELLS / "annotations" / f"instances_{split}.json").read_text())
        images = whole["images"][:count]
        ids = {image["id"] for image in images}
        whole["images"] = images
        whole["annotations"] = [a for a in whole["annotations"] if a["image_id"] in ids]
        (folder / "annotations" / f"instances_{split}.json").write_text(json.dumps(whole))
        (folder / split).mkdir()
        for image in images:
            shutil.copy(CELLS / split / image["file_name"], folder / split)
    return folder


@pytest.fixture(scope="session")
def cells(tmp_path_factory):
    return make_cells(tmp_path_factory.mktemp("data") / "cells", train=2, val=1)


@pytest.fixture(scope="session")
def run(cells, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "cells"
    return fovea.train(cells, out, preset="tiny", settings=SETTINGS, device="cpu", progress=False)


@pytest.fixture(scope="session")
def model(run):
    """It finds something everywhere, however little it has learned."""
    return fovea.Detector(run.last, device="cpu", precision="fp32", score_threshold=0.001)


@pytest.fixture(scope="session")
def photo():
    return CELLS / "val" / "BloodImage_00000.jpg"


@pytest.fixture(scope="session")
def pixels():
    """An image like no photo: every pixel and channel differs from its neighbors."""
    return numpy.random.default_rng(7).integers(0, 256, (120, 160, 3), dtype=numpy.uint8)


def rows(found):
    """All that was found, for comparisons to the bit."""
    return [(d.label, d.score, d.xyxy) for d in found]

"""The forms in which fovea.evaluate takes ground truth and detections, made into columns."""

from __future__ import annotations

import os
from array import array
from collections.abc import Mapping

from . import _fovea
from ._columns import Columns, columns_of_dicts, columns_of_rows, listed
from .errors import ConfigError, DataError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Table:
    """What evaluate() was given: columns, and the images and categories that are listed (None: those of the boxes)."""

    def __init__(self, columns, image_ids=None, categories=None):
        self.columns, self.image_ids = columns, image_ids
        self.categories = categories  # {id: name}, or None


def tables(gt, dt, box_format) -> tuple[Table, Table]:
    """Of ground truth and detections, in any of the forms of evaluate(). Raises DataError, ConfigError."""
    form = "lists with a dict an image (boxes, labels, scores)"
    image_lists = [_is_image_list(gt), _is_image_list(dt)]
    if any(image_lists):
        if not all(image_lists):
            raise DataError(f"gt and dt: {form} have to be given for both")
        if len(gt) != len(dt):
            raise DataError(f"gt and dt: {form} have to be of the same images, but gt has {len(gt)} and dt {len(dt)}")
        return _image_lists(gt, dt, box_format)
    if all(isinstance(value, (str, os.PathLike)) for value in (gt, dt)):
        pair = _fovea.read_both(os.fspath(gt), os.fspath(dt))
        truth, detections = _table_of_truth(pair[0]), Table(pair[1])
    else:
        truth, detections = _table(gt, False), _table(dt, True)
    if truth.image_ids is not None:
        place = _fovea.first_unknown(detections.columns.image_ids, array("q", truth.image_ids))
        if place >= 0:
            image = listed(detections.columns.image_ids)[place]
            raise DataError(f"dt: entry {place}: image {image} is none of the ground truth's")
    return truth, detections


def _table(value, scored) -> Table:
    from .coco import COCO

    where = "dt" if scored else "gt"
    if isinstance(value, (str, os.PathLike)):
        return _table_of_file(os.fspath(value), scored)
    if isinstance(value, COCO) or (hasattr(value, "dataset") and hasattr(value, "getImgIds")):
        return _table_of_coco(value, scored)
    if isinstance(value, Mapping):
        if "boxes" in value:
            return Table(_columns_of_arrays(value, scored, where))
        if "annotations" in value:
            return _listed_table(_checked(value["annotations"], scored, where), value)
        raise DataError(f"{where}: a dict with neither annotations nor boxes; it has {', '.join(map(str, value))}")
    if isinstance(value, (list, tuple)):
        return Table(_checked(list(value), scored, where))
    if scored and getattr(value, "ndim", 0) == 2 and value.shape[1] == 7:
        return Table(columns_of_rows(_array(value))[0])
    raise DataError(
        f"{where}: {type(value).__name__} is none of the forms that evaluate() takes (help(fovea.evaluate))"
    )


def _checked(entries, scored, where) -> Columns:
    columns = columns_of_dicts(entries, scored, where, bare=scored)
    for name in ("image_id", "category_id"):
        if isinstance(getattr(columns, name + "s"), list):
            raise DataError(f"{where}: an entry's {name} is no integer")
    return columns


def _listed_table(columns, dataset) -> Table:
    images, categories = dataset.get("images"), dataset.get("categories")
    return Table(
        columns,
        None if images is None else [image["id"] for image in images],
        None if categories is None else {entry["id"]: str(entry.get("name", entry["id"])) for entry in categories},
    )


def _table_of_file(path, scored) -> Table:
    annotations = _fovea.read_annotations(path)
    if bool(annotations.is_results) != scored:
        what = "a COCO annotation file" if scored else "a list of results"
        raise DataError(f"{path!r}: is {what}, which is not what {'dt' if scored else 'gt'} has to be")
    return Table(annotations) if scored else _table_of_truth(annotations)


def _table_of_truth(annotations) -> Table:
    ids, names = annotations.categories[0], annotations.categories[1]
    return Table(annotations, listed(annotations.images[0]), dict(zip(listed(ids), names, strict=True)))


def _table_of_coco(coco, scored) -> Table:
    from .coco import COCO

    if not isinstance(coco, COCO):  # pycocotools' own
        return _listed_table(_checked(coco.dataset["annotations"], scored, "dt" if scored else "gt"), coco.dataset)
    columns = coco._columns(scored, [], None)
    if scored:
        return Table(columns)
    source = coco._source
    names = None if source is None else source.category_names()
    if names is None:
        names = [entry.get("name", entry["id"]) for entry in coco.loadCats(coco.getCatIds())]
    return Table(columns, coco.getImgIds(), dict(zip(coco.getCatIds(), map(str, names), strict=True)))


def _array(value):
    """A NumPy array of a tensor of any device, or of what NumPy takes."""
    import numpy as np

    return value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)


def _own(array, dtype):
    """A copy that nobody changes: some of the numbers that are asked for later are made of it."""
    import numpy as np

    converted = np.ascontiguousarray(array, dtype)
    return np.asarray(_fovea.copied(converted)) if converted is array or converted.base is not None else converted


def _columns_of_arrays(value, scored, where) -> Columns:
    import numpy as np

    needed = ("image_ids", "category_ids", "boxes") + (("scores",) if scored else ())
    missing = [name for name in needed if name not in value]
    if missing:
        raise DataError(f"{where}: a dict of arrays needs {', '.join(missing)}, too")
    boxes = _own(_array(value["boxes"]), np.float64)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise DataError(f"{where}: boxes is {list(boxes.shape)} instead of [N, 4]: x, y, width, height")
    types = {
        "image_ids": np.int64,
        "category_ids": np.int64,
        "scores": np.float64,
        "areas": np.float64,
        "crowds": np.uint8,
        "ids": np.int64,
    }
    columns = {"boxes": boxes}
    for name in (*needed, "areas", "crowds", "ids"):
        if name == "boxes" or value.get(name) is None or (scored and name in ("crowds", "ids")):
            continue
        column = _array(value[name])
        if column.shape != (len(boxes),):
            raise DataError(f"{where}: {name} is {list(column.shape)} instead of [{len(boxes)}], one for each box")
        if name.endswith("ids") and column.dtype.kind not in "iu":
            raise DataError(f"{where}: {name} are {column.dtype}, not integers")
        if name == "crowds":
            column = column.astype(bool)
        columns[name] = _own(column, types[name])
    return Columns(**columns)


def _is_image_list(value) -> bool:
    return isinstance(value, (list, tuple)) and len(value) > 0 and isinstance(value[0], Mapping) and "boxes" in value[0]


def _corners_to_sizes(boxes, box_format, where):
    import numpy as np

    if boxes.size == 0:
        return np.empty((0, 4))
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise DataError(f"{where}: boxes is {list(boxes.shape)} instead of [n, 4]")
    first, second = boxes[:, :2], boxes[:, 2:]
    if box_format == "xyxy":
        second = second - first
    elif box_format == "cxcywh":
        first = first - second / 2
    elif box_format != "xywh":
        raise ConfigError(f"box_format: {box_format!r} is none of 'xyxy', 'xywh', 'cxcywh'")
    return np.concatenate([first, second], 1).astype(np.float64)


def _image_lists(gt, dt, box_format) -> tuple[Table, Table]:
    tables = []
    for scored, images in ((False, gt), (True, dt)):
        where = "dt" if scored else "gt"
        keys = {
            "category_ids": "labels",
            **({"scores": "scores"} if scored else {"crowds": "iscrowd", "areas": "area"}),
        }
        tables.append(Table(_columns_of_images(images, keys, box_format, where), list(range(len(gt)))))
    return tables[0], tables[1]


def _columns_of_images(images, keys, box_format, where) -> Columns:
    import numpy as np

    parts: dict[str, list[Any]] = {name: [] for name in ("image_ids", "boxes", *keys)}
    for number, image in enumerate(images):
        place = f"{where}: image {number}"
        if "boxes" not in image:
            raise DataError(f"{place} has no boxes")
        boxes = _corners_to_sizes(_array(image["boxes"]), box_format, place)
        parts["image_ids"].append(np.full(len(boxes), number, np.int64))
        parts["boxes"].append(boxes)
        for name, key in keys.items():
            if image.get(key) is None and name in ("category_ids", "scores"):
                raise DataError(f"{place} has no {key}")
            column = _optional_column(image.get(key), name, boxes)
            if len(column) != len(boxes):
                raise DataError(f"{place}: {len(column)} {key} for {len(boxes)} boxes")
            parts[name].append(column)
    types = {"image_ids": np.int64, "category_ids": np.int64, "crowds": np.uint8}
    joined = {
        name: np.concatenate(columns).astype(types.get(name, np.float64), copy=False) if columns else np.empty(0)
        for name, columns in parts.items()
    }
    return Columns(**joined)


def _optional_column(value, name, boxes):
    """Of an image; where it has none, areas of the boxes and no crowds."""
    import numpy as np

    if value is None:
        return boxes[:, 2] * boxes[:, 3] if name == "areas" else np.zeros(len(boxes), np.uint8)
    column = _array(value).reshape(-1)
    if name == "areas":  # torchmetrics: 0 where there is none
        return np.where(column > 0, column, boxes[:, 2] * boxes[:, 3]) if len(column) == len(boxes) else column
    return column

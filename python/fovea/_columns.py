"""Annotations and results as columns (arrays), which is what the native evaluation reads, and how they are made of
dicts.
"""

from itertools import chain
from operator import itemgetter

from . import _fovea
from .errors import DataError


class Columns:
    """Boxes as arrays of one length N, as `_fovea.evaluate` takes them.

    image_ids, category_ids: int64 [N], or lists where ids are no integers (then coded() before they are evaluated).
    boxes: float64 [N, 4], x, y, width, height in pixels. scores: float64 [N], None for ground truth.
    areas: float64 [N] in square pixels, or None (width * height). crowds: uint8 [N] or None. ids: int64 [N], or None
    (1…N).
    """

    __slots__ = ("image_ids", "category_ids", "boxes", "scores", "areas", "crowds", "ids")

    def __init__(self, image_ids, category_ids, boxes, scores=None, areas=None, crowds=None, ids=None):
        self.image_ids, self.category_ids, self.boxes, self.scores = image_ids, category_ids, boxes, scores
        self.areas, self.crowds, self.ids = areas, crowds, ids

    def __len__(self):
        return len(self.image_ids)


def listed(values):
    """A column's values as a list of Python numbers (NumPy is not needed for this)."""
    if values is None or isinstance(values, (list, tuple)):
        return values
    return values.tolist() if hasattr(values, "tolist") else memoryview(values).tolist()


def integers(values):
    """Ids as int64 where all of them are integers (2.0 is one), else the list as it is."""
    import numpy as np

    if not values:
        return np.empty(0, np.int64)
    try:
        column = np.array(values)
    except ValueError:  # lists of different lengths
        return values
    if column.ndim != 1 or column.dtype.kind not in "iufb":
        return values
    if column.dtype.kind == "f":
        whole = np.isfinite(column) & (np.abs(column) < 2**53)
        if not (whole.all() and (column == np.floor(column)).all()):
            return values
    elif column.dtype.kind == "u" and column.size and column.max() >= 2**63:
        return values
    return column.astype(np.int64)


def _boxes(entries, where):
    import numpy as np

    boxes = list(map(itemgetter("bbox"), entries))
    if set(map(len, boxes)) - {4}:
        number = next(i for i, box in enumerate(boxes) if len(box) != 4)
        raise DataError(
            f"{where}: entry {number}: bbox has {len(boxes[number])} numbers instead of 4: x, y, width, height"
        )
    return np.fromiter(chain.from_iterable(boxes), np.float64, 4 * len(boxes)).reshape(-1, 4)


def _fault(entries, keys, where):
    """The error that says which entry of a list stopped a pass over it."""
    for number, entry in enumerate(entries):
        for key in keys:
            if not hasattr(entry, "keys") or key not in entry:
                return DataError(f"{where}: entry {number} has no {key}")
        if not hasattr(entry["bbox"], "__len__"):
            return DataError(f"{where}: entry {number}: bbox is no list of four numbers: x, y, width, height")
    return DataError(f"{where}: an entry has a box, score, area or id that is no number")


def _optional(entries, key, missing, kind):
    """A column of numbers some entries lack; None where all lack it. `missing(number)` gives what stands in."""
    import numpy as np

    values = [entry.get(key) for entry in entries]
    lacking = values.count(None)
    if lacking == len(values):
        return None
    if lacking:
        values = [missing(number) if value is None else value for number, value in enumerate(values)]
    return np.array(values, np.float64).astype(kind)


def columns_of_dicts(entries, scored, where, bare=False):
    """Columns of a list of COCO's dicts. `scored`: results, with a score each. `bare`: without their areas and ids.

    Raises DataError, naming the entry.
    """
    made = _fovea.columns_of_dicts(entries, scored, bare) if type(entries) is list else None
    if made is not None:
        return Columns(*(None if part is None else memoryview(part) for part in made))
    return _columns_in_python(entries, scored, where, bare)


def _columns_in_python(entries, scored, where, bare):
    """The same for ids of any type and NumPy's numbers, and with words for what is wrong."""
    import numpy as np

    keys = ("image_id", "category_id", "bbox") + (("score",) if scored else ())
    try:
        image_ids = integers(list(map(itemgetter("image_id"), entries)))
        category_ids = integers(list(map(itemgetter("category_id"), entries)))
        boxes = _boxes(entries, where)
        scores = np.array(list(map(itemgetter("score"), entries)), np.float64) if scored else None
        if scores is not None and scores.ndim != 1:
            raise ValueError("a score is a list")
        if bare:  # the product in the numbers' own precision, as pycocotools has it
            areas = np.array([box[2] * box[3] for box in map(itemgetter("bbox"), entries)], np.float64)
        else:
            areas = _optional(entries, "area", lambda number: boxes[number, 2] * boxes[number, 3], np.float64)
        crowds = None if scored else _optional(entries, "iscrowd", lambda number: 0, bool)
        ids = [None if bare else entry.get("id") for entry in entries]
    except (KeyError, TypeError, AttributeError, ValueError) as fault:
        if isinstance(fault, DataError):
            raise
        raise _fault(entries, keys, where) from fault
    ids = integers(ids) if None not in ids else None
    return Columns(
        image_ids,
        category_ids,
        boxes,
        scores,
        areas,
        None if crowds is None else crowds.astype(np.uint8),
        None if isinstance(ids, list) else ids,
    )


def columns_of_rows(rows):
    """(columns, whether all ids are numbers) of results as one array [N, 7]: image, x, y, width, height, score, category;
    copies of it.
    """
    import numpy as np

    numbers = np.asarray(rows, np.float64)
    areas = (
        None if rows.dtype == np.float64 else (rows[:, 3] * rows[:, 4]).astype(np.float64)
    )  # in the array's own precision
    *columns, have_ids = _fovea.columns_of_rows(numbers)
    return Columns(*map(memoryview, columns), areas), have_ids


def coded(columns, image_codes, category_codes):
    """The columns with the ids' places in these dicts instead of the ids, and -1 for ids that are not in them."""
    import numpy as np

    codes = [
        np.fromiter((known.get(value, -1) for value in listed(values)), np.int64, len(columns))
        for values, known in ((columns.image_ids, image_codes), (columns.category_ids, category_codes))
    ]
    return Columns(*codes, *(getattr(columns, name) for name in Columns.__slots__[2:]))

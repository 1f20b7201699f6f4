"""Where a COCO object's content lies while nobody has asked for its dicts: in a file, an array or a list of results."""

import os
import stat

from . import _fovea
from ._columns import columns_of_dicts, columns_of_rows, listed
from .errors import DataError, UnsupportedError

_NOT_HERE = "has masks without boxes; fovea.coco has boxes only, pycocotools has masks"


class Source:
    """Columns, and the dicts that pycocotools would have of the same content, made when they are asked for.

    columns: as `_fovea.evaluate` takes them. image_ids: of all images, in their order. parts: lists of dicts that were
    asked for alone, by their key.
    """

    def __init__(self, columns):
        self.columns, self.parts = columns, {}

    def part(self, key):
        """The images or the categories alone; None where that is no less work than all."""
        return None

    def __deepcopy__(self, memo):
        import copy

        made = copy.copy(self)  # nothing changes what is native
        made.parts = copy.deepcopy(self.parts, memo)
        return made

    def entries(self):
        """(image id, category id, area, crowd, id) as lists, one value an annotation."""
        columns = self.columns
        areas, ids = listed(columns.areas), listed(columns.ids)
        if areas is None:
            areas = [width * height for _, _, width, height in listed(columns.boxes)]
        crowds = listed(columns.crowds) if columns.crowds is not None else [0] * len(areas)
        return (
            listed(columns.image_ids),
            listed(columns.category_ids),
            areas,
            crowds,
            list(range(1, len(areas) + 1)) if ids is None else ids,
        )


class _OpenFile:
    """A file that was read natively and stays open: its dicts can still be made when it was deleted."""

    def __init__(self, path):
        self._path = os.fspath(path)
        self._file = open(self._path, "rb")
        self._state = self._look()

    def __del__(self):
        if hasattr(self, "_file"):
            self._file.close()

    def _look(self):
        state = os.fstat(self._file.fileno())
        return state.st_size, state.st_mtime_ns

    def regular(self):
        return stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)

    def load(self):
        import json

        self._check()
        if not self.regular():
            return json.load(self._file)
        content, place = bytearray(), 0
        # Not by the file's own place, which processes share that fork() has made.
        while part := os.pread(self._file.fileno(), 1 << 26, place):
            content += part
            place += len(part)
        return json.loads(content)

    def part(self, key, ids):
        """The list of dicts of these ids under a key, without reading all else; None where it is not found so."""
        import mmap

        self._check()
        with mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            name = f'"{key}"'.encode()
            place = content.find(name)
            while place >= 0:
                found = _list_at(content, place + len(name))
                if found is not None and [type(e) is dict and e.get("id") for e in found] == ids:
                    return found
                place = content.find(name, place + 1)
        return None

    def _check(self):
        if self._look() != self._state:
            raise DataError(f"{self._path!r}: the file has changed since it was read; read it again")


def _list_at(content, place):
    """The JSON list that is the value of a key which ends at this place; None where there is none."""
    import json

    length = 1 << 16
    while True:
        text = content[place : place + length].decode("utf-8", "ignore").lstrip(" \t\r\n:")
        if text and text[0] != "[":
            return None
        try:
            return json.JSONDecoder().raw_decode(text)[0]
        except json.JSONDecodeError:
            if place + length >= len(content):
                return None
            length *= 4


def read(path):
    """(annotations, open file) of a file; (None, its content) where only json reads it: captions, or no COCO file."""
    file = _OpenFile(path)
    if file.regular():
        try:
            return _fovea.read_annotations(os.fspath(path)), file
        except (DataError, ValueError):
            pass  # json has pycocotools' words for it, or takes it: captions have no boxes
    return None, file.load()


class FileSource(Source):
    """A ground truth file."""

    def __init__(self, annotations, file):
        super().__init__(annotations)
        self._file = file
        self.image_ids = listed(annotations.images[0])
        self.category_ids = listed(annotations.categories[0])

    def category_names(self):
        return None if "categories" in self.parts else list(self.columns.categories[1])

    def part(self, key):
        if key not in self.parts:
            found = self._file.part(key, self.category_ids if key == "categories" else self.image_ids)
            if found is None:
                return None
            self.parts[key] = found
        return self.parts[key]

    def dataset(self):
        return {**self._file.load(), **self.parts}


class ResultSource(Source):
    """Results of the images and categories of another COCO. `load()` gives the list of dicts."""

    def __init__(self, truth, columns, load):
        super().__init__(columns)
        self._truth, self._load = truth, load
        self.image_ids, self.category_ids = truth.getImgIds(), truth.getCatIds()

    def category_names(self):
        return None

    def dataset(self):
        import copy

        truth = self._truth.dataset
        results = {
            "info": copy.deepcopy(truth.get("info", {})),
            "images": list(truth["images"]),
            "categories": copy.deepcopy(truth["categories"]),
        }
        results["annotations"] = complete_boxes(self._load())
        return results


def complete_boxes(entries):
    """Gives results what pycocotools gives them: the box as a polygon, its area, ids from 1, and that they are no
    crowds.
    """
    for number, entry in enumerate(entries):
        x, y, width, height = entry["bbox"][:4]
        if "segmentation" not in entry:
            entry["segmentation"] = [[x, y, x, y + height, x + width, y + height, x + width, y]]
        entry["area"] = width * height
        entry["id"] = number + 1
        entry["iscrowd"] = 0
    return entries


def complete_keypoints(entries):
    """Of keypoints: ids, and the box that holds them all."""
    for number, entry in enumerate(entries):
        xs, ys = entry["keypoints"][0::3], entry["keypoints"][1::3]
        x, y, width, height = min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)
        entry.update(area=width * height, id=number + 1, bbox=[x, y, width, height])
    return entries


def loader_of_rows(rows, columns):
    """A function that gives the dicts of an array of results, whatever becomes of the array."""
    if rows.dtype.name != "float64":  # whose numbers have a precision of their own
        rows = rows.copy()
        return lambda: dicts_of_rows(rows)
    return lambda: _dicts_of_columns(columns)


def dicts_of_rows(rows):
    """The dicts of an array of results, with its own numbers."""
    return [
        {"image_id": int(row[0]), "bbox": list(row[1:5]), "score": row[5], "category_id": int(row[6])} for row in rows
    ]


def _dicts_of_columns(columns):
    lists = (listed(part) for part in (columns.image_ids, columns.boxes, columns.scores, columns.category_ids))
    return [
        {"image_id": image, "bbox": box, "score": score, "category_id": category}
        for image, box, score, category in zip(*lists)
    ]


def check_images(known, columns):
    """pycocotools' assertion: all results are of images of the ground truth."""
    if not isinstance(columns.image_ids, list) and all(type(image) is int for image in known):
        from array import array

        unknown = _fovea.first_unknown(columns.image_ids, array("q", known)) >= 0
    else:
        unknown = set(listed(columns.image_ids)).difference(known)
    assert not unknown, "Results do not correspond to current coco set"


def _results_file(path):
    """(annotations, open file), or (None, list)."""
    annotations, content = read(path)
    if annotations is not None and not annotations.is_results:
        return None, content.load()
    return annotations, content


def load_results(truth, results):
    """(source, None) of results that are boxes, (None, dataset) of others. See COCO.loadRes."""
    columns, load = None, None
    if isinstance(results, (str, os.PathLike)):
        columns, content = _results_file(results)
        if columns is None:
            results = content
        else:
            load = content.load
    elif type(results).__name__ == "ndarray":
        announce_rows(results)
        columns, have_ids = columns_of_rows(results)
        if not have_ids:
            dicts_of_rows(results)  # raises what pycocotools raises
        load = loader_of_rows(results, columns)

    if columns is not None:
        check_images(truth.getImgIds(), columns)
        return ResultSource(truth, columns, load), None
    assert type(results) is list, "results in not an array of objects"
    if results and ("caption" in results[0] or len(results[0].get("bbox", ())) == 0):
        return None, _other_dataset(truth, results)
    columns = columns_of_dicts(results, True, "results", bare=True)  # pycocotools makes areas and ids anew
    check_images(truth.getImgIds(), columns)
    entries = list(results)  # the caller's list may be used for others
    return ResultSource(truth, columns, lambda: entries), None


def _other_dataset(truth, entries):
    import copy

    unknown = {entry["image_id"] for entry in entries}.difference(truth.getImgIds())
    assert not unknown, "Results do not correspond to current coco set"
    dataset = {"info": copy.deepcopy(truth.dataset.get("info", {})), "images": list(truth.dataset["images"])}
    if "caption" in entries[0]:
        found = {entry["image_id"] for entry in entries}
        dataset["images"] = [image for image in dataset["images"] if image["id"] in found]
        for number, entry in enumerate(entries):
            entry["id"] = number + 1
    elif "segmentation" in entries[0]:
        raise UnsupportedError(f"results: the first entry {_NOT_HERE}")
    elif "keypoints" in entries[0]:
        dataset["categories"] = copy.deepcopy(truth.dataset["categories"])
        complete_keypoints(entries)
    dataset["annotations"] = entries
    return dataset


def announce_rows(rows):
    """pycocotools' checks of an array of results, and what it prints."""
    print("Converting ndarray to lists...")
    print(rows.shape)
    assert rows.ndim == 2 and rows.shape[1] == 7, (
        "results as an array have 7 columns: image, x, y, width, height, score, category"
    )
    for number in range(0, len(rows), 1000000):
        print(f"{number}/{len(rows)}")

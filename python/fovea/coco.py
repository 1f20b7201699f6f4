"""pycocotools' interface for boxes: `from fovea.coco import COCO, COCOeval` in place of pycocotools', with the same
numbers.

    truth = COCO("instances_val2017.json")
    evaluation = COCOeval(truth, truth.loadRes("results.json"), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()

Files are read natively. The dicts (`dataset`, `anns`, `imgs`, `cats`, `imgToAnns`, `catToImgs`) are made when they are
first asked for, and count from then on, with all edits. Masks and keypoints are not evaluated here.
`init_as_pycocotools()` puts this module in pycocotools' place, for libraries that import it.
"""

import _thread
import itertools
import os
import sys
import time
from collections import defaultdict

from . import _coco_source
from ._cocoeval import COCOeval, Params, any_replaced
from ._columns import columns_of_dicts
from .errors import UnsupportedError

__all__ = ["COCO", "COCOeval", "Params", "init_as_pycocotools"]


_making = _thread.RLock()  # held while dicts and indices are made: many threads may ask for them
os.register_at_fork(after_in_child=_making._at_fork_reinit)


def _one_at_a_time(method):
    def call(self, *arguments, **options):
        with _making:
            return method(self, *arguments, **options)

    call.__name__, call.__qualname__, call.__doc__ = method.__name__, method.__qualname__, method.__doc__
    call.__wrapped__ = method
    return call


def _several(value):
    return value if hasattr(value, "__iter__") and hasattr(value, "__len__") else [value]


def _members(values):
    """For `in`, as fast as a set. A word alone stands for its parts, as in pycocotools."""
    return values if isinstance(values, str) else set(values)


def _lazy(name, part=None):
    """An attribute of the index, made when it is first asked for: of that part of the dataset alone, or of all."""

    def get(self):
        if part is not None and self._source is not None:
            found = self._part(name, part)
            if found is not None:
                return found
        return self._indexed()[name]

    def put(self, value):
        self._indexed()[name] = value

    return property(_one_at_a_time(get), _one_at_a_time(put))


class COCO:
    """A COCO dataset, or results of one. Of a file, a dict of its form, or empty (set `dataset`, then call
    createIndex()).
    """

    anns, cats, imgs = _lazy("anns"), _lazy("cats", "categories"), _lazy("imgs", "images")
    imgToAnns, catToImgs = _lazy("imgToAnns"), _lazy("catToImgs")

    def __init__(self, annotation_file=None):
        self._source = None  # of what nobody has asked the dicts of
        self._dataset = {}
        self._unindexed = None  # the dataset an index is to be made of
        self._index = _index_of({})
        self._parts = {}  # of the index, made before all of it
        if annotation_file is None:
            return
        print("loading annotations into memory...")
        start = time.time()
        if isinstance(annotation_file, dict):
            self._dataset = annotation_file
        else:
            self._load(annotation_file)
        print(f"Done (t={time.time() - start:0.2f}s)")
        self.createIndex()

    def _load(self, path):
        annotations, content = _coco_source.read(path)
        if annotations is not None and not annotations.is_results:
            self._source = _coco_source.FileSource(annotations, content)
            return
        dataset = content if annotations is None else content.load()
        assert type(dataset) is dict, f"annotation file format {type(dataset)} not supported"
        self._dataset = dataset

    @property
    @_one_at_a_time
    def dataset(self):
        """The dict as it stands in the file; edits count."""
        if self._source is not None:
            source, self._source = self._source, None
            try:
                self._dataset = source.dataset()
            except BaseException:
                self._source = source
                raise
            self._unindexed, self._index = self._dataset, None
        return self._dataset

    @dataset.setter
    @_one_at_a_time
    def dataset(self, value):
        self._indexed()  # stays that of the dataset before, until createIndex()
        self._dataset = value

    def _part(self, name, part):
        entries = self._source.part(part)
        if entries is None:
            return None
        if name not in self._parts:
            self._parts[name] = {entry["id"]: entry for entry in entries}
        return self._parts[name]

    def _indexed(self):
        if self._source is not None:
            self.dataset
        if self._index is None:
            self._index = {**_index_of(self._unindexed), **self._parts}
            self._parts = {}
            self._unindexed = None
        return self._index

    @_one_at_a_time
    def createIndex(self):
        """Makes anns, imgs, cats, imgToAnns and catToImgs anew of the dataset (when they are asked for)."""
        print("creating index...")
        if self._source is None:
            self._unindexed, self._index, self._parts = self._dataset, None, {}
        print("index created!")

    def info(self):
        """Prints what the file says of itself."""
        for key, value in self.dataset["info"].items():
            print(f"{key}: {value}")

    @_one_at_a_time
    def getAnnIds(self, imgIds=[], catIds=[], areaRng=[], iscrowd=None):
        """Ids of annotations: of these images, of these categories, of an area between the two, of this crowd flag."""
        imgIds, catIds = _several(imgIds), _several(catIds)
        if self._source is not None:
            return self._ids_of_columns(imgIds, catIds, areaRng, iscrowd)
        if len(imgIds):
            of_image = self.imgToAnns
            anns = itertools.chain.from_iterable(of_image[image] for image in imgIds if image in of_image)
        else:
            anns = (
                self._dataset["annotations"]
                if len(catIds) == len(areaRng) == 0
                else self._dataset.get("annotations", [])
            )
        if len(catIds):
            wanted = _members(catIds)
            anns = (ann for ann in anns if ann["category_id"] in wanted)
        if len(areaRng):
            anns = (ann for ann in anns if areaRng[0] < ann["area"] < areaRng[1])
        if iscrowd is not None:
            anns = (ann for ann in anns if ann["iscrowd"] == iscrowd)
        return [ann["id"] for ann in anns]

    def _ids_of_columns(self, imgIds, catIds, areaRng, iscrowd):
        images, categories, areas, crowds, ids = self._entries()
        rows = range(len(ids))
        if len(imgIds):
            of_image = self._rows_of_images()
            rows = itertools.chain.from_iterable(of_image.get(image, ()) for image in imgIds)
        if len(catIds):
            wanted = _members(catIds)
            rows = (row for row in rows if categories[row] in wanted)
        if len(areaRng):
            rows = (row for row in rows if areaRng[0] < areas[row] < areaRng[1])
        if iscrowd is not None:
            rows = (row for row in rows if crowds[row] == iscrowd)
        return [ids[row] for row in rows]

    def _entries(self):
        source = self._source
        if not hasattr(source, "lists"):
            source.lists = source.entries()
        return source.lists

    def _rows_of_images(self):
        source = self._source
        if not hasattr(source, "rows"):
            rows = defaultdict(list)
            for row, image in enumerate(self._entries()[0]):
                rows[image].append(row)
            source.rows = dict(rows)
        return source.rows

    @_one_at_a_time
    def getCatIds(self, catNms=[], supNms=[], catIds=[]):
        """Ids of categories: of these names, of these supercategories, of these ids."""
        catNms, supNms, catIds = _several(catNms), _several(supNms), _several(catIds)
        if self._source is not None and not len(supNms):
            ids = list(self._source.category_ids)
            names = self._source.category_names() if len(catNms) else ids
            if names is not None:
                if len(catNms):
                    wanted = _members(catNms)
                    ids = [identity for identity, name in zip(ids, names) if name in wanted]
                return [identity for identity in ids if identity in catIds] if len(catIds) else ids
        cats = self._source.part("categories") if self._source is not None else None
        cats = self.dataset["categories"] if cats is None else cats
        for key, wanted in (("name", catNms), ("supercategory", supNms), ("id", catIds)):
            if len(wanted):
                cats = [cat for cat in cats if cat[key] in wanted]
        return [cat["id"] for cat in cats]

    @_one_at_a_time
    def getImgIds(self, imgIds=[], catIds=[]):
        """Ids of images: of these ids, and with all of these categories."""
        imgIds, catIds = _several(imgIds), _several(catIds)
        if len(imgIds) == len(catIds) == 0:
            if self._source is not None and "imgs" not in self._parts:
                return list(dict.fromkeys(self._source.image_ids))
            return list(self._parts.get("imgs", ()) if self._source is not None else self.imgs)
        ids = set(imgIds)
        for number, category in enumerate(catIds):
            if number == 0 and not ids:
                ids = self._images_with(category)
            else:
                ids &= self._images_with(category)
        return list(ids)

    def _images_with(self, category):
        if self._source is None:
            return set(self.catToImgs[category])
        images, categories = self._entries()[:2]
        return {image for image, of in zip(images, categories) if of == category}

    def loadAnns(self, ids=[]):
        """The annotations of these ids."""
        return [self.anns[identity] for identity in _several(ids)]

    def loadCats(self, ids=[]):
        """The categories of these ids."""
        return [self.cats[identity] for identity in _several(ids)]

    def loadImgs(self, ids=[]):
        """The images of these ids."""
        return [self.imgs[identity] for identity in _several(ids)]

    def showAnns(self, anns, draw_bbox=False):
        """Draws annotations onto matplotlib's current axes (polygons; boxes where asked for or where there is no
        polygon).
        """
        from ._coco_draw import show

        return show(anns, draw_bbox)

    def loadRes(self, resFile):
        """Results of this dataset's images, as a COCO of their own.

        resFile: a path; a list of dicts (image_id, category_id, bbox, score), to which id, area, iscrowd and
        segmentation are added when the result's dicts are asked for; or an array [N, 7] of image, x, y, width, height,
        score, category, which is read where it lies. An empty list gives results without boxes. Raises AssertionError
        where an image is none of these.
        """
        print("Loading and preparing results...")
        start = time.time()
        source, dataset = _coco_source.load_results(self, resFile)
        results = COCO()
        results._source, results._dataset = source, dataset
        print(f"DONE (t={time.time() - start:0.2f}s)")
        results.createIndex()
        return results

    def loadNumpyAnnotations(self, data):
        """The dicts of results in an array [N, 7]: image, x, y, width, height, score, category."""
        assert type(data).__name__ == "ndarray"
        _coco_source.announce_rows(data)
        return _coco_source.dicts_of_rows(data)

    def download(self, tarDir=None, imgIds=[]):
        """Downloads images from their coco_url into a folder."""
        if tarDir is None:
            print("Please specify target directory")
            return -1
        from urllib.request import urlretrieve

        images = self.loadImgs(imgIds) if len(imgIds) else list(self.imgs.values())
        os.makedirs(tarDir, exist_ok=True)
        for number, image in enumerate(images):
            start, path = time.time(), os.path.join(tarDir, image["file_name"])
            if not os.path.exists(path):
                urlretrieve(image["coco_url"], path)
            print(f"downloaded {number}/{len(images)} images (t={time.time() - start:0.1f}s)")

    def annToRLE(self, ann):
        """Not here: masks are pycocotools'."""
        raise UnsupportedError("fovea.coco has boxes only; for masks use pycocotools (annToRLE, annToMask)")

    annToMask = annToRLE

    def _chooses_itself(self):
        """Somebody has another way to choose annotations."""
        return any_replaced(self, _CHOICE)

    @_one_at_a_time
    def _columns(self, scored, image_ids, category_ids):
        """The annotations as the native evaluation takes them; with dicts, pycocotools' choice of them. None: all
        categories.
        """
        if self._source is not None and not (scored and self._source.columns.scores is None):
            ids = None if scored else _coco_source.listed(self._source.columns.ids)
            if ids is None or len(set(ids)) == len(
                ids
            ):  # of entries with one id the last counts for all: the dicts' matter
                return self._source.columns
        where = "results" if scored else "ground truth"
        if self._source is None and self._index is None:
            entries = self._unindexed.get("annotations", [])
            if len({entry["id"] for entry in entries}) == len(entries):
                return columns_of_dicts(entries, scored, where)
        return columns_of_dicts(
            self.loadAnns(self.getAnnIds(image_ids, [] if category_ids is None else category_ids)), scored, where
        )

    @_one_at_a_time
    def __getstate__(self):
        self.dataset
        return self.__dict__.copy()

    @_one_at_a_time
    def __deepcopy__(self, memo):
        import copy

        made = memo[id(self)] = type(self).__new__(type(self))
        made.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return made


_CHOICE = {name: getattr(COCO, name) for name in ("getAnnIds", "loadAnns")}


def _index_of(dataset):
    """What pycocotools makes of a dataset. Of entries with one id the last counts."""
    annotations, images_of = dataset.get("annotations", []), defaultdict(list)
    of_image = defaultdict(list)
    for ann in annotations:
        of_image[ann["image_id"]].append(ann)
    if "categories" in dataset:
        for ann in annotations:
            images_of[ann["category_id"]].append(ann["image_id"])
    index = {
        name: {entry["id"]: entry for entry in dataset.get(key, [])}
        for name, key in (("anns", "annotations"), ("imgs", "images"), ("cats", "categories"))
    }
    return {**index, "imgToAnns": of_image, "catToImgs": images_of}


def init_as_pycocotools():
    """Puts this module in pycocotools' place: `import pycocotools.coco` then gives it. Masks stay pycocotools' own, if
    installed.
    """
    import types

    try:
        from pycocotools import mask
    except ImportError:
        mask = types.ModuleType("pycocotools.mask", "Not here: fovea.coco has boxes only.")
    package = types.ModuleType("pycocotools", __doc__)
    here = sys.modules[__name__]
    package.coco = package.cocoeval = here
    package.mask = mask
    sys.modules.update(
        {"pycocotools": package, "pycocotools.coco": here, "pycocotools.cocoeval": here, "pycocotools.mask": mask}
    )

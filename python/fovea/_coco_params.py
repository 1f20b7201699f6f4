"""Params of pycocotools' interface, and what the native evaluation takes of them."""


_THRESHOLDS = {"iouThrs": (0.5, 0.95, 10), "recThrs": (0.0, 1.0, 101)}  # COCO's: first, last, how many


def _copied(value):
    if isinstance(value, list):
        return [list(part) if isinstance(part, list) else part for part in value]
    return value.copy() if hasattr(value, "copy") else value


class Params:
    """What is evaluated: imgIds, catIds, iouThrs, recThrs, maxDets, areaRng with areaRngLbl, useCats, iouType."""

    def __getattr__(self, name):
        """COCO's thresholds are made, and NumPy imported, when they are first asked for."""
        if name not in _THRESHOLDS:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        import numpy as np

        first, last, count = _THRESHOLDS[name]
        value = self.__dict__[name] = np.linspace(first, last, count, endpoint=True)
        return value

    def __init__(self, iouType="segm"):
        if iouType in ("segm", "bbox"):
            self.setDetParams()
        elif iouType == "keypoints":
            self.setKpParams()
        else:
            raise Exception("iouType not supported")
        self.iouType = iouType
        self.useSegm = None  # old name of iouType

    def setDetParams(self):
        """COCO's settings for boxes and masks."""
        self._common()
        self.maxDets = [1, 10, 100]
        self.areaRng = [[0, 1e10], [0, 32**2], [32**2, 96**2], [96**2, 1e10]]
        self.areaRngLbl = ["all", "small", "medium", "large"]

    def setKpParams(self):
        """COCO's settings for keypoints."""
        import numpy as np

        self._common()
        self.maxDets = [20]
        self.areaRng = [[0, 1e10], [32**2, 96**2], [96**2, 1e10]]
        self.areaRngLbl = ["all", "medium", "large"]
        self.kpt_oks_sigmas = (
            np.array(
                [0.26, 0.25, 0.25, 0.35, 0.35, 0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89]
            )
            / 10
        )

    def _common(self):
        self.imgIds, self.catIds = [], []
        for name in _THRESHOLDS:
            self.__dict__.pop(name, None)
        self.useCats = 1

    def __deepcopy__(self, memo):
        made = type(self).__new__(type(self))
        made.__dict__.update((name, _copied(value)) for name, value in self.__dict__.items())
        return made


def unique(ids):
    """Of a list, an array, or one id alone."""
    if hasattr(ids, "tolist"):
        ids = ids.tolist()
    return sorted(set(ids)) if hasattr(ids, "__iter__") and not isinstance(ids, str) else [ids]


def thresholds(p, name):
    """As a list; None for the default, also where somebody has looked at it."""
    values = p.__dict__.get(name) if isinstance(p, Params) else getattr(p, name)
    if values is None:
        return None
    import numpy as np

    values = [float(value) for value in values]
    return None if values == np.linspace(*_THRESHOLDS[name]).tolist() else values


def settings_of(p, image_ids, category_ids, areas, max_detections):
    return {
        "image_ids": list(image_ids),
        "category_ids": list(category_ids),
        "ious": thresholds(p, "iouThrs"),
        "recalls": thresholds(p, "recThrs"),
        "areas": [(float(low), float(high)) for low, high in areas],
        "max_detections": [int(most) for most in max_detections],
        "use_categories": bool(p.useCats),
    }


def chosen(p, evaluated):
    """Places of categories, areas and images, and the limits, that accumulate(p) takes of what was evaluated: those of
    p that were evaluated, by their place in p. That is pycocotools' rule; where the places differ it takes others than
    p names.
    """
    categories = evaluated.catIds if evaluated.useCats else [-1]
    known, areas = set(categories), set(map(tuple, evaluated.areaRng))
    images, limits = set(evaluated.imgIds), set(evaluated.maxDets)
    places = (
        [n for n, category in enumerate(p.catIds) if category in known],
        [n for n, area in enumerate(p.areaRng) if tuple(area) in areas],
        [most for most in p.maxDets if most in limits],
        [n for n, image in enumerate(p.imgIds) if image in images],
    )
    for name, of, count in (
        ("catIds", places[0], len(categories)),
        ("areaRng", places[1], len(evaluated.areaRng)),
        ("imgIds", places[3], len(evaluated.imgIds)),
    ):
        if of and of[-1] >= count:
            raise IndexError(
                f"list index out of range: accumulate(p): {name} has more entries than evaluate() was given"
            )
    return places

"""Params of pycocotools' interface, and what the native evaluation takes of them."""


def _default_thresholds(name, first, last, count):
    """A default that is made (and NumPy imported) when it is first asked for."""

    def get(self):
        if self.__dict__.get(name) is None:
            import numpy as np

            self.__dict__[name] = np.linspace(first, last, count, endpoint=True)
        return self.__dict__[name]

    def put(self, value):
        self.__dict__[name] = value

    return property(get, put)


def _copied(value):
    if isinstance(value, list):
        return [list(part) if isinstance(part, list) else part for part in value]
    return value.copy() if hasattr(value, "copy") else value


class Params:
    """What is evaluated: imgIds, catIds, iouThrs, recThrs, maxDets, areaRng with areaRngLbl, useCats, iouType."""

    iouThrs = _default_thresholds("_iouThrs", 0.5, 0.95, 10)
    recThrs = _default_thresholds("_recThrs", 0.0, 1.0, 101)

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
        self._iouThrs = self._recThrs = None
        self.useCats = 1

    def __deepcopy__(self, memo):
        made = type(self).__new__(type(self))
        made.__dict__.update((name, _copied(value)) for name, value in self.__dict__.items())
        return made


def unique(ids):
    return sorted(set(ids.tolist() if hasattr(ids, "tolist") else ids))


def thresholds(p, name, first, last, count):
    """As a list; None for the default, also where somebody has looked at it."""
    values = p.__dict__.get("_" + name) if isinstance(p, Params) else getattr(p, name)
    if values is None:
        return None
    import numpy as np

    values = [float(value) for value in values]
    return None if values == np.linspace(first, last, count).tolist() else values


def settings_of(p, image_ids, category_ids, areas, max_detections):
    return {
        "image_ids": list(image_ids),
        "category_ids": list(category_ids),
        "ious": thresholds(p, "iouThrs", 0.5, 0.95, 10),
        "recalls": thresholds(p, "recThrs", 0, 1, 101),
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

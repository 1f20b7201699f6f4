"""fovea.evaluate: COCO's metrics of any detector's results, in whatever form they are."""

from __future__ import annotations

import html
from array import array
from collections.abc import Mapping, Sequence

from . import _fovea
from ._arguments import integer
from ._columns import listed
from ._evaluate_tables import tables
from .errors import ConfigError, DataError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

AREAS = {"all": (0, 1e10), "small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 1e10)}

IOUS = [i / 20 for i in range(10, 20)]


class ClassMetrics:
    """The numbers of one class, by the names of Metrics; None where there is no ground truth."""

    def __init__(self, category_id: int, name: str, values: dict[str, float | None]):
        self.id, self.name = category_id, name
        self._values = values

    def __getattr__(self, name: str):
        return _number(self, name)

    def to_dict(self) -> dict[str, Any]:
        return {"id": self.id, "name": self.name, **self._values}

    def __repr__(self) -> str:
        return f"{self.name}: " + ", ".join(f"{key} {_shown(value)}" for key, value in self._values.items())


class Metrics:
    """COCO's metrics, shares from 0 to 1, equal to pycocotools'; None where there is no ground truth.

    ap: mean precision over all IoU thresholds and classes; ap50 and ap75 at one threshold; ap_small, ap_medium,
    ap_large of objects of one size (area up to 32², up to 96², above, in square pixels); ar_1, ar_10, ar_100: mean
    recall with so many detections an image and class; ar_small and so on. With other settings there are other names.
    `classes`: the same for each class that is listed. `precision` [T, R, K, A, M], `recall` [T, K, A, M] and `scores`
    are pycocotools' arrays, -1 where there is no ground truth.
    """

    def __init__(self, evaluation: Any, settings: dict[str, Any], categories: dict[int, str]):
        self._evaluation, self.settings = evaluation, settings
        self._categories = categories
        self._arrays: dict[str, Any] = {}
        self._classes: list[ClassMetrics] | None = None
        self._values = _named_summary(evaluation.summary()) if self._is_usual() else self._numbers(slice(None))

    def _is_usual(self) -> bool:
        """Whether the numbers are COCO's twelve, for which the arrays are not needed."""
        settings = self.settings
        return settings["ious"] == IOUS and settings["max_detections"] == [1, 10, 100] and settings["areas"] == AREAS

    def __getattr__(self, name: str):
        return _number(self, name)

    def __getstate__(self):
        for name in ("precision", "recall", "scores"):
            self._array(name)
        return {**self.__dict__, "_evaluation": None}

    def __dir__(self):
        return [*super().__dir__(), *self._values]

    def _array(self, name: str):
        import numpy as np

        if name not in self._arrays:
            self._arrays[name] = np.asarray(getattr(self._evaluation, name))
        return self._arrays[name]

    @property
    def precision(self):
        """float64 [T, R, K, A, M]: IoU thresholds, recalls, classes, areas, limits."""
        return self._array("precision")

    @property
    def recall(self):
        """float64 [T, K, A, M]."""
        return self._array("recall")

    @property
    def scores(self):
        """float64 [T, R, K, A, M]: of the detections at these precisions."""
        return self._array("scores")

    @property
    def classes(self) -> list[ClassMetrics]:
        """In ascending order of ids."""
        if self._classes is None:
            native = self._evaluation is not None and self._is_usual()
            self._classes = [
                ClassMetrics(
                    category,
                    name,
                    _named_summary(self._evaluation.class_summary(place)) if native else self._numbers([place]),
                )
                for place, (category, name) in enumerate(sorted(self._categories.items()))
            ]
        return self._classes

    def _numbers(self, places) -> dict[str, float | None]:
        precision, recall = self.precision[:, :, places], self.recall[:, places]
        limits, areas, ious = (self.settings[name] for name in ("max_detections", "areas", "ious"))
        first = list(areas)[0]
        values = {"ap": _mean(precision[..., 0, -1])}
        for t, iou in enumerate(ious):
            if round(iou * 100) in (50, 75) or len(ious) <= 4:
                values[f"ap{iou * 100:g}"] = _mean(precision[t, ..., 0, -1])
        values.update((f"ap_{name}", _mean(precision[..., a, -1])) for a, name in enumerate(areas) if name != first)
        values.update((f"ar_{limit}", _mean(recall[..., 0, m])) for m, limit in enumerate(limits))
        values.update((f"ar_{name}", _mean(recall[..., a, -1])) for a, name in enumerate(areas) if name != first)
        return values

    def to_dict(self) -> dict[str, Any]:
        """The numbers by name, and `classes`: a list of dicts with id, name and numbers. Ready for json."""
        return {**self._values, "classes": [entry.to_dict() for entry in self.classes]}

    def __repr__(self) -> str:
        names = list(self._values)
        cells = [[name, _shown(self._values[name])] for name in names]
        width = max(map(len, names))
        half = (len(cells) + 1) // 2
        lines = []
        for left, right in zip(cells[:half], cells[half:] + [["", ""]], strict=False):
            lines.append(f"{left[0]:<{width}}  {left[1]:>5}    {right[0]:<{width}}  {right[1]:>5}".rstrip())
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """A table for notebooks: all classes together, then each of the first hundred."""
        names, most = list(self._values), 100
        row = "<tr><td style='text-align:left'>{}</td>{}</tr>"
        rows = [row.format("<b>all</b>", self._cells(self._values))]
        rows += [row.format(html.escape(entry.name), self._cells(entry._values)) for entry in self.classes[:most]]
        head = "".join(f"<th>{name}</th>" for name in names)
        left_out = len(self.classes) - most
        more = f"<p>and {left_out} more in <code>classes</code></p>" if left_out > 0 else ""
        return (
            "<table style='text-align:right'><thead><tr><th style='text-align:left'>class</th>"
            f"{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>{more}"
        )

    @staticmethod
    def _cells(values) -> str:
        return "".join(f"<td>{_shown(value)}</td>" for value in values.values())


def _named_summary(values) -> dict[str, float | None]:
    names = ("ap", "ap50", "ap75", *(f"ap_{name}" for name in list(AREAS)[1:]), *(f"ar_{n}" for n in (1, 10, 100)))
    names += tuple(f"ar_{name}" for name in list(AREAS)[1:])
    return {name: None if value == -1 else value for name, value in zip(names, values, strict=True)}


def _number(metrics: Any, name: str):
    values = metrics.__dict__.get("_values", {})
    if name not in values:
        raise AttributeError(f"{type(metrics).__name__} has no {name!r}; it has {', '.join(values)}")
    return values[name]


def _shown(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"


def _mean(values) -> float | None:
    values = values[values > -1]
    return float(values.mean()) if values.size else None


def evaluate(
    gt: Any,
    dt: Any,
    *,
    max_detections: Sequence[int] = (1, 10, 100),
    ious: Sequence[float] | None = None,
    areas: Mapping[str, tuple[float, float]] | None = None,
    box_format: str = "xyxy",
    class_names: Sequence[str] | Mapping[int, str] | None = None,
) -> Metrics:
    """Compares detections `dt` with ground truth `gt`, as pycocotools does for boxes.

    Each of the two is one of

    - a path: a COCO annotation file, and a list of results;
    - a COCO dict or a list of its annotations; a list of results (dicts with image_id, category_id, bbox, score);
    - a `fovea.coco.COCO`;
    - arrays: a dict of image_ids [N], category_ids [N], boxes [N, 4] (x, y, width, height; pixels), scores [N] of
      detections, and of ground truth, if it has them, areas [N], crowds [N] and ids [N];
    - detections alone: one array [N, 7] of image, x, y, width, height, score, category;
    - torchmetrics' form, for both: a list with a dict an image of `boxes` [n, 4], `labels` [n], `scores` [n] of
      detections, and of ground truth, if it has them, `iscrowd` [n] and `area` [n]; tensors or arrays. `box_format`
      ("xyxy", "xywh", "cxcywh") is that of these boxes.

    max_detections: of the best so many of a class in an image, ascending; the last is that of ap. ious: thresholds
    (0.5, 0.55 … 0.95).
    areas: name to (from, to) in square pixels, the first is that of ap (COCO's four). class_names: of category ids,
    where the ground truth has none. Raises DataError where boxes cannot be used, and ConfigError for settings.
    """
    settings = _settings(max_detections, ious, areas)
    truth, detections = tables(gt, dt, box_format)
    images, categories = truth.image_ids, truth.categories  # None: those of the boxes
    boxes = len(truth.columns) + len(detections.columns)
    if any((boxes if listed is None else len(listed)) == 0 for listed in (images, categories)):
        raise DataError("gt: no image or no category to evaluate")
    evaluation = _fovea.evaluate(
        truth.columns,
        detections.columns,
        image_ids=None if images is None else array("q", sorted(set(images))),
        category_ids=None if categories is None else array("q", sorted(categories)),
        ious=None if ious is None else settings["ious"],
        areas=list(settings["areas"].values()),
        max_detections=settings["max_detections"],
    )
    if categories is None:
        categories = {identity: str(identity) for identity in listed(evaluation.category_ids)}
    categories = _named(categories, class_names)
    return Metrics(evaluation, settings, categories)


def _settings(max_detections, ious, areas) -> dict[str, Any]:
    try:
        return _checked_settings(max_detections, ious, areas)
    except (TypeError, ValueError, KeyError, AttributeError) as fault:
        if isinstance(fault, ConfigError):
            raise
        raise ConfigError(
            f"max_detections is {max_detections!r}, ious {ious!r}, areas {areas!r}: expected a list of whole numbers, a "
            "list of numbers and a dict of pairs of numbers"
        ) from fault


def _checked_settings(max_detections, ious, areas) -> dict[str, Any]:
    limits = [integer(limit, "max_detections") for limit in max_detections]
    if not limits or limits != sorted(set(limits)) or limits[0] < 1:
        raise ConfigError(f"max_detections: {limits} is not an ascending list of numbers from 1")
    areas = dict(AREAS if areas is None else areas)
    for name, pair in areas.items():
        if len(pair) != 2 or not 0 <= pair[0] <= pair[1]:
            raise ConfigError(f"areas: {name!r} is not a pair of numbers, from and to: {pair!r}")
    ious = IOUS if ious is None else [float(iou) for iou in ious]
    if not ious or not all(0 < iou <= 1 for iou in ious):
        raise ConfigError(f"ious: {ious} are not thresholds above 0 and up to 1")
    if not areas:
        raise ConfigError("areas: there is none")
    areas = {str(name): (float(low), float(high)) for name, (low, high) in areas.items()}
    return {"max_detections": limits, "ious": ious, "areas": areas}


def _named(categories, class_names):
    if class_names is None:
        return categories
    if not isinstance(class_names, Mapping):
        class_names = dict(enumerate(class_names))
    return {identity: str(class_names.get(identity, name)) for identity, name in categories.items()}

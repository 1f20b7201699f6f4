"""A model, and what it finds."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from . import _fovea, _notebook, _pixels
from ._arguments import device_choice, integer, number, optional_text, path_bytes, precision_choice, settings_list
from .errors import ConfigError, DataError, Error

if TYPE_CHECKING:
    import numpy
    from numpy.typing import NDArray


class Detection(NamedTuple):
    """A box and what is in it."""

    name: str  #: of the class
    score: float  #: 0 to 1
    xyxy: tuple[float, float, float, float]  #: left, upper, right and lower edge, in pixels of the upright image
    label: int  #: of the class, from 0
    class_id: int  #: of the class in the dataset that the model was trained on

    @property
    def xywh(self) -> tuple[float, float, float, float]:
        """Left and upper edge, width and height, as COCO has boxes."""
        x1, y1, x2, y2 = self.xyxy
        return (x1, y1, x2 - x1, y2 - y1)


class Detections(Sequence[Detection]):
    """What was found in one image, best first: a sequence of Detection, and its columns as NumPy arrays."""

    def __init__(self, found: _fovea.ImageResult | _Columns, classes: list[tuple[int, str]], image: Any, bgr: bool = False):
        self._found, self._classes, self._image, self._bgr = found, classes, image, bgr

    @property
    def xyxy(self) -> NDArray[numpy.float32]:
        """[N, 4]: left, upper, right and lower edges, in pixels of the upright image; the result's own memory."""
        return self._found.boxes

    @property
    def scores(self) -> NDArray[numpy.float32]:
        """[N], 0 to 1."""
        return self._found.scores

    @property
    def labels(self) -> NDArray[numpy.int32]:
        """[N], from 0."""
        return self._found.labels

    @property
    def class_ids(self) -> list[int]:
        """[N], of the classes in the dataset that the model was trained on."""
        return [self._classes[label][0] for label in self._found.labels.tolist()]

    @property
    def names(self) -> list[str]:
        """[N], of the classes."""
        return [self._classes[label][1] for label in self._found.labels.tolist()]

    @property
    def width(self) -> int:
        """Of the upright image, in pixels."""
        return self._found.width

    @property
    def height(self) -> int:
        return self._found.height

    @property
    def error(self) -> DataError | None:
        """With skip_bad_images=True: why the image could not be used."""
        return DataError(self._found.message) if self._found.status else None

    def __copy__(self) -> Detections:
        return self  # nothing of it changes

    def __deepcopy__(self, memo) -> Detections:
        return self

    def __reduce__(self):
        """With an image that is a file's name; pixels are not sent along."""
        image = self._image if _pixels.is_path(self._image) else None
        return (Detections, (_Columns.of(self._found, self._found.message), self._classes, image, self._bgr))

    def __len__(self) -> int:
        return len(self._found)

    @overload
    def __getitem__(self, index: int) -> Detection: ...
    @overload
    def __getitem__(self, index: slice) -> list[Detection]: ...
    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        at = index + len(self) if index < 0 else index
        if not 0 <= at < len(self):
            raise IndexError(f"there are {len(self)} detections, and no number {index}")
        x1, y1, x2, y2, score, label = self._found.row(at)
        class_id, name = self._classes[label]
        return Detection(name, score, (x1, y1, x2, y2), label, class_id)

    def __iter__(self) -> Iterator[Detection]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        if self.error:
            return f"<Detections: {self.error}>"
        first = ", ".join(f"{d.name} {d.score:.2f}" for d in self[:3])
        more = f", and {len(self) - 3} more" if len(self) > 3 else ""
        return f"<Detections: {len(self)} in {self.width} x {self.height} pixels{': ' if first else ''}{first}{more}>"

    def _repr_html_(self) -> str:
        return _notebook.image_with_boxes(self, self._image, self._bgr)

    def to_coco(self, image_id: int) -> list[dict[str, Any]]:
        """Entries of COCO's results: image_id, category_id, bbox and score."""
        return [
            {"image_id": image_id, "category_id": d.class_id, "bbox": list(d.xywh), "score": d.score} for d in self
        ]

    def to_supervision(self):
        """As supervision.Detections, with the names of classes in data["class_name"]. Needs the package supervision."""
        import numpy
        import supervision

        return supervision.Detections(
            xyxy=numpy.ascontiguousarray(self.xyxy),
            confidence=numpy.ascontiguousarray(self.scores),
            class_id=self.labels.astype(int),
            data={"class_name": numpy.array(self.names, dtype=str)},
        )


class _Columns:
    """What _fovea.ImageResult has, as it is sent to other processes."""

    def __init__(self, boxes, scores, labels, width, height, status, message):
        self.boxes, self.scores, self.labels = boxes, scores, labels
        self.width, self.height, self.status, self.message = width, height, status, message

    @classmethod
    def of(cls, found, message: str) -> _Columns:
        return cls(found.boxes, found.scores, found.labels, found.width, found.height, found.status, message)

    def __setstate__(self, state):
        self.__dict__.update(state)
        for column in (self.boxes, self.scores, self.labels):
            column.flags.writeable = False

    def __len__(self) -> int:
        return len(self.scores)

    def row(self, i: int) -> tuple[float, float, float, float, float, int]:
        return (*self.boxes[i].tolist(), float(self.scores[i]), int(self.labels[i]))


class Detector:
    """A model, ready to detect.

    path: a checkpoint of Fovea's (safetensors), or weights of torchvision, detectron2, mmdetection or ODTK
        (safetensors, .pth).
    device: "auto", "cpu", "cuda" or "cuda:1".
    precision: "fp32", "tf32" or "bf16"; None: as the file says, by default bf16 where the device is faster with it.
    threads: on the CPU; 0: OMP_NUM_THREADS, or all cores.
    batch: images that are computed at once; 0: what suits the device.
    score_threshold, nms_threshold, max_detections: None or 0: as the file says. No call can find less likely boxes.
    state_dict: of a PyTorch file with several sets of weights, the key of the one to take.
    settings: as in a configuration file: {"input.short_side": [640]}.

    Any number of threads may call one detector; a process made by fork() loads its own. It can be pickled: the other
    process loads the file again.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        device: str = "auto",
        precision: str | None = None,
        threads: int = 0,
        batch: int = 0,
        score_threshold: float | None = None,
        nms_threshold: float | None = None,
        max_detections: int = 0,
        state_dict: str | None = None,
        settings: Mapping[str, Any] | Sequence[str] | None = None,
    ):
        kind, gpu = device_choice(device)
        self._arguments = (
            path,
            {
                "device": device,
                "precision": precision,
                "threads": threads,
                "batch": batch,
                "score_threshold": score_threshold,
                "nms_threshold": nms_threshold,
                "max_detections": max_detections,
                "state_dict": state_dict,
                "settings": settings,
            },
        )
        self._model = _fovea.Model(
            path_bytes(path, "path"),
            device=kind,
            precision=precision_choice(precision),
            gpu=gpu,
            threads=integer(threads, "threads"),
            batch=integer(batch, "batch"),
            max_detections=integer(max_detections, "max_detections"),
            score_threshold=number(score_threshold, "score_threshold"),
            nms_threshold=number(nms_threshold, "nms_threshold"),
            state_dict=optional_text(state_dict, "state_dict"),
            settings=settings_list(settings),
        )
        self._info = self._model.info()
        self._classes = self._model.classes()

    def __reduce__(self):
        path, options = self._arguments
        return (_loaded_again, (path, options))

    @property
    def info(self) -> dict[str, Any]:
        """Device, precision, threads, batch, thresholds and the sizes that images are resized to."""
        return dict(self._info)

    @property
    def names(self) -> list[str]:
        """Of the classes, by label."""
        return [name for _, name in self._classes]

    @property
    def class_ids(self) -> list[int]:
        """Of the classes in the dataset that the model was trained on, by label."""
        return [class_id for class_id, _ in self._classes]

    def __repr__(self) -> str:
        info = self._info
        return f"<Detector {os.fspath(self._arguments[0])!r}: {len(self._classes)} classes, {info['precision']} on {info['device']}>"

    @overload
    def __call__(
        self,
        images: str | os.PathLike[str] | bytes | bytearray | memoryview,
        *,
        score_threshold: float | Mapping[str, float] | None = None,
        max_detections: int = 0,
        bgr: bool = False,
        skip_bad_images: bool = False,
    ) -> Detections: ...
    @overload
    def __call__(
        self,
        images: list[Any] | tuple[Any, ...],
        *,
        score_threshold: float | Mapping[str, float] | None = None,
        max_detections: int = 0,
        bgr: bool = False,
        skip_bad_images: bool = False,
    ) -> list[Detections]: ...
    @overload
    def __call__(
        self,
        images: Any,
        *,
        score_threshold: float | Mapping[str, float] | None = None,
        max_detections: int = 0,
        bgr: bool = False,
        skip_bad_images: bool = False,
    ) -> Any: ...
    def __call__(
        self,
        images,
        *,
        score_threshold=None,
        max_detections=0,
        bgr=False,
        skip_bad_images=False,
    ):
        """What is found in an image (Detections), or in each of several (a list of Detections).

        images: one of these, or a list of any of them; arrays with a dimension more are batches.
            A path. It is read as `fovea detect` reads it, turned upright by its Exif orientation.
            The bytes of an image file.
            A NumPy array or PyTorch tensor of uint8: [height, width], [height, width, 3 or 4], or
            [3 or 4, height, width]. Pixels are read where they lie if those of one pixel lie together; a tensor on the
            model's GPU stays there.
            A PIL image, as its pixels stand.
        score_threshold: of all classes, or of some: {"cat": 0.5, "dog": 0.7}.
        max_detections: the best of each image; 0: all that the model finds.
        bgr: arrays have blue first, as OpenCV's.
        skip_bad_images: a file that cannot be used has no detections, and an `error`; else DataError is raised.
        """
        options = self._options(score_threshold, max_detections, skip_bad_images)
        one = _pixels.is_one_image(images)
        found = self._detect([images] if one else _pixels.each(images), options, bgr)
        return found[0] if one else found

    def _options(self, threshold, max_detections, skip_bad_images) -> _fovea.DetectOptions:
        options = _fovea.DetectOptions()
        options.max_detections = integer(max_detections, "max_detections")
        options.skip_bad_images = bool(skip_bad_images)
        if isinstance(threshold, Mapping):
            unknown = [name for name in threshold if name not in self.names]
            if unknown:
                raise ConfigError(f"score_threshold: the model has no class {unknown[0]!r}; it has {', '.join(self.names[:10])}")
            options.class_thresholds = [
                number(threshold.get(name), f"score_threshold[{name!r}]") for name in self.names
            ]
        elif threshold is not None:
            threshold, own = number(threshold, "score_threshold"), self._info["score_threshold"]
            if 0 < threshold < own:
                raise ConfigError(
                    f"score_threshold is {threshold:g}, but the model was loaded to find boxes from {own:g} on: load it "
                    f"with fovea.Detector(path, score_threshold={threshold:g})"
                )
            options.score_threshold = threshold
        return options

    def _detect(self, images: list[Any], options: _fovea.DetectOptions, bgr: bool) -> list[Detections]:
        results: list[Any] = [None] * len(images)
        kinds = (
            (_pixels.is_path, lambda image, name: path_bytes(image, name), self._model.detect_files),
            (_pixels.is_encoded, lambda image, name: bytes(image), self._model.detect_encoded),
            (lambda image: True, lambda image, name: _pixels.view(image, name, bgr), self._model.detect_pixels),
        )
        left = list(range(len(images)))
        for is_of_kind, prepare, detect in kinds:
            these = [i for i in left if is_of_kind(images[i])]
            if not these:
                continue
            left = sorted(set(left) - set(these))
            prepared = [prepare(images[i], f"images[{i}]") for i in these]
            try:
                all_found = detect(prepared, options)
            except Error as error:
                raise type(error)(_renumbered(str(error), these)) from None
            for i, found in zip(these, all_found, strict=True):
                if found.status:
                    found = _Columns.of(found, _renumbered(found.message, these))
                results[i] = Detections(found, self._classes, images[i], bgr)
        return results


def _renumbered(message: str, numbers: list[int]) -> str:
    """With the number of an image among all, for its number among those of its kind."""
    return re.sub(r"^images\[(\d+)\]", lambda found: f"images[{numbers[int(found[1])]}]", message)


def _loaded_again(path, options) -> Detector:
    return Detector(path, **options)

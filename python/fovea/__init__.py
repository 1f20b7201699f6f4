"""Fovea: train and run the RetinaNet object detector, and COCO's metrics of any detector, fast.

    import fovea

    model = fovea.Detector("best.safetensors")
    for box in model("photo.jpg"):
        print(box.name, box.score, box.xyxy)

    fovea.train(data="cells", out="runs/cells", preset="demo")
    print(fovea.evaluate("instances_val.json", "results.json"))

    from fovea.coco import COCO, COCOeval  # in the place of pycocotools
"""

from importlib import import_module as _import_module

from .errors import (
    ConfigError,
    DataError,
    DivergedError,
    Error,
    InterruptedError,
    OutOfMemoryError,
    UnsupportedError,
)

TYPE_CHECKING = False  # type checkers take it as true; `typing` takes a while to import
if TYPE_CHECKING:
    from . import coco
    from ._evaluate import Metrics, evaluate
    from .detector import Detection, Detections, Detector
    from .training import Run, Step, train

__all__ = [
    "ConfigError",
    "DataError",
    "Detection",
    "Detections",
    "Detector",
    "DivergedError",
    "Error",
    "InterruptedError",
    "Metrics",
    "OutOfMemoryError",
    "Run",
    "Step",
    "UnsupportedError",
    "__version__",
    "coco",
    "evaluate",
    "train",
]

# Loaded when they are first asked for: the library takes a moment that `import fovea` should not.
_PLACES = {
    "Detector": "detector",
    "Detections": "detector",
    "Detection": "detector",
    "train": "training",
    "Run": "training",
    "Step": "training",
    "evaluate": "_evaluate",
    "Metrics": "_evaluate",
}


def __getattr__(name: str):
    if name == "__version__":
        return _import_module("._fovea", __name__).version
    if name == "coco":
        return _import_module(".coco", __name__)
    if name not in _PLACES:
        raise AttributeError(f"module 'fovea' has no attribute {name!r}")
    value = getattr(_import_module("." + _PLACES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__():
    return __all__

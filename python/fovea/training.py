"""Training."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _fovea, _progress
from ._arguments import device_choice, function, integer, optional_text, path_bytes, setting_text, settings_list
from .errors import InterruptedError

if TYPE_CHECKING:
    from .detector import Detector

_BEGIN, _STEP, _VALIDATING, _VALIDATED, _MESSAGE = range(5)  # FOVEA_TRAIN_…


class Step:
    """A step that is done. stop() ends the training; the step after this one may have begun, and is done, too."""

    def __init__(self, event: _fovea.TrainEvent):
        self.step: int = event.step  #: its number, from 1
        self.steps: int = event.steps  #: of how many
        self.loss: float = event.loss  #: of its batch
        self.classification_loss: float = event.classification_loss
        self.box_loss: float = event.box_loss
        self.gradient_norm: float = event.gradient_norm  #: before clipping
        self.learning_rate: float = event.learning_rate
        self.positives: float = event.positives  #: anchors of objects, an image
        self.images_per_second: float | None = event.images_per_second or None  #: of this step
        self.skipped: bool = event.skipped  #: it was not finite, and nothing was changed
        self.stopping = False

    def stop(self) -> None:
        self.stopping = True

    def __repr__(self) -> str:
        return f"<Step {self.step} of {self.steps}: loss {self.loss:.4f}>"


class Validation(NamedTuple):
    """COCO's AP of the validation images, 0 to 1; None where they have no such objects."""

    step: int  #: after how many steps
    ap: float | None
    ap50: float | None
    ap75: float | None
    ap_small: float | None
    ap_medium: float | None
    ap_large: float | None


class Run:
    """What a training left in its folder."""

    def __init__(self, folder: pathlib.Path, stopped: bool):
        self.folder = folder
        self.stopped = stopped  #: before all steps were done

    @property
    def best(self) -> pathlib.Path:
        """The checkpoint of the best AP: Detector(run.best)."""
        return self.folder / "best.safetensors"

    @property
    def last(self) -> pathlib.Path:
        """The newest checkpoint, from which train(..., resume=True) goes on."""
        return self.folder / "last.safetensors"

    @property
    def log(self) -> list[dict[str, Any]]:
        """The lines of log.jsonl: of steps ("step", "loss", …) and of validations ("step", "ap", …)."""
        with open(self.folder / "log.jsonl", encoding="utf-8") as file:
            return [json.loads(line) for line in file if line.strip()]

    @property
    def validations(self) -> list[dict[str, Any]]:
        return [line for line in self.log if "ap" in line]

    def detector(self, **options: Any) -> Detector:
        """The best checkpoint, ready to detect; the last where none is best yet."""
        from .detector import Detector

        return Detector(self.best if self.best.exists() else self.last, **options)

    def __repr__(self) -> str:
        validations = self.validations if (self.folder / "log.jsonl").exists() else []
        best = max((line["ap"] for line in validations), default=None)
        text = "no validation yet" if best is None else f"best AP {best:.3f}"
        return f"<Run {os.fspath(self.folder)!r}: {text}{', stopped' if self.stopped else ''}>"

    def _repr_html_(self) -> str:
        chart = self.folder / "chart.svg"
        return chart.read_text(encoding="utf-8") if chart.exists() else f"<p>{self!r}</p>".replace("<Run", "Run")


def _none_if_missing(value: float) -> float | None:
    return None if value < 0 else value


def train(
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    preset: str | None = None,
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | Sequence[str] | None = None,
    val: str | os.PathLike[str] | None = None,
    images: str | os.PathLike[str] | None = None,
    init_from: str | os.PathLike[str] | None = None,
    state_dict: str | None = None,
    resume: bool = False,
    allow_config_change: bool = False,
    allow_data_change: bool = False,
    seed: int | None = None,
    device: str = "auto",
    threads: int = 0,
    callback: Callable[[Step], Any] | None = None,
    on_validation: Callable[[Validation], Any] | None = None,
    progress: bool = True,
) -> Run:
    """Trains a detector, as the command `fovea train` does.

    data: the dataset's folder, or its one file (COCO, Pascal VOC, CSV or YOLO format, found out by itself).
    out: the folder of the run: config.toml, log.jsonl, last.safetensors, best.safetensors, chart.svg.
    preset: "paper" (the default), "demo", "torchvision", …
    config: a configuration file (TOML), or a dict of settings like settings.
    settings: over both: {"train.steps": 2000, "input.short_side": [640]}.
    val, images: the validation set and the folder of images, where they are not beside the annotations.
    init_from: weights to start from (safetensors, .pth); state_dict: where in that file.
    resume: goes on with the run in out, with the same bits.
    callback: called after each step; step.stop() ends the training, and an exception does, too.
    on_validation: called after each validation.
    progress: shows a progress bar, or lines where there is no terminal.

    Ctrl-C, an exception in a callback and step.stop() save the run as of its last whole step. KeyboardInterrupt and the
    callback's exception are raised then.
    """
    kind, gpu = device_choice(device)
    function(callback, "callback")
    function(on_validation, "on_validation")
    words = [] if not isinstance(config, Mapping) else settings_list(config)
    words += settings_list(settings)
    if seed is not None:
        words.append(f"seed={setting_text(seed)}")
    shown = _progress.shown(progress)
    stopped = False

    def hear(event: _fovea.TrainEvent) -> bool:
        nonlocal stopped
        if event.kind == _MESSAGE:
            shown.message(event.message)
        elif event.kind == _VALIDATING:
            shown.update("validation image", event.images, event.of_images)
        elif event.kind == _STEP:
            step = Step(event)
            shown.update("step", step.step, step.steps, f"loss {step.loss:.4f}", step.images_per_second)
            if callback is not None and not stopped:
                callback(step)
            stopped = stopped or step.stopping
        elif event.kind == _VALIDATED:
            numbers = (event.ap, event.ap50, event.ap75, event.ap_small, event.ap_medium, event.ap_large)
            validation = Validation(event.step, *map(_none_if_missing, numbers))
            shown.message(f"step {event.step}: AP {event.ap:.3f}  AP50 {event.ap50:.3f}  AP75 {event.ap75:.3f}")
            if on_validation is not None:
                on_validation(validation)
        return stopped

    def path(value: Any, name: str) -> bytes | None:
        return None if value is None else path_bytes(value, name)

    try:
        _fovea.train(
            path_bytes(data, "data"),
            path_bytes(out, "out"),
            val=path(val, "val"),
            images=path(images, "images"),
            preset=optional_text(preset, "preset"),
            config=None if isinstance(config, Mapping) else path(config, "config"),
            settings=words,
            init_from=path(init_from, "init_from"),
            state_dict=optional_text(state_dict, "state_dict"),
            resume=bool(resume),
            allow_config_change=bool(allow_config_change),
            allow_data_change=bool(allow_data_change),
            device=kind,
            gpu=gpu,
            threads=integer(threads, "threads"),
            callback=hear,
        )
    except InterruptedError:
        if not stopped:
            raise
    finally:
        shown.end()
    return Run(pathlib.Path(out), stopped)

"""Images as Python has them, and where their pixels lie: NumPy arrays, PyTorch tensors (DLPack), PIL images."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from . import _fovea
from .errors import ConfigError

RGB, BGR, RGBA, BGRA, GRAY = range(5)  # FOVEA_PIXELS_…
_CHANNELS = {1: GRAY, 3: RGB, 4: RGBA}
_PIL_MODES = ("L", "RGB", "RGBA")  # whose bytes are taken as they lie


def is_path(image: Any) -> bool:
    return isinstance(image, (str, os.PathLike))


def is_encoded(image: Any) -> bool:
    return isinstance(image, (bytes, bytearray, memoryview))


def is_pil(image: Any) -> bool:
    return hasattr(image, "getbands") and hasattr(image, "convert") and not hasattr(image, "shape")


def is_array(image: Any) -> bool:
    return hasattr(image, "shape") and (
        hasattr(image, "__dlpack__") or hasattr(image, "__array_interface__") or hasattr(image, "__array__")
    )


def is_one_image(image: Any) -> bool:
    """Whether it is an image and not several."""
    if is_array(image):
        return len(image.shape) != 4
    return is_path(image) or is_encoded(image) or is_pil(image)


def each(images: Any) -> list[Any]:
    """The images of a batch: an array of four dimensions, or what can be gone through."""
    if is_array(images):
        return [images[i] for i in range(images.shape[0])]
    if hasattr(images, "read"):
        raise ConfigError("images is an open file: give its name, or its bytes, as file.read() has them")
    if not isinstance(images, Iterable) or isinstance(images, Mapping):
        raise ConfigError(
            f"images is {_what(images)}: expected a path, bytes, a NumPy array, a PyTorch tensor, a PIL image, "
            "or a list of these"
        )
    return list(images)


def _what(thing: Any) -> str:
    return f"a {type(thing).__module__}.{type(thing).__qualname__}".replace("builtins.", "")


def _is_torch(array: Any) -> bool:
    return type(array).__module__.split(".")[0] == "torch"


def _strides(array: Any) -> tuple[int, ...]:
    """In bytes, which for uint8 are elements."""
    strides = array.stride() if callable(getattr(array, "stride", None)) else array.strides
    return tuple(strides)


def _channels_last(array: Any, name: str) -> Any:
    """As [height, width, channels] or [height, width]."""
    shape = tuple(array.shape)
    if len(shape) == 2 or (len(shape) == 3 and shape[2] in _CHANNELS):
        return array
    if len(shape) == 3 and shape[0] in _CHANNELS:
        return array.permute(1, 2, 0) if _is_torch(array) else array.transpose(1, 2, 0)
    raise ConfigError(
        f"{name} has the shape {shape}: expected [height, width], [height, width, channels] or "
        "[channels, height, width], with 1, 3 or 4 channels"
    )


def _require_uint8(array: Any, name: str) -> None:
    kind = str(array.dtype).removeprefix("torch.")
    if kind != "uint8":
        hint = "; multiply values from 0 to 1 by 255, and convert them" if kind.startswith(("float", "bfloat")) else ""
        raise ConfigError(f"{name} has values of type {kind}: expected uint8, 0 to 255{hint}")


def _contiguous(array: Any) -> Any:
    if _is_torch(array):
        return array.contiguous()
    import numpy

    return numpy.ascontiguousarray(array)


def _as_array(image: Any, name: str) -> Any:
    """Something with shape, dtype and strides."""
    if is_pil(image):
        import numpy

        if image.mode[0] in "IF":  # whose convert("RGB") cuts off all above 255
            raise ConfigError(
                f"{name} is a PIL image of mode {image.mode}: expected 8 bits a channel; scale its values to 0 to 255, "
                "and convert it to L"
            )
        return numpy.asarray(image if image.mode in _PIL_MODES else image.convert("RGB"))
    if _is_torch(image):
        return image.detach()
    if hasattr(image, "strides"):
        return image
    import numpy

    return numpy.from_dlpack(image) if hasattr(image, "__dlpack__") else numpy.asarray(image)


def view(image: Any, name: str, bgr: bool) -> _fovea.PixelView:
    """Where the pixels lie. They are copied only where a pixel's bytes do not lie together (torchvision's [3, H, W],
    transposed or mirrored images); reversed channels (image[..., ::-1]) are read as they are."""
    if not is_pil(image) and not is_array(image):
        raise ConfigError(
            f"{name} is {_what(image)}: expected a path, bytes, a NumPy array, a PyTorch tensor or a PIL image"
        )
    array = _as_array(image, name)
    _require_uint8(array, name)
    array = _channels_last(array, name)
    height, width, *rest = array.shape
    channels = rest[0] if rest else 1
    form = _CHANNELS[channels]
    if height < 1 or width < 1:
        raise ConfigError(f"{name} has the shape {tuple(array.shape)}: it has no pixels")
    if bgr and channels == 3:
        form = BGR
    elif bgr and channels == 4:
        form = BGRA
    if channels == 3 and _strides(array)[2] == -1:
        array, form = array[..., ::-1], RGB if form == BGR else BGR
    row, step = _strides(array)[:2]
    together = channels == 1 or _strides(array)[2] == 1
    if not together or (step != channels and width > 1) or (row < width * channels and height > 1):
        array = _contiguous(array)
        row = _strides(array)[0]
    return _fovea.PixelView(array, width, height, row if height > 1 else width * channels, form)

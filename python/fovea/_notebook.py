"""What notebooks show: HTML without scripts or files beside it."""

from __future__ import annotations

import base64
import html
import os
import struct
import zlib
from typing import TYPE_CHECKING, Any

from . import _pixels

if TYPE_CHECKING:
    from .detector import Detections

_COLORS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#008080", "#9a6324", "#808000", "#000075", "#f032e6")
_TYPES = {b"\xff\xd8": "jpeg", b"\x89P": "png", b"RI": "webp", b"BM": "bmp", b"GI": "gif"}
_MOST_BYTES = 20_000_000  # of an image that goes into a notebook
_MOST_PIXELS = 1800  # of an array's longer edge there
_EDGES = 480, 900  # of the picture's longer edge on the screen: labels need room
_LABEL = 12  # height on the screen


def png(pixels: Any) -> bytes:
    """Of uint8 [height, width, 3]."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        whole = kind + content
        return struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))

    import numpy

    height, width = pixels.shape[:2]
    flat = numpy.ascontiguousarray(pixels).reshape(height, -1)
    rows = numpy.full((height, 1 + flat.shape[1]), 2, numpy.uint8)  # 2: each row less the one above, which is smaller
    rows[0, 1:] = flat[0]
    rows[1:, 1:] = flat[1:] - flat[:-1]
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows.tobytes(), 1)) + chunk(b"IEND", b"")


def _rgb(image: Any, bgr: bool) -> Any:
    import numpy

    array = image.cpu().numpy() if hasattr(image, "cpu") else numpy.asarray(image)
    if array.ndim == 3 and array.shape[2] not in (1, 3, 4):
        array = array.transpose(1, 2, 0)
    if array.ndim == 2 or array.shape[2] == 1:
        return numpy.repeat(array.reshape(*array.shape[:2], 1), 3, axis=2)
    return array[..., 2::-1] if bgr else array[..., :3]


def _reduced(pixels: Any) -> Any:
    """By means of squares, if it is larger than is ever shown; what is left at the lower and right edge is cut off."""
    import numpy

    height, width = pixels.shape[:2]
    side = min(-(-max(height, width) // _MOST_PIXELS), height, width)
    if side <= 1:
        return pixels
    cut = pixels[: height // side * side, : width // side * side]
    squares = cut.reshape(height // side, side, width // side, side, 3)
    return (squares.mean(axis=(1, 3), dtype=numpy.float32) + 0.5).astype(numpy.uint8)


def _source(image: Any, bgr: bool) -> str | None:
    """A data: address of the image; None where there is none, or browsers do not show it."""
    if image is None:
        return None
    if _pixels.is_path(image):
        if not os.path.isfile(image) or os.path.getsize(image) > _MOST_BYTES:
            return None
        with open(image, "rb") as file:
            content = file.read()
    elif _pixels.is_encoded(image):
        content = bytes(image)
    else:
        content = png(_reduced(_rgb(image.convert("RGB") if _pixels.is_pil(image) else image, bgr)))
    kind = _TYPES.get(content[:2])
    if kind is None or len(content) > _MOST_BYTES:
        return None
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def image_with_boxes(found: Detections, image: Any, bgr: bool) -> str:
    if found.error:
        return f"<p>{html.escape(str(found.error))}</p>"
    width, height = found.width, found.height
    scale = min(max(_EDGES[0] / max(width, height), 1), _EDGES[1] / max(width, height))  # of the screen's pixels
    size = _LABEL / scale
    source = _source(image, bgr)
    rendering = ";image-rendering:pixelated" if scale > 2 else ""
    picture = (
        f'<img src="{source}" style="width:100%;display:block;image-orientation:from-image{rendering}">'
        if source
        else f'<div style="aspect-ratio:{width}/{height};background:#ddd"></div>'
    )
    boxes, labels = [], []
    for d in reversed(found[:300]):  # the best on top
        color = _COLORS[d.label % len(_COLORS)]
        x, y, w, h = d.xywh
        text = f"{d.name} {d.score:.2f}"
        boxes.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" fill="none" pointer-events="all" '
            f'stroke="{color}" stroke-width="2" vector-effect="non-scaling-stroke">'
            f"<title>{html.escape(d.name)} {d.score:.3f}</title></rect>"
        )
        left = max(min(x, width - 0.6 * size * len(text)), 0)  # as far as the width of letters can be known here
        labels.append(
            f'<text x="{left:.1f}" y="{max(y - size / 4, size):.1f}" fill="#fff" stroke="{color}">{html.escape(text)}</text>'
        )
    return (
        f'<div style="position:relative;max-width:{width * scale:.0f}px">{picture}'
        f'<svg viewBox="0 0 {width} {height}" style="position:absolute;left:0;top:0;width:100%;height:100%">'
        f"{''.join(boxes)}"
        f'<g font-size="{size:.2f}" stroke-width="{size / 4:.2f}" paint-order="stroke" font-family="sans-serif" '
        f'pointer-events="none">{"".join(labels)}</g></svg></div>'
        f"<p>{html.escape(repr(found).strip('<>'))}</p>"
    )

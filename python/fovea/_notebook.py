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


def png(pixels: Any) -> bytes:
    """Of uint8 [height, width, 3]."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        whole = kind + content
        return struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))

    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


def _rgb(image: Any, bgr: bool) -> Any:
    import numpy

    array = image.cpu().numpy() if hasattr(image, "cpu") else numpy.asarray(image)
    if array.ndim == 3 and array.shape[2] not in (1, 3, 4):
        array = array.transpose(1, 2, 0)
    if array.ndim == 2 or array.shape[2] == 1:
        return numpy.repeat(array.reshape(*array.shape[:2], 1), 3, axis=2)
    return numpy.ascontiguousarray(array[..., 2::-1] if bgr else array[..., :3])


def _source(image: Any, bgr: bool) -> str | None:
    """A data: address of the image; None where browsers do not show it."""
    if _pixels.is_path(image):
        if not os.path.isfile(image) or os.path.getsize(image) > _MOST_BYTES:
            return None
        with open(image, "rb") as file:
            content = file.read()
    elif _pixels.is_encoded(image):
        content = bytes(image)
    else:
        content = png(_rgb(image.convert("RGB") if _pixels.is_pil(image) else image, bgr))
    kind = _TYPES.get(content[:2])
    if kind is None or len(content) > _MOST_BYTES:
        return None
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def image_with_boxes(found: Detections, image: Any, bgr: bool) -> str:
    if found.error:
        return f"<p>{html.escape(str(found.error))}</p>"
    width, height = found.width, found.height
    source = _source(image, bgr)
    picture = (
        f'<img src="{source}" style="width:100%;display:block;image-orientation:from-image">'
        if source
        else f'<div style="aspect-ratio:{width}/{height};background:#ddd"></div>'
    )
    size = max(width, height) / 60
    shapes = []
    for d in reversed(found[:300]):  # the best on top
        color = _COLORS[d.label % len(_COLORS)]
        x, y, w, h = d.xywh
        name = html.escape(d.name)
        shapes.append(
            f'<g><title>{name} {d.score:.3f}</title><rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" '
            f'fill="none" stroke="{color}" stroke-width="2" vector-effect="non-scaling-stroke"/>'
            f'<text x="{x:.1f}" y="{max(y - size / 4, size):.1f}" font-size="{size:.1f}" fill="#fff" stroke="{color}" '
            f'stroke-width="{size / 4:.1f}" paint-order="stroke" font-family="sans-serif">{name} {d.score:.2f}</text></g>'
        )
    return (
        f'<div style="position:relative;max-width:{min(width, 900)}px">{picture}'
        f'<svg viewBox="0 0 {width} {height}" style="position:absolute;left:0;top:0;width:100%;height:100%">'
        f"{''.join(shapes)}</svg></div><p>{html.escape(repr(found).strip('<>'))}</p>"
    )

"""Writes the fonts of this folder; needs Python's fonttools.

Each has the letter A and the Chinese 红: squares that fill the em.
"""
import os
import sys

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.t2CharStringPen import T2CharStringPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTCollection, TTFont

EM = 1000
NAMES = {".notdef": None, "A": "A", "hong": "红"}


def square(pen, filled):
    if filled:
        pen.moveTo((0, 0))
        for point in ((0, EM), (EM, EM), (EM, 0)):
            pen.lineTo(point)
        pen.closePath()
    return pen


def font(is_ttf):
    builder = FontBuilder(EM, isTTF=is_ttf)
    builder.setupGlyphOrder(list(NAMES))
    builder.setupCharacterMap({ord(character): name for name, character in NAMES.items() if character})
    if is_ttf:
        builder.setupGlyf({name: square(TTGlyphPen(None), character).glyph() for name, character in NAMES.items()})
    else:
        builder.setupCFF("Squares", {}, {name: square(T2CharStringPen(EM, None), character).getCharString()
                                         for name, character in NAMES.items()}, {})
    builder.setupHorizontalMetrics({name: (EM, 0) for name in NAMES})
    builder.setupHorizontalHeader(ascent=EM, descent=0)
    builder.setupMaxp() if not is_ttf else None
    builder.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=EM, sTypoDescender=0, usWinAscent=EM, usWinDescent=0)
    builder.setupPost(keepGlyphNames=False)
    builder.font["head"].created = builder.font["head"].modified = 0
    return builder.font


def main(folder):
    for ending, is_ttf in (("ttf", True), ("otf", False)):
        made = font(is_ttf)
        made.recalcTimestamp = False
        made.save(os.path.join(folder, f"squares.{ending}"))
    collection = TTCollection()
    collection.fonts = [TTFont(os.path.join(folder, "squares.ttf"), recalcTimestamp=False)]
    collection.save(os.path.join(folder, "squares.ttc"))


main(os.path.dirname(os.path.abspath(sys.argv[0])))

"""A small drawn picture for each item: the garment in its shape, colour and pattern."""

import io
from functools import cache

import numpy as np
from jaxtyping import Float32, Int64, UInt8
from PIL import Image, ImageDraw, ImageFilter

from grapevine.data.shop.world import CATEGORIES, COLOURS, PATTERNS, SHAPES, World

SIZE = 64
"""Pixels of a side."""
FINE = 4
"""Masks are drawn so many times larger, then made smaller, for soft edges."""
BACKGROUND = np.array([238, 233, 224], np.float32)
INK = np.array([46, 42, 48], np.float32)
RGB = np.array(
    [
        [52, 50, 56], [252, 252, 250], [150, 152, 156], [214, 188, 146], [40, 58, 110],
        [128, 184, 226], [36, 142, 140], [120, 132, 58], [222, 168, 44], [200, 48, 44],
        [234, 140, 164], [116, 56, 122],
    ],
    np.float32,
)  # fmt: skip
"""Red, green and blue of each of COLOURS."""
WIDTH = {"slim": 0.82, "regular": 1.0, "loose": 1.16}
CHUNK = 128

Point = tuple[float, float]

# Right half of each garment seen from the front, from the neck down; the left half mirrors it.
_HALVES: dict[str, list[Point]] = {
    "tee": [(32, 18), (38, 13), (44, 14), (56, 25), (50, 32), (45, 28), (45, 53), (32, 53)],
    "shirt": [(32, 15), (38, 10), (45, 13), (54, 25), (57, 47), (51, 48), (46, 30), (45, 56),
              (32, 56)],
    "blouse": [(32, 20), (40, 12), (45, 15), (57, 36), (50, 42), (44, 29), (41, 37), (48, 55),
               (32, 57)],
    "jumper": [(32, 15), (39, 12), (47, 15), (56, 28), (58, 49), (50, 50), (47, 31), (47, 56),
               (32, 56)],
    "trousers": [(32, 8), (43, 8), (46, 30), (47, 58), (37, 58), (32, 25)],
    "skirt": [(32, 15), (41, 15), (52, 50), (43, 53), (32, 54)],
    "shorts": [(32, 18), (43, 18), (49, 45), (36, 46), (32, 33)],
    "dress": [(32, 18), (36, 8), (39, 8), (41, 18), (38, 29), (51, 57), (32, 59)],
    "coat": [(32, 13), (38, 7), (46, 11), (55, 26), (58, 48), (51, 49), (48, 31), (50, 60),
             (32, 60)],
}  # fmt: skip
_WHOLE: dict[str, list[Point]] = {
    "shoes": [(9, 24), (22, 24), (27, 33), (42, 38), (55, 42), (57, 49), (8, 49)],
    "bag": [(13, 28), (51, 28), (55, 55), (9, 55)],
    "hat": [(17, 44), (20, 20), (26, 16), (32, 19), (38, 16), (44, 20), (47, 44)],
}
_LINES: dict[str, list[list[Point]]] = {
    "tee": [[(27, 14.5), (32, 20), (37, 14.5)]],
    "shirt": [[(32, 16), (32, 56)], [(26, 11), (32, 17), (38, 11)], [(26, 11), (27, 19), (32, 16)],
              [(38, 11), (37, 19), (32, 16)]],
    "blouse": [[(26, 16), (32, 22), (38, 16)], [(32, 22), (27, 27)], [(32, 22), (37, 27)],
               [(23, 37), (41, 37)]],
    "jumper": [[(26, 14), (32, 18), (38, 14)], [(17, 52), (47, 52)], [(20, 52), (20, 56)],
               [(24, 52), (24, 56)], [(28, 52), (28, 56)], [(32, 52), (32, 56)],
               [(36, 52), (36, 56)], [(40, 52), (40, 56)], [(44, 52), (44, 56)]],
    "trousers": [[(21, 12), (43, 12)], [(32, 12), (32, 26)], [(23, 13), (26, 19)],
                 [(41, 13), (38, 19)]],
    "skirt": [[(23, 19), (41, 19)], [(27, 22), (22, 51)], [(32, 22), (32, 53)],
              [(37, 22), (42, 51)]],
    "shorts": [[(21, 22), (43, 22)], [(32, 22), (32, 33)], [(17, 42), (35, 43)],
               [(29, 43), (47, 42)]],
    "dress": [[(26, 29), (38, 29)], [(29, 32), (24, 57)], [(35, 32), (40, 57)]],
    "coat": [[(32, 26), (32, 60)], [(26, 9), (32, 26), (38, 9)], [(20, 42), (27, 42)],
             [(37, 42), (44, 42)], [(26, 9), (22, 20), (32, 26)], [(38, 9), (42, 20), (32, 26)]],
    "shoes": [[(24, 31), (30, 28)], [(29, 34), (34, 31)], [(34, 36), (39, 33)],
              [(8, 45), (57, 45)]],
    "bag": [[(12, 36), (52, 36)], [(32, 33), (32, 40)]],
    "hat": [[(17, 40), (47, 40)], [(18, 37), (46, 37)]],
}  # fmt: skip
_BUTTONS = {"shirt": (24, 32, 40, 48), "coat": (33, 40, 47)}


def draw(category: str, shape: str, colour: str, pattern: str, *, variant: int = 0) -> Image.Image:
    """The picture of one item.

    Args:
        category: one of CATEGORIES; shape of SHAPES, colour of COLOURS, pattern of PATTERNS.
        shape: see category.
        colour: see category.
        pattern: see category.
        variant: moves the pattern and the light a little, as in the picture of item row `variant`.
    """
    names = ((CATEGORIES, category), (SHAPES, shape), (COLOURS, colour), (PATTERNS, pattern))
    codes = [np.array([known.index(name)]) for known, name in names]
    return Image.fromarray(_compose(*codes, variant=np.array([variant]))[0])


def draw_all(world: World) -> list[bytes]:
    """The picture of every item, as PNG."""
    codes = (world.category, world.shape, world.colour, world.pattern)
    images: list[bytes] = []
    for start in range(0, len(world), CHUNK):
        rows = np.arange(start, min(start + CHUNK, len(world)))
        pixels = _compose(*(code[rows].astype(np.int64) for code in codes), variant=rows)
        images += [png(Image.fromarray(one)) for one in pixels]
    return images


def png(image: Image.Image) -> bytes:
    """The image as a PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _compose(
    category: Int64[np.ndarray, " n"],
    shape: Int64[np.ndarray, " n"],
    colour: Int64[np.ndarray, " n"],
    pattern: Int64[np.ndarray, " n"],
    variant: Int64[np.ndarray, " n"],
) -> UInt8[np.ndarray, "n size size 3"]:
    base, shown = _outlines()
    fabric = RGB[colour][:, None, None]
    bright = fabric.mean(-1, keepdims=True) > 140
    second = np.where(bright, 0.62 * fabric, 0.5 * fabric + 0.5 * 255)
    figure = _patterns()[pattern, variant * 5 % 8, ..., None]
    # The variant turns the light down a little.
    light = 1 - 0.01 * (variant % 7)[:, None, None, None].astype(np.float32)
    pixels = figure * ((second - fabric) * light)
    pixels += fabric * light
    pixels *= shown[category, shape, ..., None]
    pixels += base[category, shape]
    return pixels.astype(np.uint8)


@cache
def _outlines() -> tuple[
    Float32[np.ndarray, "categories shapes size size 3"],
    Float32[np.ndarray, "categories shapes size size"],
]:
    """The picture without its fabric, and how much of the fabric's colour each pixel shows."""
    pairs = [[_mask(category, WIDTH[shape]) for shape in SHAPES] for category in CATEGORIES]
    cloth, ink = np.moveaxis(np.array(pairs, np.float32), 2, 0) / 255
    base = BACKGROUND * ((1 - cloth) * (1 - ink))[..., None] + INK * ink[..., None]
    # Light comes from the left.
    return base, cloth * (1 - ink) * np.linspace(1, 0.87, SIZE, dtype=np.float32)


def _mask(category: str, width: float) -> np.ndarray:
    def place(points: list[Point]) -> list[Point]:
        return [((32 + (x - 32) * width) * FINE, y * FINE) for x, y in points]

    cloth, ink = (Image.new("L", (SIZE * FINE, SIZE * FINE)) for _ in range(2))
    on_cloth, on_ink = ImageDraw.Draw(cloth), ImageDraw.Draw(ink)
    if category in _HALVES:
        right = _HALVES[category]
        on_cloth.polygon(place(right + [(64 - x, y) for x, y in reversed(right)]), fill=255)
    else:
        on_cloth.polygon(place(_WHOLE[category]), fill=255)
    if category == "hat":
        on_cloth.ellipse(place([(6, 38), (58, 50)]), fill=255)
    # Blurred and cut again: round corners.
    cloth = cloth.filter(ImageFilter.GaussianBlur(3)).point([0] * 128 + [255] * 128)
    grown = cloth.filter(ImageFilter.MaxFilter(7))
    ink.paste(160, mask=Image.fromarray(np.asarray(grown) - np.asarray(cloth)))
    for line in _LINES[category]:
        on_ink.line(place(line), fill=130, width=FINE)
    for y in _BUTTONS.get(category, ()):
        x = 34 if category == "coat" else 32
        on_ink.ellipse(place([(x - 1.2, y - 1.2), (x + 1.2, y + 1.2)]), fill=190)
    if category == "bag":
        on_ink.arc(place([(21, 10), (43, 46)]), 180, 360, fill=190, width=2 * FINE)
    if category == "shoes":
        on_ink.rectangle(place([(7, 49), (58, 53)]), fill=200)
    return np.stack(
        [np.asarray(mask.resize((SIZE, SIZE), Image.Resampling.BOX)) for mask in (cloth, ink)]
    )


@cache
def _patterns() -> Float32[np.ndarray, "patterns phases size size"]:
    """How much of each pixel is of the second colour, for each pattern and of 8 phases."""
    y, x = np.mgrid[:SIZE, :SIZE]
    drawn = []
    for phase in range(8):
        row, column = y + phase, x + 3 * phase
        stripes = row % 8 < 3
        # Every other row of dots is moved by half.
        shifted = column + 5 * (row // 10 % 2)
        away = np.hypot(row % 10 - 4.5, shifted % 10 - 4.5)
        dots = np.clip(3.2 - away, 0, 1)
        checks = 0.45 * (row % 10 < 5) + 0.45 * (column % 10 < 5)
        drawn.append([np.zeros_like(checks), stripes, dots, checks])
    return np.moveaxis(np.array(drawn, np.float32), 1, 0)

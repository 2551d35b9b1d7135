"""Small drawings as inline SVG: intervals, points, curves. Text goes in escaped.

A series (a model) is a number; the page's style sheet gives it a colour, and its number a shape,
so that a drawing can be read without colours too. Sizes are in SVG units, about a pixel.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape

WIDTH = 440
COLOURS = 10
TOP, BOTTOM, RIGHT = 8, 44, 18


@dataclass(frozen=True, slots=True)
class Mark:
    """One figure to draw: a model's mean with its interval, if it has one."""

    label: str
    series: int
    mean: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight line from values to places."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        """Place of a value."""
        span = self.high - self.low or 1.0
        return self.start + (value - self.low) / span * (self.stop - self.start)

    def ticks(self, count: int = 5) -> list[float]:
        """Round numbers within the scale, about so many."""
        rough = (self.high - self.low) / count or 1.0
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(s for s in (power, 2 * power, 5 * power, 10 * power) if s >= rough)
        first = math.ceil(self.low / step - 1e-9)
        return [i * step for i in range(first, math.floor(self.high / step + 1e-9) + 1)]


def element(tag: str, *children: str | Markup, **attributes: object) -> Markup:
    """An SVG element; `class_` and `stroke_width` become `class` and `stroke-width`.

    >>> print(element("text", "a < b", class_="tick", x=1.25))
    <text class="tick" x="1.25">a &lt; b</text>
    """
    given = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(_short(value))}"'
        for name, value in attributes.items()
    )
    inside = Markup("").join(escape(child) for child in children)
    return Markup(f"<{tag}{given}>{inside}</{tag}>")


def intervals(title: str, marks: Sequence[Mark], *, reference: float | None = None) -> Markup:
    """A line a model: its mean as a point, its interval as a bar, a reference dashed."""
    return grouped(title, [("", [mark]) for mark in marks], reference=reference, named=True)


def grouped(
    title: str,
    groups: Sequence[tuple[str, Sequence[Mark]]],
    *,
    reference: float | None = None,
    named: bool = False,
) -> Markup:
    """Groups below each other, and in each a line a model.

    Args:
        title: for readers that cannot see it.
        groups: name and marks of each.
        reference: a value to mark with a dashed line.
        named: write each mark's label at the left, instead of the group's.
    """
    pitch = 24 if named else 11
    drawn = [value for _, marks in groups for mark in marks for value in _ends(mark)]
    names = [m.label for _, marks in groups for m in marks] if named else [g for g, _ in groups]
    left = min(
        170, 16 + 8 * max((len(line) for name in names for line in name.split("\n")), default=0)
    )
    x = Scale(
        0.0 if _near_zero(drawn) else min(drawn), max(drawn, default=1.0), left, WIDTH - RIGHT
    )
    y = float(TOP)
    parts: list[Markup] = []
    for name, marks in groups:
        height = max(pitch * len(marks) + (0 if named else 12), 32 if "\n" in name else 0)
        middle = y + height / 2
        if not named:
            parts.append(_lines(name.split("\n"), left - 10, middle))
            parts.append(
                element("line", class_="rule", x1=0, x2=WIDTH, y1=y + height, y2=y + height)
            )
        at = middle - pitch * (len(marks) - 1) / 2
        for mark in marks:
            if named:
                parts.append(_lines([cropped(mark.label, 20)], left - 10, at))
            parts.append(_interval(mark, x, at))
            at += pitch
        y += height
    back = [element("line", class_="grid", x1=x(t), x2=x(t), y1=TOP, y2=y) for t in x.ticks()]
    if reference is not None and math.isfinite(reference):
        at = x(reference)
        back.append(element("line", class_="reference", x1=at, x2=at, y1=TOP, y2=y))
    back += [
        element("text", _tick(t), class_="tick", x=x(t), y=y + 18, text_anchor="middle")
        for t in x.ticks()
    ]
    return drawing(title, y + 28, [*back, *parts])


def scatter(title: str, points: Sequence[tuple[Mark, float]], across: str, up: str) -> Markup:
    """One point a model, its mean against another figure; lines lead to the names beside."""
    height, left, right = 320, 58, 160
    values = [value for _, value in points]
    means = [mark.mean for mark, _ in points]
    x = room(Scale(min(values), max(values), left, WIDTH - right))
    y = room(Scale(min(means), max(means), height - BOTTOM, TOP))
    parts = axes(x, y, across, up)
    order = sorted(points, key=lambda point: -point[0].mean)
    heights = _spread([y(mark.mean) for mark, _ in order], 16, TOP + 6, height - BOTTOM)
    for (mark, value), at in zip(order, heights, strict=True):
        begin, end = WIDTH - right + 12, WIDTH - right + 16
        path = f"M{x(value):.1f} {y(mark.mean):.1f}L{begin} {at:.1f}"
        parts.append(element("path", class_="leader", d=path))
        parts.append(element("text", cropped(mark.label, 17), class_="name", x=end, y=at + 4))
    parts += [_point(mark, x(value), y(mark.mean)) for mark, value in points]
    return drawing(title, height, parts)


def curves(
    title: str, lines: Sequence[tuple[str, int, Sequence[float]]], across: str, up: str
) -> Markup:
    """Lines from 0 to 1 in both directions, against the diagonal."""
    height, left = 320, 58
    x = Scale(0.0, 1.0, left, WIDTH - RIGHT)
    y = Scale(0.0, 1.0, height - BOTTOM, TOP)
    parts = axes(x, y, across, up)
    parts.append(element("line", class_="reference", x1=x(0), y1=y(0), x2=x(1), y2=y(1)))
    for label, series, heights in lines:
        places = np.linspace(0, 1, len(heights))
        path = "L".join(f"{x(a):.1f} {y(b):.1f}" for a, b in zip(places, heights, strict=True))
        named = element("title", label)
        parts.append(element("path", named, class_=f"curve s{series % COLOURS}", d=f"M{path}"))
    return drawing(title, height, parts)


def key(series: int, *, round: bool = False) -> Markup:
    """The point of a series alone, for a legend; a plain disc where all points are round."""
    point = _point(Mark("", series, 0.0), 7, 7)
    if round:
        point = element("circle", class_=f"point s{series % COLOURS}", cx=7, cy=7, r=4.5)
    return element("svg", point, class_="key", viewBox="0 0 14 14", aria_hidden="true")


def drawing(title: str, height: float, parts: Sequence[Markup]) -> Markup:
    """The parts as one picture that scales with its place."""
    return element(
        "svg", element("title", title), *parts, viewBox=f"0 0 {WIDTH} {height:.0f}", role="img"
    )  # fmt: skip


def axes(x: Scale, y: Scale, across: str, up: str, *, rungs: int = 4) -> list[Markup]:
    """Grid, ticks and names of both axes; about so many rungs up."""
    base, left = y.start, x.start
    parts = [
        element("line", class_="grid", x1=left, x2=x.stop, y1=y(t), y2=y(t)) for t in y.ticks(rungs)
    ]
    parts += [
        element("text", _tick(t), class_="tick", x=x(t), y=base + 17, text_anchor="middle")
        for t in x.ticks(4)
    ]
    parts += [
        element("text", _tick(t), class_="tick", x=left - 6, y=y(t) + 4, text_anchor="end")
        for t in y.ticks(rungs)
    ]
    middle = (left + x.stop) / 2
    parts.append(
        element("text", across, class_="axis", x=middle, y=base + 37, text_anchor="middle")
    )
    turned = f"rotate(-90 12 {(base + y.stop) / 2:.0f})"
    at = (base + y.stop) / 2
    parts.append(
        element("text", up, class_="axis", x=12, y=at, text_anchor="middle", transform=turned)
    )
    return parts


def _interval(mark: Mark, x: Scale, y: float) -> Markup:
    if not math.isfinite(mark.mean):
        return Markup("")
    bar = Markup("")
    if mark.low is not None and mark.high is not None:
        style = f"bar s{mark.series % COLOURS}"
        bar = element("line", class_=style, x1=x(mark.low), x2=x(mark.high), y1=y, y2=y)
    return bar + _point(mark, x(mark.mean), y)


def _point(mark: Mark, x: float, y: float) -> Markup:
    """A circle, square, diamond or triangle by the number of the series."""
    style = f"point s{mark.series % COLOURS}"
    said = f"{mark.label}: {mark.mean:.4f}"
    if mark.low is not None and mark.high is not None:
        said += f" ({mark.low:.4f} to {mark.high:.4f})"
    named = element("title", said)
    shape = mark.series % 4
    if shape == 0:
        return element("circle", named, class_=style, cx=x, cy=y, r=4.5)
    corners = {
        1: [(-4, -4), (4, -4), (4, 4), (-4, 4)],
        2: [(0, -5.5), (5.5, 0), (0, 5.5), (-5.5, 0)],
        3: [(0, -5), (5, 4), (-5, 4)],
    }[shape]
    path = "L".join(f"{x + a:.1f} {y + b:.1f}" for a, b in corners)
    return element("path", named, class_=style, d=f"M{path}Z")


def _lines(lines: Sequence[str], x: float, y: float) -> Markup:
    """Text that ends at x, its lines centred on y; the second and later ones are small."""
    first = y + 4 - 7.5 * (len(lines) - 1)
    return Markup("").join(
        element(
            "text",
            line,
            class_="name" if n == 0 else "tick",
            x=x,
            y=first + 15 * n,
            text_anchor="end",
        )
        for n, line in enumerate(lines)
    )


def _spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Rising places moved down, then up, as little as keeps them apart and inside."""
    out: list[float] = []
    for place in places:
        out.append(max(place, out[-1] + gap) if out else max(place, low))
    limit = high
    for index in range(len(out) - 1, -1, -1):
        out[index] = min(out[index], limit)
        limit = out[index] - gap
    return out


def room(scale: Scale) -> Scale:
    """A little more than the values need, so that no point sits on the edge."""
    pad = 0.08 * (scale.high - scale.low) or 0.1 * abs(scale.high) or 1.0
    low = scale.low - pad
    return Scale(
        max(low, 0.0) if scale.low >= 0 else low, scale.high + pad, scale.start, scale.stop
    )


def _near_zero(values: Sequence[float]) -> bool:
    """Whether an axis that starts at zero leaves the values most of the room."""
    return not values or (min(values) >= 0 and min(values) < 0.75 * max(values))


def _ends(mark: Mark) -> list[float]:
    return [v for v in (mark.low, mark.mean, mark.high) if v is not None and math.isfinite(v)]


def cropped(text: str, size: int) -> str:
    """The end of a text that is too long."""
    return text if len(text) <= size else "…" + text[1 - size :]


def _tick(value: float) -> str:
    return f"{value:.6g}" if value else "0"


def _short(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)

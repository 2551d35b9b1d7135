"""An experiment over time as inline SVG: the effect with both of its intervals, day by day."""

import math
from collections.abc import Sequence

from markupsafe import Markup

from grapevine.evaluation.charts import (
    BOTTOM,
    COLOURS,
    RIGHT,
    TOP,
    WIDTH,
    Scale,
    axes,
    drawing,
    element,
    room,
)
from grapevine.evaluation.experiments.report import Contrast, ExperimentReport
from grapevine.evaluation.pictures import Picture


def pictures_of(report: ExperimentReport) -> list[Picture]:
    """One drawing for each treatment."""
    return [_over_time(report, place, one) for place, one in enumerate(report.contrasts)]


def _over_time(report: ExperimentReport, place: int, one: Contrast) -> Picture:
    title = f"{one.arm} against {report.arms[0].name}: {report.metric}"
    drawn = over_time(
        title,
        one.by_day.difference.tolist(),
        inner=(one.by_day.low.tolist(), one.by_day.high.tolist()),
        outer=(one.always_low.tolist(), one.always_high.tolist()),
        up=f"difference in {report.metric}",
        series=place,
    )
    note = (
        f"Difference of all users so far. Band: {100 * report.watched_level:.3g} % intervals that "
        "hold at every look together. Bars: the interval of one planned look. Dashed: no effect."
    )
    return Picture(title, note, drawn)


def over_time(
    title: str,
    values: Sequence[float],
    *,
    inner: tuple[Sequence[float], Sequence[float]],
    outer: tuple[Sequence[float], Sequence[float]],
    up: str,
    series: int = 0,
) -> Markup:
    """A value for each day with two intervals, against zero; what is not finite is left out.

    Args:
        title: for readers that cannot see it.
        values: one a day.
        inner: lower and upper ends, drawn as bars.
        outer: lower and upper ends, drawn as a band.
        up: name of the axis up.
        series: number of the colour.
    """
    height, left, style = 260, 64, f"s{series % COLOURS}"
    days = range(1, len(values) + 1)
    band = _finite(days, *outer)
    bars = _finite(days, *inner)
    points = [(day, value) for day, value in zip(days, values, strict=True) if math.isfinite(value)]
    # The first band may be so wide that nothing else is seen: it runs out of the picture.
    ends = [end for _, *pair in bars for end in pair] + [
        end for _, *pair in band[-3:] for end in pair
    ]
    x = Scale(1, max(len(values), 2), left, WIDTH - RIGHT)
    y = room(Scale(min([0.0, *ends]), max([0.0, *ends]), height - BOTTOM, TOP))
    low, high = min(y.low, -(y.high - y.low) / 20), y.high
    y = Scale(low, high, y.start, y.stop)
    parts = axes(x, y, "day", up, rungs=6)
    if band:
        there = [(x(day), _within(y, top)) for day, _, top in band]
        back = [(x(day), _within(y, bottom)) for day, bottom, _ in reversed(band)]
        path = "L".join(f"{a:.1f} {b:.1f}" for a, b in there + back)
        parts.append(
            element("path", class_=style, d=f"M{path}Z", fill="currentColor", fill_opacity=0.16)
        )
    parts.append(element("line", class_="reference", x1=x(1), x2=x.stop, y1=y(0), y2=y(0)))
    for day, bottom, top in bars:
        said = element("title", f"day {day}: {bottom:.4g} to {top:.4g}")
        ends_y = {"y1": _within(y, bottom), "y2": _within(y, top)}
        parts.append(element("line", said, class_=f"bar {style}", x1=x(day), x2=x(day), **ends_y))
    for day, value in points:
        said = element("title", f"day {day}: {value:.4g}")
        parts.append(
            element("circle", said, class_=f"point {style}", cx=x(day), cy=_within(y, value), r=4)
        )
    return drawing(title, height, parts)


def _finite(
    days: Sequence[int], low: Sequence[float], high: Sequence[float]
) -> list[tuple[int, float, float]]:
    return [
        (day, a, b)
        for day, a, b in zip(days, low, high, strict=True)
        if math.isfinite(a) and math.isfinite(b)
    ]


def _within(y: Scale, value: float) -> float:
    """Place of a value, at the edge if it lies outside the picture."""
    return y(min(max(value, y.low), y.high))

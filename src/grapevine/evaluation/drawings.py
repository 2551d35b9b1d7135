"""Larger drawings of a trained model as inline SVG: a neighbourhood, a map, curves of training."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
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

RING = 118
"""Distance of the neighbours from the middle; their own neighbours stand half as far again."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One listens to the other: places in a list of names, and how much."""

    listener: int
    neighbour: int
    weight: float


def network(title: str, names: Sequence[str], edges: Sequence[Edge]) -> Markup:
    """The first node in the middle, those it listens to around it, and those these listen to.

    The width of a line is the weight of the edge, that is the share of the walks.

    Args:
        title: for readers that cannot see it.
        names: of the nodes; the first is the one in the middle.
        edges: the middle's, and those of its neighbours; only edges between named nodes.
    """
    height = 2 * RING + 190
    middle = (WIDTH / 2, height / 2)
    inner = [edge.neighbour for edge in edges if edge.listener == 0]
    angle = {node: math.tau * n / len(inner) - math.pi / 2 for n, node in enumerate(inner)}
    outer = [n for n in range(1, len(names)) if n not in angle]
    for node in outer:
        heard_by = [edge.listener for edge in edges if edge.neighbour == node]
        siblings = [n for n in outer if _first_listener(edges, n) == heard_by[0]]
        spread = math.tau / len(inner) / (len(siblings) + 1)
        offset = siblings.index(node) + 1 - (len(siblings) + 1) / 2
        angle[node] = angle[heard_by[0]] + spread * offset
    place = {0: middle}
    for node, turn in angle.items():
        far = RING if node in inner else 1.55 * RING
        # A little wider than high: names stand beside their points.
        place[node] = (middle[0] + 1.12 * far * math.cos(turn), middle[1] + far * math.sin(turn))
    widest = max((edge.weight for edge in edges), default=1.0) or 1.0
    lines = [_edge(edge, place, names, widest) for edge in edges]
    points = [_node(n, place[n], names[n], n in inner) for n in sorted(place, reverse=True)]
    return drawing(title, height, [*lines, *points])


def points(
    title: str,
    places_N2: Float[np.ndarray, "nodes 2"],
    groups: Sequence[int],
    names: Sequence[str],
) -> Markup:
    """A map: one point a node, coloured by its group, its name on hovering.

    Args:
        title: for readers that cannot see it.
        places_N2: where each node lies.
        groups: number of each node's group; -1 has no colour.
        names: of the nodes.
    """
    height = 400
    low, high = places_N2.min(0), places_N2.max(0)
    x = room(Scale(float(low[0]), float(high[0]), 8, WIDTH - 8))
    y = room(Scale(float(low[1]), float(high[1]), height - 8, 8))
    parts = [
        element(
            "circle",
            element("title", name),
            class_=f"dot s{group % COLOURS}" if group >= 0 else "dot other",
            cx=x(float(a)),
            cy=y(float(b)),
            r=2.6,
        )
        for (a, b), group, name in zip(places_N2, groups, names, strict=True)
    ]
    return drawing(title, height, parts)


def lines(
    title: str,
    series: Sequence[tuple[str, int, Sequence[float], Sequence[float]]],
    across: str,
    up: str,
) -> Markup:
    """Curves over the same axes.

    Args:
        title: for readers that cannot see it.
        series: name, number of the colour, places across and values of each; values that are not
            finite are left out.
        across: name of the axis across.
        up: name of the axis up.
    """
    height, left = 260, 64
    finite = [
        (name, colour, [(a, b) for a, b in zip(xs, ys, strict=True) if math.isfinite(b)])
        for name, colour, xs, ys in series
    ]
    every = [point for _, _, path in finite for point in path]
    if not every:
        return drawing(title, 0, [])
    xs, ys = zip(*every, strict=True)
    x = Scale(min(xs), max(xs), left, WIDTH - RIGHT)
    y = room(Scale(min(ys), max(ys), height - BOTTOM, TOP))
    parts = axes(x, y, across, up)
    for name, colour, path in finite:
        named = element("title", name)
        drawn = "L".join(f"{x(a):.1f} {y(b):.1f}" for a, b in path)
        parts.append(element("path", named, class_=f"curve s{colour % COLOURS}", d=f"M{drawn}"))
        if len(path) == 1:  # a path of one point is not seen
            (a, b) = path[0]
            parts.append(element("circle", class_=f"point s{colour}", cx=x(a), cy=y(b), r=4))
    return drawing(title, height, parts)


def matrix(
    title: str,
    names: Sequence[str],
    values_NN: Float[np.ndarray, "rows rows"],
    *,
    most: float | None = None,
) -> Markup:
    """A square of figures, each with the colour of its sign, the deeper the greater it is.

    It brings its colours along, so that it can stand alone.

    Args:
        title: for readers that cannot see it.
        names: of the rows, and of the columns.
        values_NN: the figures; NaN is left empty.
        most: what has the deepest colour; the greatest of them if not given.
    """
    left, top, size = 110, 34, (WIDTH - 110 - RIGHT) / max(len(names), 1)
    high = min(size, 56.0)
    deepest = most or float(np.nanmax(np.abs(values_NN), initial=0.0)) or 1.0
    parts: list[Markup] = []
    for row, name in enumerate(names):
        y = top + row * high
        parts.append(_label(begun(name, 14), left - 8, y + high / 2 + 4, "end"))
        parts.append(_label(begun(name, 10), left + (row + 0.5) * size, top - 10, "middle"))
        for column, value in enumerate(values_NN[row].tolist()):
            if math.isnan(value):
                continue
            x, depth = left + column * size, min(abs(value) / deepest, 1.0)
            colour = "#14826a" if value >= 0 else "#c2334d"
            said = element("title", f"{name}, {names[column]}: {value:.4f}")
            square = {"x": x + 1, "y": y + 1, "width": size - 2, "height": high - 2}
            parts.append(element("rect", said, fill=colour, fill_opacity=depth, **square))
            parts.append(_label(f"{value:.2g}", x + size / 2, y + high / 2 + 4, "middle"))
    return drawing(title, top + high * len(names) + 8, parts)


def standalone(picture: Markup) -> str:
    """A drawing as a file of its own, on white; only what brings its colours has any."""
    begin = '<svg xmlns="http://www.w3.org/2000/svg" style="background: #fff" '
    return str(picture).replace("<svg ", begin, 1) + "\n"


def _label(text: str, x: float, y: float, anchor: str) -> Markup:
    look = {"font_size": 12, "font_family": "sans-serif"}
    return element("text", text, class_="tick", x=x, y=y, text_anchor=anchor, **look)


def _first_listener(edges: Sequence[Edge], node: int) -> int:
    return next(edge.listener for edge in edges if edge.neighbour == node)


def _edge(
    edge: Edge, place: dict[int, tuple[float, float]], names: Sequence[str], widest: float
) -> Markup:
    (x1, y1), (x2, y2) = place[edge.listener], place[edge.neighbour]
    said = element(
        "title", f"{names[edge.listener]} hears {names[edge.neighbour]}: {edge.weight:.1%}"
    )
    width = 0.6 + 9.4 * edge.weight / widest
    near = "edge" if edge.listener == 0 else "edge far"
    return element("line", said, class_=near, x1=x1, y1=y1, x2=x2, y2=y2, stroke_width=width)


def _node(number: int, at: tuple[float, float], name: str, inner: bool) -> Markup:
    x, y = at
    style = "s0" if number == 0 else "s4" if inner else "s5"
    point = element(
        "circle",
        element("title", name),
        class_=f"point {style}",
        cx=x,
        cy=y,
        r=9 if number == 0 else 6 if inner else 4,
    )
    if number and not inner:  # the outer ring has no room for names; hovering tells them
        return point
    below = y + 24 if number == 0 or y >= RING else y - 12
    edge = 7.5 * min(len(name), 18) / 2
    text = element(
        "text",
        begun(name, 18),
        class_="halo name" if number == 0 else "halo tick",
        x=min(max(x, edge), WIDTH - edge),
        y=below,
        text_anchor="middle",
    )
    return point + text


def begun(text: str, size: int) -> str:
    """The beginning of a text that is too long: titles say there what a thing is."""
    return text if len(text) <= size else text[: size - 1].rstrip(" ,") + "…"

"""What a trained model looks like: whom an item listens to, a map of items, how training went."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Float, Float32
from markupsafe import Markup, escape

from grapevine.evaluation import charts, drawings
from grapevine.evaluation.drawings import Edge
from grapevine.models.base import Factored, Walked
from grapevine.models.calibration import Calibrated, Table
from grapevine.models.reasons import title_column
from grapevine.models.run import Run
from grapevine.models.traces import Curve, curves
from grapevine.random import stream
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged
from grapevine.structs.neighbour_table import NeighbourTable

NEIGHBOURS, FURTHER = 8, 3
"""Neighbours drawn around an item, and around each of them."""

ON_THE_MAP = 1500
"""Items on a map; more of them hide each other."""

GROUPS = 9
"""Groups with a colour of their own, the largest first."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing with its heading and what to see in it."""

    title: str
    note: str | Markup
    drawing: Markup


def pictures_of(run: Run) -> list[Picture]:
    """Every picture that this kind of model has; none for most baselines."""
    found: list[Picture] = []
    if run.path is not None:
        found += _training(run.path)
    if isinstance(run.model, Walked) and len(run.items):
        found.append(_neighbourhood(run, run.model.neighbours, int(run.most_popular[0])))
    if isinstance(run.model, Factored) and len(run.items) > 2:
        found.append(_map(run, run.model))
    if isinstance(run.model, Calibrated):
        found += _calibration(run.schema.behaviours, run.model.calibration)
    return found


def flat(vectors_ND: Float32[np.ndarray, "nodes width"]) -> Float[np.ndarray, "nodes 2"]:
    """The two directions in which unit vectors differ most (PCA).

    The sign of each is such that its largest entry is positive, so that a map does not turn over
    from one run to the next.
    """
    length = np.maximum(np.linalg.norm(vectors_ND, axis=1, keepdims=True), 1e-12)
    unit_ND = vectors_ND / length
    centred_ND = (unit_ND - unit_ND.mean(0)).astype(np.float64)
    # As wide as the vectors, however many there are: 100,000 of them take a moment.
    directions_DD = np.linalg.eigh(centred_ND.T @ centred_ND)[1][:, ::-1][:, :2]
    largest = np.take_along_axis(directions_DD, np.abs(directions_DD).argmax(0)[None], axis=0)
    places = centred_ND @ (directions_DD * np.sign(largest))
    return np.pad(places, ((0, 0), (0, 2 - places.shape[1])))


def _training(folder: Path) -> list[Picture]:
    """Losses, and what validation said, epoch by epoch."""
    drawn: dict[str, list[Curve]] = {"loss": [], "validation": []}
    for curve in curves(folder):
        kind, _, name = curve.name.partition(".")
        if kind in drawn and len(curve.epochs) > 1:
            drawn[kind].append(replace(curve, name=name))
    return [_curves(kind, found) for kind, found in drawn.items() if found]


def _calibration(names: Sequence[str], table: Table) -> list[Picture]:
    """Chances that were told, and how often they came true; both as powers of ten."""
    series: list[tuple[str, int, list[float], list[float]]] = []
    with np.errstate(divide="ignore"):
        told, true = np.log10(table.predicted), np.log10(table.observed)
    for place, (across, up) in enumerate(zip(told, true, strict=True)):
        there = np.isfinite(across) & np.isfinite(up)
        series.append((names[place], place, across[there].tolist(), up[there].tolist()))
    ends = [end for _, _, across, _ in series for end in (across[:1] + across[-1:])]
    if not ends:
        return []
    right = [min(ends), max(ends)]
    series.append(("exactly so", len(series), right, right))
    said = ", ".join(name for name, *_ in series)
    drawn = drawings.lines("Calibration", series, "chance told, log10", "came true, log10")
    note = (
        f"On what was held out of learning chances, in ten bins of like sums of them: {said}. Bins "
        "in which nothing came true are not drawn."
    )
    return [Picture("Do chances come true?", note, drawn)]


def _curves(kind: str, found: list[Curve]) -> Picture:
    series = [(one.name, n, one.epochs, one.values) for n, one in enumerate(found)]
    names = ", ".join(one.name for one in found)
    if kind == "loss":
        title, up, note = "Loss", "loss", f"Mean over the steps of each epoch: {names}."
    else:
        title, up, note = "Validation", names, "The model of the best epoch is kept."
    return Picture(title, note, drawings.lines(f"{title} by epoch", series, "epoch", up))


def _neighbourhood(run: Run, table: NeighbourTable, item: int) -> Picture:
    """Whom an item listens to, and whom these do."""
    name = run.item_table[title_column(run) or "item_id"].cast(pl.String)
    rows, edges = [item], list[Edge]()

    def hear(listener: int, most: int) -> list[int]:
        heard = []
        for node, weight in zip(
            table.nodes[rows[listener]][:most], table.weights[rows[listener]], strict=False
        ):
            if node < 0:
                break
            if int(node) not in rows:
                rows.append(int(node))
            heard.append(rows.index(int(node)))
            edges.append(Edge(listener, heard[-1], float(weight)))
        return heard

    for listener in hear(0, NEIGHBOURS):
        hear(listener, FURTHER)
    names = [str(name[row]) for row in rows]
    title = f"Whom {names[0]} listens to"
    note = (
        "The wider a line, the more of the random walks went along it. In the middle the item "
        "that most people took; around it its neighbours; beyond them theirs."
    )
    return Picture(title, note, drawings.network(title, names, edges))


def _map(run: Run, model: Factored) -> Picture:
    """Items where their vectors put them, coloured by what they are."""
    one = Batch.of_histories(Jagged.from_lists([[0]]), behaviour=run.schema.target_row)
    vectors_ID = model.products(one).items
    rows = np.arange(len(vectors_ID))
    if len(rows) > ON_THE_MAP:
        rows = np.sort(stream(0, "map").choice(len(rows), ON_THE_MAP, replace=False))
    name = run.item_table[title_column(run) or "item_id"].cast(pl.String)
    column, group, groups = _groups(run)
    names = [
        f"{name[row]} ({groups[group[row]]})" if group[row] >= 0 else str(name[row])
        for row in rows.tolist()
    ]
    title = "Map of the items"
    note = Markup("The two directions in which their vectors differ most.")
    if groups:
        legend = Markup(", ").join(
            charts.key(number, round=True) + escape(name) for number, name in enumerate(groups)
        )
        note += Markup(" Coloured by {}: {}.").format(column, legend)
    drawn = drawings.points(title, flat(vectors_ID[rows]), group[rows].tolist(), names)
    return Picture(title, note, drawn)


def _groups(run: Run) -> tuple[str, np.ndarray, list[str]]:
    """A column that says what items are, each item's group of it, and the groups by size."""
    for role in ("category", "tags"):
        for column, meaning in run.schema.items.items():
            if meaning != role or column not in run.item_table.columns:
                continue
            values = run.item_table[column]
            if isinstance(values.dtype, pl.List):
                values = values.list.first()
            values = values.cast(pl.String)
            counts = values.drop_nulls().value_counts(sort=True)
            groups = sorted(counts[column].to_list()[:GROUPS])
            number = {group: place for place, group in enumerate(groups)}
            return column, np.array([number.get(one, -1) for one in values]), groups
    return "", np.full(len(run.items), -1), []

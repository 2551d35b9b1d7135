"""What is known since a run was trained, laid over the run: another value of the same version."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32, Int64

from grapevine.models.base import Embeds
from grapevine.serving.engine.catalogue import Catalogue
from grapevine.serving.engine.choosing import Chooser
from grapevine.serving.engine.grown import Grown, Stacked, mixed
from grapevine.serving.engine.kin import Placed
from grapevine.serving.engine.live import NO_LIVE, Live
from grapevine.serving.engine.ways import Products, Way

if TYPE_CHECKING:
    from grapevine.serving.engine.served import Served, Side

NOBODY: Mapping[str, float] = {}


@dataclass(frozen=True, slots=True)
class Over:
    """What lies over a run.

    Attributes:
        base: the run alone, with nothing over it.
        live: what is known since.
        placed: where the items that came since stand, in the order of their rows.
        because: of each of them, what it was placed by.
    """

    base: "Served"
    live: Live
    placed: Placed | None
    because: tuple[tuple[Any, Any], ...]


def laid_over(served: "Served", live: Live) -> "Served":
    """The same run with all that is known since; what did not change is taken over.

    Args:
        served: a run, whatever lies over it by now.
        live: all that is known since.
    """
    over = served.over
    base = served if over is None else over.base
    if live is NO_LIVE and over is None:
        return served
    if over is not None and over.live is live:
        return served
    catalogue = base.catalogue.revised(live.items, served.catalogue)
    placed, because = _placed(served, base, catalogue, live)
    sides = {
        name: _side(side, name, base, catalogue, placed, live) for name, side in base.sides.items()
    }
    histories = base.histories
    teller = sides[base.run.schema.target].teller
    if catalogue is not base.catalogue:
        nearest = np.empty(0, np.int32) if placed is None else placed.kin[:, 0]
        histories = histories.over(catalogue, nearest)
    return replace(
        base,
        catalogue=catalogue,
        histories=histories,
        sides=sides,
        pictures=base.pictures.over(teller, catalogue),
        over=Over(base, live, placed, because),
    )


def _placed(
    served: "Served", base: "Served", catalogue: Catalogue, live: Live
) -> tuple[Placed | None, tuple[tuple[Any, Any], ...]]:
    """Where the items that came since stand; those that nothing was said of stay where they are."""
    known, before = catalogue.known, served.over
    names = [str(one) for one in catalogue.ids[known:]]
    if not names:
        return None, ()
    because = tuple((live.items[name], live.beside.get(name, NOBODY)) for name in names)
    old: dict[str, int] = {}
    if before is not None and before.placed is not None:
        ids = served.catalogue.ids[known:]
        old = {str(one): place for place, one in enumerate(ids)}
        was = before.because
        old = {
            name: old[name]
            for name, now in zip(names, because)
            if name in old and was[old[name]][0] is now[0] and was[old[name]][1] is now[1]
        }
    fresh = [name for name in names if name not in old]
    parts = list[Placed]()
    if old and before is not None and before.placed is not None:
        parts.append(before.placed.take(list(old.values())))
    if fresh:
        rows = [catalogue.row_of[name] for name in fresh]
        beside = [_rows_of(catalogue, live.beside.get(name, NOBODY)) for name in fresh]
        parts.append(base.kin.place(catalogue.table[rows], beside, _vectors(base)))
    whole = parts[0] if len(parts) == 1 else parts[0].and_(parts[1])
    place = {name: at for at, name in enumerate([*old, *fresh])}
    order = [place[name] for name in names]
    return whole if order == [*range(len(order))] else whole.take(order), because


def _rows_of(catalogue: Catalogue, beside: Mapping[str, float]) -> dict[int, float]:
    """What was taken beside an item, by rows of the run; what it does not know is left out."""
    known = catalogue.known
    found = ((catalogue.row_of.get(name, known), weight) for name, weight in beside.items())
    return {row: weight for row, weight in found if row < known}


def _vectors(base: "Served") -> Float32[np.ndarray, "items width"] | None:
    """Of the run's items, where scores are products."""
    way = base.sides[base.run.schema.target].way
    return way.index.vectors if isinstance(way, Products) else None


def _side(
    side: "Side",
    name: str,
    base: "Served",
    catalogue: Catalogue,
    placed: Placed | None,
    live: Live,
) -> "Side":
    way: Way = side.way
    events, vectors = side.chooser.events, side.chooser.vectors
    if placed is not None:
        grown = Grown(side.way, catalogue.known, placed)
        way = grown
        events = np.concatenate([events, np.zeros(len(placed), events.dtype)])
        if isinstance(vectors, np.ndarray):
            own = grown.vectors
            same = own is not None and not (
                isinstance(base.run.model, Embeds) and placed.own is None
            )
            vectors = Stacked(vectors, own if same and own is not None else mixed(placed, vectors))
    lately = _counts(catalogue, live.lately.get(name, {}))
    chooser = Chooser(catalogue, events, vectors, lately)
    return replace(side, way=way, chooser=chooser, teller=side.teller.over(catalogue, placed))


def _counts(catalogue: Catalogue, lately: Mapping[str, int]) -> Int64[np.ndarray, " items"]:
    """How many users took each item of late."""
    out = np.zeros(len(catalogue), np.int64)
    for name, users in lately.items():
        row = catalogue.row_of.get(name)
        if row is not None:
            out[row] = users
    return out

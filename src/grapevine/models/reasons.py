"""Why an item was recommended, in words and in numbers.

What of the history spoke for it, and how much, is found by asking the model again without it
(`models.evidence`): that is what the model did. How the one leads to the other is read off the
graph: how many people took both, and which share of the random walks led from one to the other.
What a sequence model attended to is told beside it: that is where it looked, whatever it shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from grapevine.models.base import Attends, Walked
from grapevine.models.evidence import evidence
from grapevine.models.paths import Path, path, together
from grapevine.structs.batch import Batch

if TYPE_CHECKING:  # a Run recommends with reasons
    from grapevine.models.run import Run

NO_REASON = "nothing in this history speaks for it: popular with everyone"
ITSELF = "met before in this history"


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing of a history that spoke for an item.

    Attributes:
        item: its row.
        share: of all that spoke for the item, in (0, 1].
        together: how many known users took both.
        itself: whether it is the very item that is explained: looked at before, say.
        path: how the walks lead there; None where the model does not listen along walks.
        attention: of all that the model attended to in the history, for any item; None where it
            weighs nothing.
    """

    item: int
    share: float
    together: int
    path: Path | None = None
    attention: float | None = None
    itself: bool = False


def reasons(run: "Run", asked: Batch, items: Sequence[int], most: int = 3) -> list[list[Reason]]:
    """The strongest reasons for each item, the best first; none where nothing spoke for it.

    Args:
        run: whose model is asked, and who knows who took what.
        asked: one question.
        items: item rows to explain.
        most: how many reasons for each.
    """
    table = run.model.neighbours if isinstance(run.model, Walked) else None
    attended = run.model.attended(asked) if isinstance(run.model, Attends) else {}
    return [
        [
            Reason(
                thing,
                share,
                0 if thing == item else together(run.takers, thing, item),
                None if table is None or thing == item else path(table, thing, item),
                attended.get(thing, 0.0) if attended else None,
                thing == item,
            )
            for thing, share in parts
        ]
        for item, parts in zip(items, evidence(run.model, asked, items, most), strict=True)
    ]


def in_words(run: "Run", parts: Sequence[Reason]) -> str:
    """A sentence: what it goes with, by how much, and how that leads there; or that it was met."""
    name = run.item_table[title_column(run) or "item_id"]
    own = [
        f"{ITSELF} ({one.share:.0%} of the case{_way(one, name)})" for one in parts if one.itself
    ]
    said = [
        f"{name[part.item]} ({part.share:.0%} of the case{_way(part, name)})"
        for part in parts
        if not part.itself
    ]
    return "; ".join([*own, *([f"goes with {', '.join(said)}"] if said else [])]) or NO_REASON


def in_numbers(run: "Run", part: Reason) -> dict[str, Any]:
    """The same for machines, IDs as the caller's own."""
    way = part.path or Path(0.0)
    return {
        "item_id": run.items.ids[part.item],
        "share": part.share,
        "together": part.together,
        "walks": way.share if part.path else None,
        "via": run.items.ids[way.via] if way.via >= 0 else None,
        "attention": part.attention,
    }


def columns(run: "Run", found: Sequence[Sequence[Reason]]) -> list[pl.Series]:
    """The reasons of each line of a table: `why` in words and `evidence` in numbers."""
    item_id = run.items.ids.dtype
    number = {"share": pl.Float64, "together": pl.Int64, "walks": pl.Float64}
    kind = pl.List(
        pl.Struct({"item_id": item_id, **number, "via": item_id, "attention": pl.Float64})
    )
    return [
        pl.Series("why", [in_words(run, parts) for parts in found], dtype=pl.String),
        pl.Series("evidence", [[in_numbers(run, part) for part in parts] for parts in found], kind),
    ]


def title_column(run: "Run") -> str | None:
    """The column that names items to people, if there is one."""
    titles = [name for name, role in run.schema.items.items() if role == "title"]
    return titles[0] if titles and titles[0] in run.item_table.columns else None


def _way(part: Reason, name: pl.Series) -> str:
    """How many took both, how the walks went, and how closely the model looked."""
    people = "1 person" if part.together == 1 else f"{part.together:,} people"
    said = f"; {people} took both" if part.together else ""
    if part.path is not None and part.path.share > 0:
        said += f"; {part.path.share:.1%} of its walks lead here"
        said += f" through {name[part.path.via]}" if part.path.via >= 0 else ""
    return said if part.attention is None else f"{said}; {part.attention:.0%} of the attention"

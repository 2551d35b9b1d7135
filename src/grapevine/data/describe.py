"""What is in a dataset, and what looks wrong with it."""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from grapevine.data.cautions import Caution, cautions
from grapevine.data.dataset import LABELS, Dataset
from grapevine.data.tally import Tally, tally

QUANTILES = {"min": 0.0, "25 %": 0.25, "median": 0.5, "75 %": 0.75, "99 %": 0.99, "max": 1.0}


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A column of a table: its role, and the share of its rows that hold nothing."""

    table: str
    name: str
    role: str
    null_share: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Description:
    """What is in a dataset.

    Attributes:
        name: what it is called.
        source: where it came from.
        licence: its terms.
        clock: what its times mean: "exact", "approximate", "order" or "none".
        target: the behaviour that is predicted.
        counts: users, items, both with events, events, distinct pairs of user and item, links.
        behaviours: events of each behaviour, in cascade order.
        density: distinct pairs / (users with events x items with events).
        repeats: share of the events that repeat a user, item and behaviour.
        first, last: ISO times of the first and the last event; empty without an exact clock.
        events_per_user: mean and quantiles over users with events.
        events_per_item: likewise.
        popularity: share of the events that the most popular 1 % and 20 % of the met items have.
        split: events of each label, where there are labels.
        columns: every column that the schema gives a role.
        notes: what the schema says a reader must know.
        warnings: what looks wrong.
    """

    name: str
    source: str
    licence: str
    clock: str
    target: str
    counts: dict[str, int]
    behaviours: dict[str, int]
    density: float
    repeats: float
    first: str
    last: str
    events_per_user: dict[str, float]
    events_per_item: dict[str, float]
    popularity: dict[str, float]
    split: dict[str, int]
    columns: tuple[Column, ...]
    notes: tuple[str, ...]
    warnings: tuple[Caution, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values, for one JSON document."""
        return {**asdict(self), "sparsity": 1 - self.density}

    def table(self) -> RenderableType:
        """For the terminal."""
        parts: list[RenderableType] = [_facts(self), _spread(self)]
        if self.columns:
            rows = [(c.table, c.name, c.role, _share(c.null_share)) for c in self.columns]
            parts.append(_table("columns", ("table", "column", "role", "empty"), rows))
        if self.notes:
            parts.append(_table("notes", ("",), [(note,) for note in self.notes]))
        if self.warnings:
            rows = [(c.kind, c.what, c.example, c.advice) for c in self.warnings]
            parts.append(_table("warnings", ("", "found", "such as", "what to do"), rows))
        else:
            parts.append("warnings: none")
        return Group(*parts)


def describe(data: Dataset, now_ms: int | None = None) -> Description:
    """Count and judge a dataset, in one pass over its events and in bounded memory.

    Args:
        data: any dataset, or the training part of one.
        now_ms: the present in milliseconds since 1970, against which future times are told.
    """
    now_ms = int(time.time() * 1000) if now_ms is None else now_ms
    events, schema = data.interactions, data.schema
    seen = tally(events, len(schema.behaviours), schema.clock, now_ms)
    lengths = np.diff(events.offsets)
    users, items = int((lengths > 0).sum()), int((seen.items > 0).sum())
    counts = {
        "users": len(data.users),
        "users_with_events": users,
        "items": len(data.items),
        "items_with_events": items,
        "events": len(events),
        "pairs": seen.pairs,
        "links": 0 if data.links is None else len(data.links),
    }
    first, last = _range(data)
    return Description(
        name=data.name,
        source=schema.source,
        licence=schema.licence,
        clock=schema.clock,
        target=schema.target,
        counts=counts,
        behaviours=dict(zip(schema.behaviours, seen.behaviours.tolist())),
        density=seen.pairs / (users * items) if users else 0.0,
        repeats=1 - int(seen.reached.sum()) / len(events) if len(events) else 0.0,
        first=first,
        last=last,
        events_per_user=_quantiles(lengths),
        events_per_item=_quantiles(seen.items),
        popularity=_popularity(seen),
        split=_labels(data),
        columns=_columns(data),
        notes=schema.notes,
        warnings=cautions(data, seen),
    )


def _range(data: Dataset) -> tuple[str, str]:
    times = data.interactions.times
    if not data.schema.timed or not len(times):
        return "", ""
    ends = pl.Series([times.min(), times.max()]).cast(pl.Datetime("ms", "UTC"))
    first, last = ends.dt.to_string("%Y-%m-%dT%H:%M:%S%.3fZ")
    return first, last


def _quantiles(counts: np.ndarray) -> dict[str, float]:
    active = counts[counts > 0]
    if not len(active):
        return {}
    places = np.quantile(active, list(QUANTILES.values())).tolist()
    return {"mean": float(active.mean()), **dict(zip(QUANTILES, places))}


def _popularity(seen: Tally) -> dict[str, float]:
    met = np.sort(seen.items[seen.items > 0])[::-1]
    if not len(met):
        return {}
    shares = np.cumsum(met) / met.sum()
    return {f"top {p} %": float(shares[-(-len(met) * p // 100) - 1]) for p in (1, 20)}


def _labels(data: Dataset) -> dict[str, int]:
    if data.labels is None:
        return {}
    # One label at a time: bincount would first copy all labels into eight bytes each.
    return {name: int((data.labels == place).sum()) for place, name in enumerate(LABELS)}


def _columns(data: Dataset) -> tuple[Column, ...]:
    empty = _empty_events(data)
    columns = [
        Column(table="events", name=name, role=role, null_share=empty.get(name))
        for name, role in data.schema.events.items()
    ]
    for label, table, roles in (
        ("items", data.item_table, data.schema.items),
        ("users", data.user_table, data.schema.users),
    ):
        if table is not None:
            columns += [
                Column(
                    table=label,
                    name=name,
                    role=role,
                    null_share=table[name].null_count() / max(len(table), 1),
                )
                for name, role in roles.items()
                if name in table.columns
            ]
    return tuple(columns)


def _empty_events(data: Dataset) -> dict[str, float]:
    """Share of nulls in each column of the events, from the statistics that Parquet keeps."""
    path = data.path and data.path / "events.parquet"
    if not path or not path.is_file():
        return {}
    footer = pq.read_metadata(path)
    nulls: dict[str, int] = {}
    for group in range(footer.num_row_groups):
        for place in range(footer.num_columns):
            column = footer.row_group(group).column(place)
            if column.statistics is not None and column.statistics.has_null_count:
                name = column.path_in_schema
                nulls[name] = nulls.get(name, 0) + column.statistics.null_count
    return {name: number / max(footer.num_rows, 1) for name, number in nulls.items()}


def _facts(self: Description) -> Table:
    counts = self.counts
    rows = [
        ("source", self.source),
        ("licence", self.licence),
        ("users", f"{counts['users']:,} ({counts['users_with_events']:,} with events)"),
        ("items", f"{counts['items']:,} ({counts['items_with_events']:,} with events)"),
        ("events", f"{counts['events']:,}, {self.repeats:.1%} of them repeats"),
        *((f"  {name}", f"{number:,}") for name, number in self.behaviours.items()),
        ("predicted", self.target),
        ("density", f"{self.density:.4%} (sparsity {1 - self.density:.4%})"),
        ("clock", self.clock),
        ("time", f"{self.first} .. {self.last}" if self.first else ""),
        ("links", f"{counts['links']:,}" if counts["links"] else ""),
        ("split", ", ".join(f"{name} {number:,}" for name, number in self.split.items())),
        ("popularity", ", ".join(f"{k}: {v:.1%}" for k, v in self.popularity.items())),
    ]
    return _table(self.name, ("", ""), [row for row in rows if row[1]])


def _spread(self: Description) -> Table:
    per = {"user": self.events_per_user, "item": self.events_per_item}
    rows = [(name, *(f"{value:,.1f}" for value in spread.values())) for name, spread in per.items()]
    return _table("events per", ("", "mean", *QUANTILES), rows if self.events_per_user else [])


def _table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(title=escape(title), title_justify="left", show_header=any(header))
    for name in header:
        table.add_column(name, overflow="fold")
    for row in rows:
        # Names and IDs are data: square brackets in them are not colours.
        table.add_row(*(escape(cell) for cell in row))
    return table


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"

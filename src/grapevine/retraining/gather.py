"""New events of a service joined with what the run in service was trained on."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from grapevine.data import folder as folders
from grapevine.data.dataset import Dataset
from grapevine.data.folder import FolderWriter
from grapevine.data.vocabulary import Vocabulary
from grapevine.errors import BundleError, CheckFailed
from grapevine.serving.engine.fields import table_with

if TYPE_CHECKING:
    from grapevine.serving.store import Store

FACTS = "gathered.json"
"""In the dataset folder: what it is made of."""
DAY_MS = 86_400_000
AHEAD_MS = DAY_MS
"""Events whose time is further ahead than this are of a clock that is wrong."""
COLUMNS = {
    "event_id": pl.String,
    "user_id": pl.String,
    "item_id": pl.String,
    "behaviour": pl.String,
    "timestamp": pl.Int64,
    "value": pl.Float32,
    "session_id": pl.String,
}
"""Of an event of the store, what a dataset keeps."""


@dataclass(frozen=True, kw_only=True)
class Gathered:
    """A dataset folder with new events, and what it is made of.

    Attributes:
        path: the folder.
        base: fingerprint of the dataset that the new events were joined to.
        at: from this time on, in milliseconds since 1970, events are held out.
        share: of the new target events, that was to be held out.
        events: in all.
        new: of these, those that the base had not.
        new_targets: of these, those of the behaviour that is predicted.
        forgotten: users of the base who asked to be forgotten, and are not in it.
        left_out: new events that are not in it, by the reason.
        returned: when those of its users asked to be forgotten who have come back since.
    """

    path: Path
    base: str
    at: int
    share: float
    events: int
    new: int
    new_targets: int
    forgotten: int
    left_out: dict[str, int]
    returned: dict[str, int] = field(default_factory=dict, repr=False)

    def to_json(self) -> dict[str, Any]:
        """Plain values, and nobody's name."""
        told = {name: one for name, one in vars(self).items() if name != "returned"}
        return {**told, "path": str(self.path)}


def gathered_at(path: Path) -> Gathered:
    """What `gather` left there.

    Raises:
        BundleError: it is another folder.
    """
    try:
        told = json.loads((path / FACTS).read_text(encoding="utf-8"))
        return Gathered(**{**told, "path": path})
    except (OSError, ValueError, TypeError) as error:
        raise BundleError(
            f"`{path}` is not a dataset that retraining has made",
            hint="choose another place for it: --dataset DIR",
        ) from error


def gather(base: Dataset, store: "Store", out: Path, *, share: float = 0.2) -> Gathered:
    """Write the dataset of the next run: the base, and what the service has heard since.

    Whoever asked to be forgotten is not in it, but for what they did after that. An event counts
    once, whether the base had it under its `event_id` or as the same user, item, behaviour and
    time. The newest of the new events are labelled `test`: all from the moment on at which the last
    `share` of the new target events begins, and none that the base had.

    Items that were put since the base was made stand in its catalogue, and others with the fields
    that were said of them. Left out are events of behaviours and items that neither knows (where
    the items were only gathered from the events, new ones are taken in), and those of more than a
    day ahead.

    Args:
        base: what the run in service was trained on, opened from its folder.
        store: the events of the service.
        out: the folder to make.
        share: of the new target events, to be held out.

    Raises:
        CheckFailed: there is nothing new of the behaviour that is predicted.
        ConfigError: `out` is in use.
    """
    assert base.path is not None
    heard = store.read_events(_frame)
    users = pl.concat([base.users.ids.cast(pl.String), heard["user_id"]]).unique()
    gone = store.forgotten(users.to_list())
    before = _events_of(base, list(gone))
    # Who met an item that was deleted tells something yet; that it is hidden the store remembers.
    put = {one.item_id: one.fields for one in store.shelf.since() if one.fields is not None}
    items = table_with(base.item_table, put)
    known = Vocabulary.of(items["item_id"])
    new, left_out = _fitting(heard, before, base, known, now=store.clock())
    at = _moment(new, before, base.schema.target, share)
    targets = int((new["behaviour"] == base.schema.target).sum())
    whole = _sorted(before, new, at)
    users = _users(base, list(gone))
    if not base.schema.catalogue:
        ids = Vocabulary.of(pl.concat([items["item_id"], whole["item_id"]])).ids
        items = ids.to_frame("item_id").join(items, on="item_id", how="left", maintain_order="left")
    held = {"by": "time", "at": at, "repeats": base.schema.split.get("repeats", "drop")}
    with FolderWriter(out, replace(base.schema, split=held)) as folder:
        folder.items(items)
        if users is not None:
            folder.users(users)
        if base.links is not None:
            folder.links(base.links)
        for part in whole.iter_slices(folders.ROWS_PER_GROUP):
            folder.events(part.to_arrow())
        known = set(base.users.ids.cast(pl.String).to_list())
        there = set(whole["user_id"].cast(pl.String).unique().to_list())
        found = Gathered(
            path=out,
            base=base.fingerprint,
            at=at,
            share=share,
            events=len(whole),
            new=len(new),
            new_targets=targets,
            forgotten=len(known & gone.keys()),
            left_out=left_out,
            returned={user: at for user, at in gone.items() if user in there},
        )
        told = {**found.to_json(), "returned": found.returned}
        (folder.path / FACTS).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return found


def _frame(pages: Iterator[Sequence[Any]]) -> pl.DataFrame:
    """Events of the store in order of arrival."""
    width = len(COLUMNS)
    parts = [
        pl.DataFrame([tuple(row)[:width] for row in page], schema=COLUMNS, orient="row")
        for page in pages
    ]
    return pl.concat(parts) if parts else pl.DataFrame(schema=COLUMNS)


def _events_of(base: Dataset, gone: list[str]) -> pl.DataFrame:
    """The events of the base with all their columns, without these users and without a split."""
    assert base.path is not None
    events = pl.read_parquet(base.path / "events.parquet")
    kept = {name: kind for name, kind in COLUMNS.items() if name in events.columns}
    del kept["user_id"], kept["item_id"], kept["timestamp"]
    return (
        events.drop("split", strict=False)
        .filter(~pl.col("user_id").cast(pl.String).is_in(gone))
        .with_columns(
            pl.col("timestamp").cast(pl.Int64), *(pl.col(n).cast(k) for n, k in kept.items())
        )
    )


def _users(base: Dataset, gone: list[str]) -> pl.DataFrame | None:
    if base.user_table is None:
        return None
    return base.user_table.filter(~pl.col("user_id").cast(pl.String).is_in(gone))


def _fitting(
    heard: pl.DataFrame, before: pl.DataFrame, base: Dataset, items: Vocabulary, *, now: int
) -> tuple[pl.DataFrame, dict[str, int]]:
    """Those of the events that are new and may be learnt from, and why the others are not."""
    known = items.rows(heard["item_id"]) >= 0
    if not base.schema.catalogue:
        known |= _integers(heard["item_id"]) if base.items.is_integer else np.True_
    there = np.zeros(len(heard), bool)
    if "event_id" in before.columns:
        there = heard["event_id"].is_in(before["event_id"].drop_nulls().implode()).to_numpy()
    reasons = {
        "known already": there,
        "of another behaviour": ~heard["behaviour"].is_in(base.schema.behaviours).to_numpy(),
        "of an item that the catalogue has not": ~known,
        "ahead of the clock": (heard["timestamp"] > now + AHEAD_MS).to_numpy(),
    }
    keep, left_out = np.ones(len(heard), bool), dict[str, int]()
    for reason, apply in reasons.items():
        left_out[reason] = int((keep & apply).sum())
        keep &= ~apply
    found = heard.filter(pl.Series(keep))
    # Strangers may be called by words where the others have numbers: all are words then.
    if base.users.is_integer and _integers(found["user_id"]).all():
        found = found.with_columns(pl.col("user_id").cast(pl.Int64))
    if base.items.is_integer:
        found = found.with_columns(pl.col("item_id").cast(pl.Int64))
    key = ["user_id", "item_id", "behaviour", "timestamp"]
    same = before.select(pl.col("user_id").cast(found.schema["user_id"]), *key[1:]).unique()
    size = len(found)
    found = found.join(same, on=key, how="anti", maintain_order="left").unique(
        [*key, "event_id"], keep="first", maintain_order=True
    )
    left_out["known already"] += size - len(found)
    return found, {reason: count for reason, count in left_out.items() if count}


def _integers(ids: pl.Series) -> np.ndarray:
    """Which of these are integers, written as such."""
    return (ids.cast(pl.Int64, strict=False).cast(pl.String) == ids).fill_null(False).to_numpy()


def _moment(new: pl.DataFrame, before: pl.DataFrame, target: str, share: float) -> int:
    """When the last of the new target events begin, after all that the base has."""
    last = before["timestamp"].max()
    wanted = new.filter(pl.col("behaviour") == target)["timestamp"].sort()
    later = wanted if last is None else wanted.filter(wanted > last)
    if not len(later):
        raise CheckFailed(
            f"the service has heard of {len(new):,} new events, and none of them is a `{target}` "
            "later than what the run in service was trained on",
            hint="wait until there are some: they are what the next run is measured by",
        )
    return int(later[min(int(len(later) * (1 - share)), len(later) - 1)])


def _sorted(before: pl.DataFrame, new: pl.DataFrame, at: int) -> pl.DataFrame:
    """All events in the order of a dataset folder, the newest labelled."""
    filled = [name for name in new.columns if name in before.columns or new[name].count()]
    new = new.select(filled)
    before = before.with_columns(pl.col("user_id").cast(new.schema["user_id"]))
    label = pl.when(pl.col("timestamp") >= at).then(pl.lit("test")).otherwise(pl.lit("train"))
    return (
        pl.concat([before, new], how="diagonal")
        .sort("user_id", "timestamp", maintain_order=True)
        .with_columns(label.alias("split"))
    )

"""Lists for anyone: a known user, a stranger with a history, an item, or all users at once."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from jaxtyping import Bool, Float32

from grapevine.core.kernels.rank import rank_targets
from grapevine.errors import ConfigError, DataError
from grapevine.log import track
from grapevine.models.chances import chances_of
from grapevine.models.conditions import MOST_COMPARED, Where, items_where
from grapevine.models.reasons import columns, reasons, title_column
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged
from grapevine.structs.ranking import Ranking

if TYPE_CHECKING:  # a Run recommends through this file
    from grapevine.models.run import Run

BLOCK_BYTES = 64 << 20
"""Size of a block of scores: large enough for a fast product, small enough for any laptop."""


def top_k(
    run: "Run",
    batch: Batch,
    k: int,
    *,
    exclude: Jagged | None = None,
    allowed: Bool[np.ndarray, " items"] | None = None,
) -> Ranking:
    """The best k items for each question, block by block.

    Where the model cannot tell the best apart (nothing it listens to is in the history, say),
    those that more people took come first.

    Args:
        run: whose model is asked.
        batch: the questions.
        k: how many items each gets; fewer where fewer are allowed.
        exclude: item rows that each question must not get.
        allowed: which items may be shown at all.
    """
    size = block_size(len(run.items))
    items = np.empty((len(batch), k), np.int32)
    scores = np.empty((len(batch), k), np.float32)
    for start in range(0, len(batch), size):
        stop = min(start + size, len(batch))
        block = batch.slice(start, stop)
        nothing = Jagged.empty(len(block))
        found = np.asarray(run.model.score(block))
        hidden = exclude.slice(start, stop) if exclude is not None else nothing
        best = rank_targets(
            found,
            targets=nothing,
            seen=hidden,
            # One more than asked for tells whether the choice of the last was arbitrary.
            k=min(k + 1, found.shape[1]),
            mask=allowed,
            name=run.label,
            first=start,
        ).best
        best = _by_popularity(run, found, hidden, allowed, best)
        items[start:stop], scores[start:stop] = best.items[:, :k], best.scores[:, :k]
    return Ranking(items, scores)


def _by_popularity(
    run: "Run",
    scores: Float32[np.ndarray, "queries items"],
    hidden: Jagged,
    allowed: Bool[np.ndarray, " items"] | None,
    best: Ranking,
) -> Ranking:
    """The same lists, with those whose scores are all alike filled by popularity."""
    length = (best.items >= 0).sum(1)
    last = np.take_along_axis(best.scores, np.maximum(length - 1, 0)[:, None], axis=1)[:, 0]
    alike = np.flatnonzero((length > 1) & (last == best.scores[:, 0]))
    if not len(alike):
        return best
    items = best.items.copy()
    for query in alike.tolist():
        tied = scores[query] == best.scores[query, 0]
        tied[hidden[query]] = False
        if allowed is not None:
            tied &= allowed
        popular = run.most_popular[tied[run.most_popular]]
        items[query, : length[query]] = popular[: length[query]]
    return Ranking(items, best.scores)


def block_size(num_items: int) -> int:
    """How many questions are scored at once."""
    return int(np.clip(BLOCK_BYTES // (4 * max(num_items, 1)), 1, 4096))


def recommend(
    run: "Run",
    *,
    users: Sequence[Any] | None = None,
    items: Sequence[Any] | None = None,
    histories: Sequence[Sequence[Any]] | None = None,
    k: int = 10,
    exclude_seen: bool = True,
    candidates: Sequence[Any] | None = None,
    where: Where = (),
    why: bool = False,
    chances: bool = False,
) -> pl.DataFrame:
    """The best k items for each user, or each item, or each history: one of the three.

    Args:
        run: the fitted model with its vocabulary.
        users: user IDs.
        items: item IDs, for what goes with each.
        histories: lists of item IDs, for people the run has never met.
        k: how many items each gets.
        exclude_seen: leave out what the history holds already.
        candidates: the only item IDs that may be shown.
        where: conditions on the item table, such as `"price<20"`, `"category=tops"`.
        why: tell which things of the history spoke for each item, and how they lead there.
        chances: tell how likely each behaviour is with each item, and how it would be rated.

    Returns:
        A table `user_id` (or `item`, or `history`), `item_id`, `score`, `rank` from 1, `title`
        where items have one; if asked, `why` in words and `evidence`, the same in numbers: see
        `models.reasons`; and `chances` and `rating`: see `models.chances`.

    Raises:
        ConfigError: not exactly one of users, items and histories; an unknown ID or column; the
            run tells no chances.
    """
    if sum(part is not None for part in (users, items, histories)) != 1:
        raise ConfigError("give users, items or histories: exactly one of them")
    if users is not None:
        known = _require_known(run, "user", users)
        batch, label, asked = run.questions(users), "user_id", run.users.take(known)
    else:
        lists = [[one] for one in items] if items is not None else list(histories or [])
        rows = [_require_known(run, "item", one) for one in lists]
        batch = Batch.of_histories(Jagged.from_lists(rows), behaviour=run.schema.target_row)
        label = "item" if items is not None else "history"
        asked = (
            run.items.take(np.array([row[0] for row in rows], np.int64))
            if items is not None
            else pl.Series([",".join(map(str, one)) for one in lists], dtype=pl.String)
        )
    ranking = top_k(
        run,
        batch,
        min(k, len(run.items)),
        exclude=_seen(run, batch) if exclude_seen or items is not None else None,
        allowed=_allowed(run, candidates, where),
    )
    table = _table(run, ranking, asked.alias(label))
    if chances:
        block = block_size(len(run.items))
        table = table.with_columns(chances_of(run, batch, ranking, block=block))
    return table.with_columns(_reasons(run, batch, ranking)) if why else table


def recommend_all(
    run: "Run",
    out: Path,
    *,
    k: int = 10,
    exclude_seen: bool = True,
    candidates: Sequence[Any] | None = None,
    where: Where = (),
) -> int:
    """The best k items for every user of the run, streamed to a Parquet file.

    Returns:
        How many users were written.
    """
    allowed = _allowed(run, candidates, where)
    size = block_size(len(run.items))
    partial = out.with_name(f".{out.name}.partial")
    out.parent.mkdir(parents=True, exist_ok=True)
    writer = None
    try:
        for start in track(range(0, len(run.users), size), "recommending"):
            rows = np.arange(start, min(start + size, len(run.users)))
            batch = run.history.batch(rows)
            hidden = _seen(run, batch) if exclude_seen else None
            ranking = top_k(run, batch, min(k, len(run.items)), exclude=hidden, allowed=allowed)
            table = _table(run, ranking, run.users.take(rows).alias("user_id"), title=False)
            arrow = table.to_arrow()
            writer = writer or pq.ParquetWriter(partial, arrow.schema, compression="zstd")
            writer.write_table(arrow)
    except BaseException:
        if writer:
            writer.close()
        partial.unlink(missing_ok=True)
        raise
    if writer is None:
        raise DataError("the run knows no user, so there is nobody to recommend to")
    writer.close()
    partial.replace(out)
    return len(run.users)


def _allowed(
    run: "Run", candidates: Sequence[Any] | None, where: Where
) -> Bool[np.ndarray, " items"] | None:
    """Which items may be shown: the candidates that meet every condition; None for all."""
    allowed = items_where(run.item_table, where)
    if candidates is not None:
        listed = np.zeros(len(run.items), bool)
        listed[_require_known(run, "item", candidates)] = True
        allowed = listed if allowed is None else allowed & listed
    return allowed


def _require_known(run: "Run", kind: str, ids: Sequence[Any]) -> np.ndarray:
    vocabulary = run.users if kind == "user" else run.items
    rows = vocabulary.rows(list(ids))
    if (rows < 0).any():
        missing = [str(one) for one, row in zip(ids, rows, strict=True) if row < 0]
        known = vocabulary.ids.head(MOST_COMPARED).cast(pl.String).to_list()
        near = difflib.get_close_matches(missing[0], known, n=1)
        hint = (f"did you mean `{near[0]}`? " if near else "") + (
            "for somebody new, give a history: --history A,B,C"
            if kind == "user"
            else f"item IDs look like `{known[0] if known else ''}`"
        )
        raise ConfigError(f"this run knows no {kind} `{missing[0]}`", hint=hint)
    return rows


def _seen(run: "Run", batch: Batch) -> Jagged:
    # Who asks for what was never met is not told of what was.
    unmet = dict(run.record.get("split") or {}).get("repeats") == "unmet"
    return batch.seen(None if unmet else run.schema.target_row)


def _reasons(run: "Run", batch: Batch, ranking: Ranking) -> list[pl.Series]:
    """Why each item of each list: in words, and in numbers."""
    found = []
    for query, row in enumerate(ranking.items):
        shown = row[row >= 0].tolist()
        found += reasons(run, batch.slice(query, query + 1), shown, most=2)
    return columns(run, found)


def _table(run: "Run", ranking: Ranking, asked: pl.Series, *, title: bool = True) -> pl.DataFrame:
    queries, k = ranking.items.shape
    rows = ranking.items.ravel()
    table = pl.DataFrame(
        {
            asked.name: asked.gather(np.repeat(np.arange(queries), k)),
            "item_id": run.items.take(rows),
            "score": ranking.scores.ravel(),
            "rank": np.tile(np.arange(1, k + 1, dtype=np.int32), queries),
        }
    )
    name = title_column(run)
    if title and name:
        index = pl.Series(rows, dtype=pl.Int64)
        known = pl.select(pl.when(index >= 0).then(index)).to_series()
        table = table.with_columns(run.item_table[name].gather(known).alias("title"))
    return table.filter(pl.col("item_id").is_not_null())

"""Lists for anyone: a known user, a stranger with a history, an item, or all users at once."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
from jaxtyping import Bool

from grapevine.core.kernels.rank import rank_targets
from grapevine.errors import ConfigError, DataError
from grapevine.log import track
from grapevine.models.conditions import Where, items_where
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
        nothing = Jagged(np.zeros(len(block) + 1, np.int64), np.empty(0, np.int32))
        best = rank_targets(
            run.model.score(block),
            targets=nothing,
            seen=exclude.slice(start, stop) if exclude is not None else nothing,
            k=k,
            mask=allowed,
            name=run.label,
            first=start,
        ).best
        items[start:stop], scores[start:stop] = best.items, best.scores
    return Ranking(items, scores)


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
        why: tell which things of the history spoke for each item: see `evidence`.

    Returns:
        A table `user_id` (or `item`, or `history`), `item_id`, `score`, `rank` from 1, `title`
        where items have one, and `why` if asked.

    Raises:
        ConfigError: not exactly one of users, items and histories; an unknown ID or column.
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


def evidence(run: "Run", batch: Batch, item: int, most: int = 3) -> list[tuple[int, float]]:
    """Which things of a history speak for an item, and what share of the case each makes.

    Each thing of the history is asked about alone; for models that add up over a history
    (item-knn, EASE) the shares are exact, for others they show which one thing would have led here.

    Returns:
        At most `most` pairs of item row and share in (0, 1], strongest first.
    """
    history = np.unique(batch.items[batch.items >= 0])
    history = history[history != item]
    if len(history) == 0:
        return []
    alone = Batch.of_histories(
        Jagged.from_lists(history[:, None].tolist()), behaviour=run.schema.target_row
    )
    nothing = Batch.of_histories(Jagged.from_lists([[]]), behaviour=run.schema.target_row)
    gain = run.model.score(alone)[:, item] - run.model.score(nothing)[0, item]
    gain = np.where(np.isfinite(gain), np.maximum(gain, 0), 0)
    if gain.sum() == 0:
        return []
    order = np.argsort(-gain, kind="stable")[:most]
    return [(int(history[at]), float(gain[at] / gain.sum())) for at in order if gain[at] > 0]


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
        hint = (
            "for somebody new, give a history: --history A,B,C"
            if kind == "user"
            else f"item IDs look like `{vocabulary.ids[0] if len(vocabulary) else ''}`"
        )
        raise ConfigError(f"this run knows no {kind} `{missing[0]}`", hint=hint)
    return rows


def _seen(run: "Run", batch: Batch) -> Jagged:
    return batch.seen(run.schema.target_row)


def _reasons(run: "Run", batch: Batch, ranking: Ranking) -> pl.Series:
    """Why each item of each list, in words."""
    name = _title_column(run) or "item_id"
    reasons = []
    for query in range(len(batch)):
        asked = batch.slice(query, query + 1)
        for item in ranking.items[query]:
            if item < 0:
                continue
            parts = [
                f"{run.item_table[name][row]} ({share:.0%})"
                for row, share in evidence(run, asked, int(item), most=2)
            ]
            reasons.append(f"goes with {', '.join(parts)}" if parts else "liked by many")
    return pl.Series("why", reasons, dtype=pl.String)


def _title_column(run: "Run") -> str | None:
    titles = [name for name, role in run.schema.items.items() if role == "title"]
    return titles[0] if titles and titles[0] in run.item_table.columns else None


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
    name = _title_column(run)
    if title and name:
        index = pl.Series(rows, dtype=pl.Int64)
        known = pl.select(pl.when(index >= 0).then(index)).to_series()
        table = table.with_columns(run.item_table[name].gather(known).alias("title"))
    return table.filter(pl.col("item_id").is_not_null())

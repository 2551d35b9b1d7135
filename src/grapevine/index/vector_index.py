"""Vectors to nearest neighbours: one interface, exact or approximate, filtered, growing."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Bool, Float32, Int64, Shaped

from grapevine.core.kernels.rescore import rescore
from grapevine.errors import ConfigError
from grapevine.index import native
from grapevine.index.exact import exact, exact_of_few, merged
from grapevine.structs.ranking import Ranking

FILTERED_SHARE = 0.05
"""Where fewer than this share of the rows is allowed, those are scanned exactly."""
RESCORED = 2
"""So many times k candidates of coded vectors are scored again from the vectors themselves."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """How an index was built, and how well it finds.

    Attributes:
        kind: "flat", "ivf", "hnsw" or "pq".
        metric: "inner-product" or "cosine".
        width: of the vectors.
        effort: lists visited (`nprobe`), width of the front (`efSearch`) or candidates that are
            scored again; 0 where it is exact.
        wanted: the recall that was asked for.
        recall: share of the exact best k that is found, measured on queries that had no part in
            choosing the effort; 1 where it is exact.
        recall_at: that k.
        queries: how many queries it was measured with.
        queries_from: where they come from: "users", "items" or "given".
        queries_per_second: of one thread, in a batch.
        build_seconds: the choice of the effort included.
        seed: of all that is drawn.
    """

    kind: str
    metric: str
    width: int
    effort: int
    wanted: float
    recall: float
    recall_at: int
    queries: int
    queries_from: str
    queries_per_second: float
    build_seconds: float
    seed: int


@dataclass(frozen=True, kw_only=True)
class VectorIndex:
    """Vectors with IDs, to be asked for the nearest. A value: changes give a new one.

    New vectors go into a flat index on the side, whose answers are merged with the others';
    deleted ones are marked, and not found from that moment on. Both cost time with every search:
    `index.build` on `live()` makes a fresh one.

    Attributes:
        settings: how it was built.
        ids: ID of each row, those on the side last.
        vectors: `(rows, width)` float32, of length 1 where the metric is cosine.
        added: `(more, width)` those on the side.
        deleted: `(rows + more,)` which may not be found any more.
        native: what FAISS made of `vectors`; None where every vector is looked at.
    """

    settings: Settings
    ids: pl.Series
    vectors: Float32[np.ndarray, "rows width"]
    added: Float32[np.ndarray, "more width"]
    deleted: Bool[np.ndarray, " all"]
    native: Any = None

    def __len__(self) -> int:
        return int((~self.deleted).sum())

    def search(
        self,
        queries: Float32[np.ndarray, "queries width"],
        k: int,
        *,
        allow: Bool[np.ndarray, " all"] | None = None,
        threads: int | None = None,
    ) -> Ranking:
        """The nearest k rows for each query, nearest first; -1 where fewer than k are allowed.

        Scores are computed from the vectors as they were given, whatever the kind. Where fewer
        than 5 % of the rows are allowed, or an approximate search comes back with too few, every
        allowed vector is looked at.

        Args:
            queries: one vector each.
            k: length of the lists.
            allow: which rows may be found; those deleted never are.
            threads: how many to use; as many as there are cores if not given.

        Raises:
            ConfigError: a query is of another width, or is not finite, or `allow` does not fit.
        """
        asked = prepared(queries, self.settings)
        main, side = self._open(allow)
        found = self._search_main(asked, k, main, threads)
        if not len(self.added):
            return found
        beside = exact(asked, self.added, k, allow=side, threads=threads)
        rows = np.where(beside.items >= 0, beside.items + len(self.vectors), -1)
        return merged(found, Ranking(rows.astype(np.int32), beside.scores), k)

    def take(self, rows: Shaped[np.ndarray, "..."]) -> pl.Series:
        """The ID of each row, laid end to end; null for -1."""
        index = pl.Series(rows.ravel(), dtype=pl.Int64)
        return self.ids.gather(pl.select(pl.when(index >= 0).then(index)).to_series())

    def rows(self, ids: Sequence[Any] | pl.Series) -> Int64[np.ndarray, " ids"]:
        """The row of each ID, -1 for one that is not there or was deleted."""
        asked = pl.DataFrame({"id": ids}, schema={"id": self.ids.dtype}, strict=False)
        found = asked.join(self._places, on="id", how="left", maintain_order="left")
        return found["row"].fill_null(-1).to_numpy()

    def add(
        self, vectors: Float32[np.ndarray, "more width"], ids: Sequence[Any] | pl.Series
    ) -> "VectorIndex":
        """The index with these as well; one whose ID is there already takes its place.

        Raises:
            ConfigError: vectors and IDs do not pair up, or are not fit to be searched.
        """
        new = as_ids(ids, len(vectors), self.ids.dtype)
        before = self.rows(new)
        gone = self.deleted.copy()
        gone[before[before >= 0]] = True
        return replace(
            self,
            ids=pl.concat([self.ids, new]),
            added=np.concatenate([self.added, prepared(vectors, self.settings)]),
            deleted=np.concatenate([gone, np.zeros(len(new), bool)]),
        )

    def delete(self, ids: Sequence[Any] | pl.Series) -> "VectorIndex":
        """The index without these.

        Raises:
            ConfigError: one of them is not there.
        """
        rows = self.rows(ids)
        if (rows < 0).any():
            missing = list(ids)[int(np.argmin(rows))]
            raise ConfigError(f"this index has no `{missing}`", hint="was it deleted before?")
        gone = self.deleted.copy()
        gone[rows] = True
        return replace(self, deleted=gone)

    def live(self) -> tuple[Float32[np.ndarray, "live width"], pl.Series]:
        """Vectors and IDs of all that was not deleted, to build a fresh index of."""
        kept = np.flatnonzero(~self.deleted)
        vectors = np.concatenate([self.vectors, self.added])[kept]
        return vectors, self.ids.gather(kept)

    @cached_property
    def _places(self) -> pl.DataFrame:
        rows = np.flatnonzero(~self.deleted)
        return pl.DataFrame({"id": self.ids.gather(rows), "row": rows})

    @cached_property
    def _whole(self) -> bool:
        return not self.deleted.any()

    def _open(
        self, allow: Bool[np.ndarray, " all"] | None
    ) -> tuple[Bool[np.ndarray, " rows"] | None, Bool[np.ndarray, " more"] | None]:
        """Which rows may be found, and which of those on the side; None where all may."""
        if allow is not None and allow.shape != self.deleted.shape:
            raise ConfigError(f"allow has {len(allow)} entries for {len(self.deleted)} rows")
        if self._whole:
            if allow is None:
                return None, None
            both = allow
        else:
            both = ~self.deleted if allow is None else allow & ~self.deleted
        return both[: len(self.vectors)], both[len(self.vectors) :]

    def _search_main(
        self, asked: np.ndarray, k: int, allow: np.ndarray | None, threads: int | None
    ) -> Ranking:
        allowed = len(self.vectors) if allow is None else int(allow.sum())
        if allow is not None and allowed < FILTERED_SHARE * len(allow):
            return exact_of_few(asked, self.vectors, np.flatnonzero(allow), k, threads=threads)
        if self.native is None or k * RESCORED > len(self.vectors):
            return exact(asked, self.vectors, k, allow=allow, threads=threads)
        found = self._search_native(asked, k, allow, threads)
        short = np.flatnonzero((found.items >= 0).sum(1) < min(k, allowed))
        if len(short):
            whole = exact(asked[short], self.vectors, k, allow=allow, threads=threads)
            found.items[short], found.scores[short] = whole.items, whole.scores
        return found

    def _search_native(
        self, asked: np.ndarray, k: int, allow: np.ndarray | None, threads: int | None
    ) -> Ranking:
        kind = self.settings.kind
        coded = kind in native.CODED
        count = k * RESCORED if coded else k
        narrowest, widest = native.bounds(self.native, kind, count)
        effort = max(self.settings.effort, narrowest)
        if allow is not None:
            # Of what a search comes by only a share counts, so it goes so much further.
            effort = int(np.ceil(effort * len(allow) / allow.sum()))
        effort = min(effort, widest)
        scores, rows = native.search(
            self.native, kind, asked, count, effort, allow=allow, threads=threads
        )
        if coded:
            return rescore(asked, self.vectors, rows, k, threads=threads or os.cpu_count() or 1)
        return Ranking(rows.astype(np.int32), scores)


def prepared(
    vectors: Float32[np.ndarray, "vectors width"], settings: Settings
) -> Float32[np.ndarray, "vectors width"]:
    """Vectors as an index with these settings compares them.

    Raises:
        ConfigError: they are of another width, or one is not finite.
    """
    if vectors.ndim != 2 or vectors.shape[1] != settings.width:
        raise ConfigError(
            f"the index has vectors of width {settings.width}: got an array of {vectors.shape}"
        )
    return comparable(vectors, settings.metric)


def comparable(
    vectors: Float32[np.ndarray, "vectors width"], metric: str
) -> Float32[np.ndarray, "vectors width"]:
    """Finite vectors, of length 1 where the metric is cosine; zero stays zero."""
    plain = np.ascontiguousarray(vectors, np.float32)
    # One sum tells: it is not finite if any number is not, and overflow is no better.
    length = np.sqrt(np.einsum("vw,vw->v", plain, plain))
    if not np.isfinite(length).all():
        raise ConfigError(
            f"the vector in row {int(np.argmin(np.isfinite(length)))} is not finite",
            hint="training may have diverged: look at the losses, and lower the learning rate",
        )
    if metric != "cosine":
        return plain
    return plain / np.maximum(length, np.finfo(np.float32).tiny)[:, None]


def as_ids(ids: Sequence[Any] | pl.Series, count: int, dtype: Any = None) -> pl.Series:
    """IDs as a series, one for each vector.

    Raises:
        ConfigError: there are not as many, or one is missing, met twice or of another type.
    """
    try:
        series = pl.Series("id", ids, dtype=dtype)
    except TypeError as error:
        raise ConfigError(f"IDs of this index are {dtype}: {error}") from error
    if len(series) != count:
        raise ConfigError(f"{len(series)} IDs for {count} vectors")
    if series.null_count() or series.n_unique() != len(series):
        raise ConfigError("IDs must be distinct and none of them missing")
    return series

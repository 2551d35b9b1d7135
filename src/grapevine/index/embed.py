"""Every vector of a run: of all items, and of all users where the model has them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float32

import grapevine
from grapevine import manifest
from grapevine.errors import CheckFailed
from grapevine.index.folder import (
    IDS,
    VECTORS,
    read_array,
    read_ids,
    read_settings,
    refuse_to_replace,
    write_ids,
    write_settings,
)
from grapevine.log import track
from grapevine.models.base import Factored
from grapevine.models.embedding import scored_vectors
from grapevine.models.run import Run

USER_VECTORS, USER_IDS = "user_vectors.npy", "user_ids.parquet"
USERS_AT_ONCE = 4096


@dataclass(frozen=True, kw_only=True)
class Embeddings:
    """The vectors of a run, mapped into memory.

    The score of an item for a user is the inner product of their vectors.

    Attributes:
        ids: ID of each item.
        vectors: `(items, width)`.
        user_ids: ID of each user; none where the model has no vectors of users.
        user_vectors: `(users, width)`.
        settings: the model's name, counts and version.
    """

    ids: pl.Series
    vectors: Float32[np.ndarray, "items width"]
    user_ids: pl.Series
    user_vectors: Float32[np.ndarray, "users width"]
    settings: dict[str, Any]


def embed(run: Run, out: Path) -> dict[str, Any]:
    """Write every vector of a run to a folder; those of users block by block.

    Returns:
        How many items and users, the width, and what the model counted on the way.

    Raises:
        ConfigError: the model has no vectors, or `out` may not be replaced.
        CheckFailed: a vector is not finite.
    """
    refuse_to_replace(out, "embeddings")
    items, counted = scored_vectors(run)
    _check_finite(items, run, "item")
    users = len(run.users) if isinstance(run.model, Factored) else 0
    facts = {
        "model": run.name,
        "items": len(items),
        "users": users,
        "width": items.shape[1],
        "counted": counted,
        "version": grapevine.__version__,
    }
    with manifest.published(out) as folder:
        np.save(folder / VECTORS, items)
        write_ids(folder / IDS, run.items.ids)
        write_ids(folder / USER_IDS, run.users.ids.head(users))
        vectors = np.lib.format.open_memmap(
            folder / USER_VECTORS, mode="w+", dtype=np.float32, shape=(users, items.shape[1])
        )
        for start, block in _user_blocks(run, users):
            _check_finite(block, run, "user", start)
            vectors[start : start + len(block)] = block
        vectors.flush()
        write_settings(folder, "embeddings", facts)
    return facts


def open_embeddings(folder: Path) -> Embeddings:
    """Open what `embed` wrote, every byte checked first.

    Raises:
        BundleError: the folder is something else, is damaged, or needs another version.
    """
    settings = read_settings(folder, "embeddings", IDS, VECTORS, USER_IDS, USER_VECTORS)
    width = settings.get("width")
    return Embeddings(
        ids=read_ids(folder / IDS),
        vectors=read_array(folder / VECTORS, width=width),
        user_ids=read_ids(folder / USER_IDS),
        user_vectors=read_array(folder / USER_VECTORS, width=width),
        settings=settings,
    )


def _user_blocks(run: Run, users: int) -> Iterator[tuple[int, np.ndarray]]:
    if not isinstance(run.model, Factored):
        return
    for start in track(range(0, users, USERS_AT_ONCE), "embedding users"):
        rows = np.arange(start, min(start + USERS_AT_ONCE, users))
        yield start, run.model.products(run.history.batch(rows)).queries


def _check_finite(vectors: np.ndarray, run: Run, kind: str, first: int = 0) -> None:
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        vocabulary = run.items if kind == "item" else run.users
        raise CheckFailed(
            f"{run.label}: the vector of {kind} `{vocabulary.ids[int(bad[0]) + first]}` is not "
            f"finite, and {len(bad) - 1:,} more",
            hint="training may have diverged: look at the losses, and lower the learning rate",
        )

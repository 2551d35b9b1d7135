"""How likely each behaviour is with what is recommended, and how it would be rated."""

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from grapevine.errors import ConfigError
from grapevine.structs.batch import Batch
from grapevine.structs.ranking import Ranking

if TYPE_CHECKING:  # a Run recommends through `models.recommend`
    from grapevine.models.run import Run


def chances_of(run: "Run", batch: Batch, ranking: Ranking, *, block: int) -> list[pl.Series]:
    """Two columns beside the lists, or one.

    Args:
        run: whose model is asked.
        batch: the questions.
        ranking: their lists; places of -1 have no row.
        block: how many questions are asked at once.

    Returns:
        `chances`, a struct with a number in [0, 1] for each behaviour, where the model learnt them;
        `rating`, in the unit of the events' values, where it learnt those.

    Raises:
        ConfigError: the model tells neither.
    """
    told = [
        _of_block(run, batch.slice(start, stop), ranking.slice(start, stop))
        for start in range(0, max(len(batch), 1), block)
        for stop in [min(start + block, len(batch))]
    ]
    return [pl.concat(columns) for columns in zip(*told, strict=True)]


def _of_block(run: "Run", batch: Batch, ranking: Ranking) -> list[pl.Series]:
    model = run.model
    there, items = ranking.items >= 0, np.maximum(ranking.items, 0).astype(np.int64)
    found, refused = list[pl.Series](), ""
    for tell in ("chances", "probabilities"):
        of_pairs = getattr(model, tell, None)
        if of_pairs is None:
            continue
        try:
            told = of_pairs(batch, items)[there]
        except ConfigError as error:  # it could, and was not taught to
            refused = str(error)
            continue
        names = getattr(model, "names", run.schema.behaviours)[: told.shape[1]]
        columns = [pl.Series(name, one) for name, one in zip(names, told.T, strict=True)]
        found.append(pl.DataFrame(columns).to_struct("chances"))
    ratings = getattr(model, "ratings", None)
    if ratings is not None:
        try:
            found.append(pl.Series("rating", ratings(batch, items)[there]))
        except ConfigError as error:
            refused = refused or str(error)
    if not found:
        raise ConfigError(
            refused or f"{run.label} orders items, and tells no chances",
            hint="train `vine`, or a second stage such as `dcn`",
        )
    return found

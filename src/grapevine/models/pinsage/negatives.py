"""Negatives: those a batch shares, and the hard ones of each pair."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64

from grapevine.graph.pagerank import ranked
from grapevine.log import logger
from grapevine.models.pinsage.config import Config
from grapevine.random import stream
from grapevine.structs.bipartite import Bipartite
from grapevine.structs.jagged import Jagged

SMALL = 20_000
"""Catalogues below this have their band by share."""

KEPT = 256
"""Items of a band that are kept for each item, drawn once; all where there are fewer."""

BLOCK = 1024

# B = pairs of a batch, S = shared negatives, R = hard negatives of a pair


def shared(
    config: Config,
    answers_B: Int64[np.ndarray, " pairs"],
    chances_I: Float32[np.ndarray, " items"],
    met_M: Int64[np.ndarray, " met"],
    draw: np.random.Generator,
) -> tuple[Int64[np.ndarray, " negatives"], Float32[np.ndarray, " negatives"]]:
    """Items that all pairs of a batch have as negatives, each once, and log of their chance.

    Uniform over the items that someone has met; beside them the answers of the batch, where
    "softmax" wants both. An item that nobody has met is no negative: it can never be an answer in
    training, and would only learn that new items are wrong.

    Args:
        config: the options.
        answers_B: of this batch.
        chances_I: how often each item is the answer of a pair.
        met_M: the items with an event in training.
        draw: names the draws.
    """
    count = min(config.negatives, len(met_M))
    if count == len(met_M):
        return met_M, np.zeros(count, np.float32)
    items = draw.choice(met_M, count, replace=False)
    of_answers = np.zeros(len(chances_I))
    if config.in_batch and config.loss == "softmax":
        items = np.union1d(items, answers_B)
        of_answers = chances_I.astype(np.float64)
    if not config.log_q:
        return items, np.zeros(len(items), np.float32)
    missed = (1 - count / len(met_M)) * (1 - of_answers[items]) ** len(answers_B)
    return items, np.log1p(-missed).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Bands:
    """Items that are near each item, and not too near: ranks of a band by personalised PageRank.

    Attributes:
        items: of each item those of its band, at most `KEPT`; none where too little is near.
        low: the first rank of the band, counted from 1.
        high: the last.
    """

    items: Jagged
    low: int
    high: int

    @classmethod
    def of(cls, config: Config, graph: Bipartite, *, seed: int) -> "Bands":
        """Rank what is near each item of the training graph, block by block."""
        low, high = band(config, graph.num_items)
        logger.info(
            "hard negatives: ranks %d to %d by personalised PageRank, of %d items",
            low, high, graph.num_items,
        )  # fmt: skip
        parts: list[np.ndarray] = []
        for start in range(0, graph.num_items, BLOCK):
            rows = np.arange(start, min(start + BLOCK, graph.num_items))
            near = ranked(graph, rows, most=high, restart=config.restart)
            for row, found in zip(rows.tolist(), near, strict=True):
                inside = found[low - 1 : high]
                if len(inside) > KEPT:
                    draw = stream(seed, "pinsage", "band", row)
                    inside = draw.choice(inside, KEPT, replace=False)
                parts.append(inside.astype(np.int32))
        return cls(Jagged.from_lists(parts), low, high)

    def draw(
        self,
        near_B: Int64[np.ndarray, " pairs"],
        count: int,
        draw: np.random.Generator,
    ) -> Int64[np.ndarray, "pairs own"]:
        """So many for each pair, uniform over the band of the item it names; -1 for none."""
        lengths_B = self.items.lengths[near_B]
        chosen_BR = (draw.random((len(near_B), count)) * lengths_B[:, None]).astype(np.int64)
        places_BR = self.items.offsets[near_B][:, None] + chosen_BR
        there_BR = np.broadcast_to(lengths_B[:, None] > 0, places_BR.shape)
        drawn_BR = np.full(places_BR.shape, -1, np.int64)
        drawn_BR[there_BR] = self.items.values[places_BR[there_BR]]
        return drawn_BR


def band(config: Config, num_items: int) -> tuple[int, int]:
    """First and last rank of the hard negatives, counted from 1."""
    if num_items >= SMALL:
        low, high = config.band
    else:
        low, high = (int(share * num_items) for share in config.band_share)
    return max(low, 1), max(high, low, 1)


def hard_in(config: Config, epoch: int) -> int:
    """How many hard negatives a pair has: none in the first epoch, one more in each later one.

    Args:
        config: has the most.
        epoch: counted from 0, where the paper counts from 1.
    """
    return min(epoch, config.hard_negatives)


def unknown(
    known: Jagged,
    keys_B: Int64[np.ndarray, " pairs"],
    drawn_BR: Int64[np.ndarray, "pairs own"],
) -> Bool[np.ndarray, "pairs own"]:
    """Which drawn items are there, and not in the list that their pair's key names."""
    if not drawn_BR.size:  # as in all of the first epoch
        return np.zeros(drawn_BR.shape, np.bool_)
    lists = known.take(keys_B)
    span = int(max(lists.values.max(initial=0), drawn_BR.max(initial=0))) + 1
    row = np.arange(len(keys_B))
    held = np.repeat(row, lists.lengths) * span + lists.values
    return (drawn_BR >= 0) & ~np.isin(row[:, None] * span + drawn_BR, held)

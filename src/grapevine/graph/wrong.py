"""Wrong answers of one type: drawn alike, by how often they are met, or lent by the batch."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from jaxtyping import Bool, Float64, Int32, Int64, Shaped

from grapevine.graph.counter import mix
from grapevine.graph.draws import draw_without_replacement
from grapevine.graph.levels import strangers
from grapevine.structs.jagged import Jagged


@dataclass(frozen=True)
class Negatives:
    """The nodes of one type, and how likely each is to be drawn.

    Attributes:
        first: row of the first of them.
        weights: of each, not negative.
    """

    first: int
    weights: Float64[np.ndarray, " nodes"]

    @classmethod
    def of_type(
        cls,
        counts: Shaped[np.ndarray, " all"],
        offsets: tuple[int, ...],
        kind: int,
        *,
        power: float = 0.75,
    ) -> Self:
        """The nodes of a type, by a power of how often each is met.

        Power 3/4 is word2vec's (Mikolov et al., NeurIPS 2013, section 2.2); 0 is uniform, and takes
        those that are never met too.

        Args:
            counts: of all nodes.
            offsets: of the types.
            kind: which type.
            power: of the counts.
        """
        met = np.asarray(counts[offsets[kind] : offsets[kind + 1]], np.float64)
        return cls(offsets[kind], met**power)

    @cached_property
    def totals(self) -> Float64[np.ndarray, " nodes"]:
        """Running sums of the weights."""
        return np.cumsum(self.weights)

    def draw(
        self,
        queries: Int64[np.ndarray, " queries"],
        n: int,
        *,
        seed: int,
        step: int = 0,
        known: Jagged | None = None,
    ) -> Int32[np.ndarray, "queries n"]:
        """Rows of n different nodes for each query; -1 where there are no more.

        What a query gets depends on (seed, step, query) and its own list alone.

        Args:
            queries: a key each, such as the row of the node that asks.
            n: how many.
            seed: names the draws.
            step: likewise.
            known: rows of the graph that a query may not get, one list for each: its positives.
                Those of other types do no harm.
        """
        exclude = Jagged.empty(len(queries)) if known is None else known
        if len(exclude) != len(queries):
            raise ValueError(f"got {len(exclude)} lists to leave out for {len(queries)} queries")
        own = exclude.values.astype(np.int64) - self.first
        own = np.where((own >= 0) & (own < len(self.weights)), own, -1)
        found = draw_without_replacement(
            np.uint64(mix(np.uint64(seed), np.uint64(step))),
            queries,
            exclude.offsets,
            own.astype(np.int32),
            self.weights,
            self.totals,
            n,
        )
        return np.where(found >= 0, found + self.first, -1).astype(np.int32)


def in_batch(
    positives: Int64[np.ndarray, " pairs"], known: Jagged
) -> tuple[Int64[np.ndarray, " nodes"], Bool[np.ndarray, "pairs nodes"]]:
    """The answers of a batch, each once, and which of them may be a negative of which pair.

    Args:
        positives: row of the answer of each pair.
        known: of each pair, rows that may not be its negatives; its answer is none anyway.
    """
    nodes = np.unique(positives)
    keep = strangers(known, np.arange(len(positives)), nodes)
    return nodes, keep & (nodes[None] != positives[:, None])

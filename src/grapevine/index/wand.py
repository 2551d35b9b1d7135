"""Posting lists of tokens, searched by weak-AND; and by scoring everything, which it must equal."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32, Int64

from grapevine.core.kernels.wand import weak_and
from grapevine.structs.jagged import Jagged, offsets_of
from grapevine.structs.ranking import Ranking


@dataclass(frozen=True, slots=True)
class Postings:
    """Which rows have each token, and what it counts for.

    Attributes:
        rows: of each token, the rows that have it, rising.
        weights: `(postings,)` positive; a row's score is the sum over the tokens it shares.
        bounds: `(tokens,)` the greatest weight of each token; 0 where no row has it.
        num_rows: how many rows there are.
    """

    rows: Jagged
    weights: Float32[np.ndarray, " postings"]
    bounds: Float32[np.ndarray, " tokens"]
    num_rows: int

    @classmethod
    def of(cls, tokens: Int32[np.ndarray, "rows lists"], num_tokens: int) -> "Postings":
        """Postings of rows that have as many distinct tokens each; rare tokens count for more.

        The weight of a token is ln(1 + rows / rows that have it).
        """
        num_rows, lists = tokens.shape
        flat = tokens.ravel()
        counts = np.bincount(flat, minlength=num_tokens)
        order = np.argsort(flat, kind="stable")
        rows = np.repeat(np.arange(num_rows, dtype=np.int32), lists)[order]
        rarity = np.log1p(num_rows / np.maximum(counts, 1)).astype(np.float32)
        return cls.weighted(Jagged(offsets_of(counts), rows), rarity[flat[order]], num_rows)

    @classmethod
    def weighted(
        cls, rows: Jagged, weights: Float32[np.ndarray, " postings"], num_rows: int
    ) -> "Postings":
        """Postings with weights of one's own; the bounds follow from them.

        Raises:
            ValueError: a weight is not positive, or a row is out of range: compiled code reads
                what they name.
        """
        values = rows.values
        if len(weights) != len(values) or not (weights > 0).all():
            raise ValueError("every posting needs a positive weight")
        if len(values) and not 0 <= values.min() <= values.max() < num_rows:
            raise ValueError(f"rows must lie in [0, {num_rows})")
        bounds = np.zeros(len(rows), np.float32)
        np.maximum.at(bounds, np.repeat(np.arange(len(rows)), rows.lengths), weights)
        return cls(rows, weights, bounds, num_rows)

    def search(
        self, tokens: Int32[np.ndarray, "queries lists"], k: int
    ) -> tuple[Ranking, Int64[np.ndarray, " queries"]]:
        """The best k rows by token score, ties to the lower row; and how many rows were scored.

        A row that shares no token is no answer.

        Raises:
            ValueError: a token is out of range, or k below 1.
        """
        if k < 1:
            raise ValueError(f"the best k rows, k at least 1: got {k}")
        if tokens.size and not 0 <= tokens.min() <= tokens.max() < len(self.rows):
            raise ValueError(f"tokens must lie in [0, {len(self.rows)})")
        items = np.full((len(tokens), k), -1, np.int32)
        scores = np.full((len(tokens), k), -np.inf)
        scored = weak_and(
            tokens, self.rows.offsets, self.rows.values, self.weights, self.bounds, items, scores
        )
        return Ranking(items, scores.astype(np.float32)), scored

    def search_all(self, tokens: Int32[np.ndarray, "queries lists"], k: int) -> Ranking:
        """The same by scoring every row: the plain way, which `search` must equal."""
        items = np.full((len(tokens), k), -1, np.int32)
        best = np.full((len(tokens), k), -np.inf, np.float32)
        for query, mine in enumerate(tokens):
            scores = np.zeros(self.num_rows)
            for token in mine:
                low, high = self.rows.offsets[token], self.rows.offsets[token + 1]
                scores[self.rows.values[low:high]] += self.weights[low:high]
            order = np.argsort(-scores, kind="stable")[:k]
            order = order[scores[order] > 0]
            items[query, : len(order)], best[query, : len(order)] = order, scores[order]
        return Ranking(items, best)

"""Which items stand against the answers of a batch: how they are drawn, and with which chance."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Float64, Int64

from grapevine.models.sequence.config import Config, Drawn

# T = answers of a batch, S = items drawn for all of them, I = items


@dataclass(frozen=True, slots=True)
class Negatives:
    """Items that all positions of a batch share.

    Attributes:
        items: `(S,)` each once.
        times: `(S,)` how often each was drawn.
        total: how many draws there were: the sum of `times`.
    """

    items: Int64[np.ndarray, " drawn"]
    times: Int64[np.ndarray, " drawn"]
    total: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """From what negatives are drawn.

    - "uniform": every item alike, and none twice.
    - "popularity": by the power alpha of how many events an item has.
    - "in-batch": answers of the batch, so by popularity itself, at no cost.
    - "mixed": half of them answers of the batch and half uniform, so that items that are rarely an
      answer are told off too (Yang et al., WWW 2020).

    Attributes:
        drawn: which of them.
        negatives: draws of a batch, at most.
        chances: `(I,)` Q, of each item in a draw; of "mixed", in one of either kind.
        sums: `(I,)` of the chances of "popularity", one after another.
    """

    drawn: Drawn
    negatives: int
    chances: Float64[np.ndarray, " items"]
    sums: Float64[np.ndarray, " items"]

    @classmethod
    def of(cls, config: Config, counts: Int64[np.ndarray, " items"]) -> Self:
        """By the options, and how many events each item has."""
        even = np.full(len(counts), 1 / max(len(counts), 1))
        power = config.alpha if config.drawn == "popularity" else 1.0
        # What has no event is never drawn, whatever the power.
        by_count = np.where(counts > 0, counts.astype(float) ** power, 0.0)
        by_count /= by_count.sum() or 1.0
        chances = {
            "uniform": even, "popularity": by_count, "in-batch": by_count,
            "mixed": (even + by_count) / 2,
        }[config.drawn]  # fmt: skip
        return cls(config.drawn, config.negatives, chances, np.cumsum(by_count))

    def draw(
        self, answers_T: Int64[np.ndarray, " answers"], draw: np.random.Generator
    ) -> Negatives:
        """The negatives of a batch.

        Args:
            answers_T: of the batch; at least one.
            draw: names the draws.
        """
        if self.drawn == "uniform":
            count = min(self.negatives, len(self.chances))
            items = draw.choice(len(self.chances), count, replace=False, shuffle=False)
        elif self.drawn == "popularity":
            # Rounding may leave the last sum a hair below one.
            at = draw.random(self.negatives) * self.sums[-1]
            items = np.minimum(np.searchsorted(self.sums, at, "right"), len(self.sums) - 1)
        elif self.drawn == "in-batch":
            items = _some(answers_T, self.negatives, draw)
        else:
            met = _some(answers_T, max(self.negatives // 2, 1), draw)
            items = np.concatenate([met, draw.integers(len(self.chances), size=len(met))])
        found, times = np.unique(items, return_counts=True)
        return Negatives(found, times, len(items))


def _some(
    answers_T: Int64[np.ndarray, " answers"], count: int, draw: np.random.Generator
) -> Int64[np.ndarray, " drawn"]:
    return draw.choice(answers_T, min(count, len(answers_T)), replace=False, shuffle=False)

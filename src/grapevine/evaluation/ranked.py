"""Where the targets of each query came, and what was shown."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int32

from grapevine.structs.jagged import Jagged
from grapevine.structs.ranking import Ranking


@dataclass(frozen=True, slots=True)
class Ranked:
    """Where the targets of each query came, and what was shown.

    Attributes:
        targets: item rows, the best placed first; -1 is an item training could not know.
        ranks: float64, rising; half places are ties, infinity is missed.
        num_candidates: `(queries,)` items that could be shown.
        best: the lists.
        silent: queries of which the model said nothing, answered by popularity in its stead.
    """

    targets: Jagged
    ranks: Jagged
    num_candidates: Int32[np.ndarray, " queries"]
    best: Ranking
    silent: int = 0

    def __len__(self) -> int:
        return len(self.ranks)

    def ranks_where(self, keep: Bool[np.ndarray, " targets"]) -> Jagged:
        """Ranks of some of the targets alone."""
        return self.ranks.where(keep)


def distinct(lists: Jagged) -> Jagged:
    """The same lists with each item once, at its first place; every -1 stays."""
    if len(lists.values) == len(lists):
        return lists
    query = np.repeat(np.arange(len(lists)), lists.lengths)
    order = np.lexsort((np.arange(len(query)), lists.values, query))
    item, owner = lists.values[order], query[order]
    repeat = np.zeros(len(order), bool)
    repeat[1:] = (item[1:] == item[:-1]) & (owner[1:] == owner[:-1]) & (item[1:] >= 0)
    keep = np.ones(len(order), bool)
    keep[order[repeat]] = False
    return lists.where(keep)

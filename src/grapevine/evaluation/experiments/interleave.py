"""Two rankings in one list: which of them do the same people prefer?

Team draft (Radlinski et al., CIKM 2008): in each round a coin decides whose turn is first, and each
side adds its best item that is not in the list yet; a click counts for the side whose item it is.
Every user compares both, so it takes far fewer of them than an A/B test, and it tells which list is
preferred, not by how much a business metric moves. Balanced interleaving is left out: where one
list is the other shifted by one, it prefers one of them under random clicks.
"""

# U = users, K = places of the list

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int8, Int64, Integer
from scipy.special import bdtr

from grapevine.evaluation.compare import Z95

FIRST, SECOND, NOBODY = 0, 1, -1


@dataclass(frozen=True, slots=True)
class Drafted:
    """Interleaved lists.

    Attributes:
        items: `(U, K)` what is shown, -1 beyond the end of both lists.
        team: `(U, K)` whose item it is: 0 the first ranking's, 1 the second's, -1 nobody's.
    """

    items: Int64[np.ndarray, "U K"]
    team: Int8[np.ndarray, "U K"]

    def credit(
        self, clicks: Bool[np.ndarray, "U K"] | Int64[np.ndarray, "U K"]
    ) -> Int64[np.ndarray, " U"]:
        """Clicks on items of the second ranking minus those of the first, for each user."""
        second, first = (np.where(self.team == one, clicks, 0).sum(1) for one in (SECOND, FIRST))
        return second - first


def team_draft(
    first: Integer[np.ndarray, "U A"],
    second: Integer[np.ndarray, "U B"],
    k: int,
    rng: np.random.Generator,
) -> Drafted:
    """Interleave two rankings for each user.

    Args:
        first: items, best first; -1 fills up shorter lists.
        second: likewise.
        k: length of the lists to show.
        rng: throws a coin a round.
    """
    users = len(first)
    sides = (first.astype(np.int64), second.astype(np.int64))
    used = [side < 0 for side in sides]
    items = np.full((users, k), -1, np.int64)
    team = np.full((users, k), NOBODY, np.int8)
    row = np.arange(users)
    begins = np.zeros(users, np.int64)
    for place in range(k):
        if place % 2 == 0:
            begins = rng.integers(0, 2, users)
        turn = begins if place % 2 == 0 else 1 - begins
        left = np.stack([~one.all(1) for one in used])
        # Who has nothing left to add leaves the turn to the other.
        turn = np.where(left[turn, row], turn, 1 - turn)
        best = np.stack([side[row, one.argmin(1)] for side, one in zip(sides, used, strict=True)])
        there = left[turn, row]
        items[there, place] = best[turn, row][there]
        team[there, place] = turn[there]
        for side, one in zip(sides, used, strict=True):
            one |= side == items[:, place, None]
    return Drafted(items, team)


@dataclass(frozen=True, slots=True)
class Preference:
    """Which ranking users preferred.

    Attributes:
        first: users whose clicks went more to the first ranking.
        second: users whose clicks went more to the second.
        ties: users with as many clicks on both, or none.
        share: of the second among those who preferred one; 1/2 where nobody did.
        low: lower end of its 95 % interval (Wilson).
        high: upper end.
        p: two-sided sign test of a share of 1/2.
    """

    first: int
    second: int
    ties: int
    share: float
    low: float
    high: float
    p: float

    @property
    def winner(self) -> int:
        """0 or 1 for the ranking that is preferred, -1 if that is not sure at 5 %."""
        if self.p > 0.05:
            return NOBODY
        return SECOND if self.second > self.first else FIRST

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "winner": self.winner}


def preference(credit: Int64[np.ndarray, " users"] | Float64[np.ndarray, " users"]) -> Preference:
    """Sign test over users: each counts once, however often they clicked.

    Args:
        credit: of each user over all their lists, the second ranking's clicks minus the first's.
    """
    second, first = int((credit > 0).sum()), int((credit < 0).sum())
    sure = first + second
    low, high = wilson(second, sure)
    # Twice the chance of as few or fewer for the one that has fewer.
    p = min(1.0, 2 * float(bdtr(min(first, second), sure, 0.5))) if sure else 1.0
    share = second / sure if sure else 0.5
    return Preference(first, second, len(credit) - sure, share, low, high, p)


def wilson(successes: int, trials: int, z: float = Z95) -> tuple[float, float]:
    """Wilson's interval of a share; (0, 1) where nothing was tried.

    >>> low, high = wilson(7, 10)
    >>> round(low, 4), round(high, 4)
    (0.3968, 0.8922)
    """
    if not trials:
        return 0.0, 1.0
    share, room = successes / trials, z * z / trials
    middle = (share + room / 2) / (1 + room)
    reach = z * math.sqrt(share * (1 - share) / trials + room / (4 * trials)) / (1 + room)
    return max(0.0, middle - reach), min(1.0, middle + reach)

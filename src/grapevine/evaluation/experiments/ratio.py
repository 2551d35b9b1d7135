"""Whether the arms got the users that they should: the first thing to look at, and often the last.

A sample ratio that is off means that users were lost on the way in one arm and not in the other
(Fabijan et al., KDD 2019): whatever the metric says, it compares two different crowds.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64
from scipy.special import chdtrc, gammaln

from grapevine.errors import ConfigError

ALARM = 0.001
"""p below which the analysis stops."""


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """Users of each arm against the design.

    Attributes:
        counts: users of each arm.
        expected: what the shares promise, of as many users.
        chi_square: sum of (count - expected)^2 / expected.
        p: chance of one as large under the design; 1 where there are no users.
    """

    counts: tuple[int, ...]
    expected: tuple[float, ...]
    chi_square: float
    p: float

    @property
    def alarm(self) -> bool:
        """Whether the arms cannot be compared."""
        return self.p < ALARM

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        named = asdict(self)
        return {**named, "counts": list(self.counts), "expected": list(self.expected),
                "alarm": self.alarm}  # fmt: skip


def sample_ratio(counts: Sequence[int], shares: Sequence[float]) -> SampleRatio:
    """Pearson's chi-square of the arms' counts against their shares.

    Raises:
        ConfigError: not one share for each of two or more arms.

    >>> found = sample_ratio([50_000, 50_700], [0.5, 0.5])
    >>> round(found.chi_square, 3), round(found.p, 4), found.alarm
    (4.866, 0.0274, False)
    """
    if len(counts) != len(shares) or len(counts) < 2:
        raise ConfigError(f"{len(counts)} counts and {len(shares)} shares: give one for each arm")
    expected = sum(counts) * np.array(shares) / sum(shares)
    if not sum(counts):
        return SampleRatio(tuple(counts), tuple(expected.tolist()), 0.0, 1.0)
    square = float(((np.array(counts) - expected) ** 2 / expected).sum())
    p = float(chdtrc(len(counts) - 1, square))
    return SampleRatio(tuple(counts), tuple(expected.tolist()), square, p)


def watched_ratio(
    counts: Int64[np.ndarray, "days arms"], shares: Sequence[float]
) -> Float64[np.ndarray, " days"]:
    """P of the sample ratio that may be looked at every day without more false alarms.

    The chi-square test holds for one look. This is one over the greatest Bayes factor so far of
    shares drawn from a Dirichlet around the design against the design itself, a martingale under
    the design (Lindon & Malek, NeurIPS 2022), so it falls below p at any time with a chance of at
    most p.

    Args:
        counts: users of each arm by the end of each day.
        shares: of the design.
    """
    design = np.array(shares) / sum(shares)
    prior = _STRENGTH * design
    total = counts.sum(1)
    factor = gammaln(_STRENGTH) - gammaln(_STRENGTH + total)
    factor += (gammaln(prior + counts) - gammaln(prior) - counts * np.log(design)).sum(1)
    return np.minimum(1, np.exp(-np.maximum.accumulate(factor)))


_STRENGTH = 10_000.0
"""Weight of the Dirichlet in users: deviations of about a hundredth are found the soonest."""

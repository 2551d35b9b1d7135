"""Ranking metrics: pure functions from the ranks of a query's targets to one value a query.

Every function takes `ranks`, one list a query: 1 is first place, half places are ties (see
`rank.py`), infinity is a target that was missed. Lists rise. A query without a target is worth
NaN, so that a mean has to face it. Reports average over queries, each counted once (macro).
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float64, Int32

from grapevine.errors import ConfigError, unknown
from grapevine.structs.jagged import Jagged

PerQuery = Float64[np.ndarray, " queries"]


def hr(ranks: Jagged, k: int) -> PerQuery:
    """Hit rate: 1 if any target is among the first k, else 0."""
    return _where_asked(ranks, (_hits(ranks, k) > 0).astype(float))


def recall(ranks: Jagged, k: int) -> PerQuery:
    """Share of the targets that are among the first k."""
    return _hits(ranks, k) / _relevant(ranks)


def recall_capped(ranks: Jagged, k: int) -> PerQuery:
    """Targets among the first k, out of those that fit there: min(k, targets)."""
    return _hits(ranks, k) / np.minimum(_relevant(ranks), k)


def precision(ranks: Jagged, k: int) -> PerQuery:
    """Share of the first k places that hold a target."""
    return _where_asked(ranks, _hits(ranks, k) / k)


def ndcg(ranks: Jagged, k: int) -> PerQuery:
    """Binary normalised discounted cumulative gain (Järvelin & Kekäläinen, TOIS 2002).

    A target at rank r <= k gains 1 / log2(r + 1); the ideal list starts with min(k, targets)
    targets. With a single target this is the gain itself.
    """
    gains = np.where(ranks.values <= k, 1 / np.log2(ranks.values + 1), 0.0)
    ideal = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(k) + 2))])
    best = ideal[np.minimum(ranks.lengths, k)]
    return _sum(ranks, gains) / np.where(best > 0, best, np.nan)


def mrr(ranks: Jagged, k: int | None = None) -> PerQuery:
    """Mean reciprocal rank: 1 / rank of the best target; 0 beyond k, where k is given."""
    best = _best(ranks)
    within = best <= (np.inf if k is None else k)
    return _where_asked(ranks, np.where(within, 1 / best, 0.0))


def average_precision(ranks: Jagged, k: int) -> PerQuery:
    """Precision at each hit among the first k, summed, over min(k, targets); its mean is MAP."""
    nth = np.arange(len(ranks.values)) - np.repeat(ranks.offsets[:-1], ranks.lengths) + 1
    gains = np.where(ranks.values <= k, nth / ranks.values, 0.0)
    return _sum(ranks, gains) / np.minimum(_relevant(ranks), k)


def scaled_mrr(ranks: Jagged) -> PerQuery:
    """1 / ceil(rank / 100), averaged over the targets (PinSage, KDD 2018, section 4.2)."""
    return _sum(ranks, 1 / np.ceil(ranks.values / 100)) / _relevant(ranks)


def auc(ranks: Jagged, num_candidates: Int32[np.ndarray, " queries"]) -> PerQuery:
    """P(target scores above a non-target) + half of P(equal); a missed target loses to all.

    Args:
        ranks: of the targets.
        num_candidates: items that could be shown to each query, targets that can be found
            included. NaN where all of them are targets.
    """
    found = _sum(ranks, np.isfinite(ranks.values).astype(float))
    missed = ranks.lengths - found
    others = num_candidates - found
    # Ranks count the other targets too: each pair of them adds one place, whoever leads.
    places = _sum(ranks, np.where(np.isfinite(ranks.values), ranks.values - 1, 0.0))
    above = places - found * (found - 1) / 2 + missed * others
    pairs = ranks.lengths * others
    return 1 - above / np.where(pairs > 0, pairs, np.nan)


CUT: dict[str, Callable[[Jagged, int], PerQuery]] = {
    "hr": hr,
    "ndcg": ndcg,
    "recall": recall,
    "recall_capped": recall_capped,
    "precision": precision,
    "map": average_precision,
    "mrr": mrr,
}
"""Metrics of the first k places, by name."""

UNCUT: dict[str, Callable[[Jagged, Int32[np.ndarray, " queries"]], PerQuery]] = {
    "mrr": lambda ranks, num_candidates: mrr(ranks),
    "auc": auc,
    "scaled_mrr": lambda ranks, num_candidates: scaled_mrr(ranks),
}
"""Metrics of all places, by name, from the ranks and the number of candidates."""


def named(name: str) -> Callable[[Jagged, Int32[np.ndarray, " queries"]], PerQuery]:
    """The metric called `ndcg@10` or `mrr`, from the ranks and the number of candidates.

    Raises:
        ConfigError: there is none, or its cut is missing, too much or no positive integer.
    """
    base, at, cut = name.partition("@")
    if base not in CUT and base not in UNCUT:
        raise unknown("metric of ranks", base, {*CUT, *UNCUT})
    if not at and base in UNCUT:
        return UNCUT[base]
    if base not in CUT or not cut.isdecimal() or int(cut) == 0:
        right = f"{base}@10" if base in CUT else base
        raise ConfigError(f"`{name}` is not a metric", hint=f"write {right}")
    return lambda ranks, num_candidates: CUT[base](ranks, int(cut))


def _sum(ranks: Jagged, values: Float64[np.ndarray, " targets"]) -> PerQuery:
    query = np.repeat(np.arange(len(ranks)), ranks.lengths)
    # Without any target bincount would count instead of summing, and return integers.
    return np.bincount(query, weights=values, minlength=len(ranks)).astype(np.float64)


def _hits(ranks: Jagged, k: int) -> PerQuery:
    return _sum(ranks, (ranks.values <= k).astype(float))


def _relevant(ranks: Jagged) -> PerQuery:
    return np.where(ranks.lengths > 0, ranks.lengths, np.nan)


def _best(ranks: Jagged) -> PerQuery:
    # The sentinel stands in for the first value of an empty list at the very end.
    first = np.concatenate([ranks.values, [np.inf]])[ranks.offsets[:-1]]
    return np.where(ranks.lengths > 0, first, np.inf)


def _where_asked(ranks: Jagged, values: PerQuery) -> PerQuery:
    return np.where(ranks.lengths > 0, values, np.nan)

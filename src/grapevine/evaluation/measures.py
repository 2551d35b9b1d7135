"""The metrics by name, and all of them for one ranked model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float64, Int64

from grapevine.data.dataset import Dataset
from grapevine.data.holdout import Holdout
from grapevine.errors import ConfigError, unknown
from grapevine.evaluation import beyond, metrics
from grapevine.evaluation.ranked import Ranked
from grapevine.graph.cooccurrence import distinct
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged

PerQuery = Float64[np.ndarray, " queries"]

BLOCK = 8192
"""Histories looked at together."""


@dataclass(frozen=True)
class World:
    """What metrics beyond accuracy need to know of the data.

    Attributes:
        holdout: the questions.
        train: the catalogue, and what is popular.
        seed: for metrics that draw pairs.
    """

    holdout: Holdout
    train: Dataset
    seed: int = 0

    @cached_property
    def counts(self) -> Int64[np.ndarray, " items"]:
        """Training events of each item, of the target behaviour."""
        return self.train.target_interactions.counts()

    @cached_property
    def takers(self) -> Int64[np.ndarray, " items"]:
        """Training users of each item, by the target behaviour, however often they took it."""
        taken = distinct(self.train.target_interactions.histories, len(self.train.items))
        return np.bincount(taken.values, minlength=len(self.train.items))

    @cached_property
    def features(self) -> sp.csr_array | None:
        """Categories and tags of each item, or None where the catalogue has none."""
        return beyond.item_features(self.train)

    @cached_property
    def profile_popularity(self) -> float:
        """Mean popularity of what a query has in its history, averaged over the queries."""
        total, queries = 0.0, 0
        for start in range(0, len(self.holdout), BLOCK):
            history = self.histories(start)
            weights = self.counts[history.values].astype(float)
            owner = np.repeat(np.arange(len(history)), history.lengths)
            sums = np.bincount(owner, weights=weights, minlength=len(history))
            some = history.lengths > 0
            total += float((sums[some] / history.lengths[some]).sum())
            queries += int(some.sum())
        return total / queries if queries else float("nan")

    def histories(self, start: int) -> Jagged:
        """Known items of the target behaviour of a block of queries."""
        return self._batch(start).seen(self.holdout.target)

    def had(self, start: int) -> Jagged:
        """What lists leave out of a block of queries."""
        return self.holdout.had(self._batch(start))

    def _batch(self, start: int) -> Batch:
        return self.holdout.questions(start, min(start + BLOCK, len(self.holdout)))


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric of the table.

    Attributes:
        meaning: in a line, for people.
        better: 1 if more is better, -1 if less is, 0 if neither can be said.
        compute: from what was ranked, the world and k, to one value a query or one in all.
        cut: whether it looks at the first k places only, so that its name carries `@k`.
    """

    meaning: str
    better: int
    compute: Callable[[Ranked, World, int], PerQuery | float]
    cut: bool = True


def _accuracy(name: str) -> Callable[[Ranked, World, int], PerQuery]:
    function = metrics.CUT[name]
    return lambda ranked, world, k: function(ranked.ranks, k)


def _shown(ranked: Ranked, world: World, k: int) -> Int64[np.ndarray, " items"]:
    return beyond.exposure(ranked.best.items[:, :k], len(world.train.items))


def _novelty(ranked: Ranked, world: World, k: int) -> PerQuery:
    return beyond.novelty(ranked.best.items[:, :k], world.takers, len(world.train.users))


def _arp(ranked: Ranked, world: World, k: int) -> PerQuery:
    return beyond.popularity(ranked.best.items[:, :k], world.counts)


def _lift(ranked: Ranked, world: World, k: int) -> float:
    shown = _arp(ranked, world, k)
    if not np.isfinite(shown).any() or not world.profile_popularity > 0:
        return float("nan")
    return float(np.nanmean(shown)) / world.profile_popularity - 1


def _ild(ranked: Ranked, world: World, k: int) -> PerQuery | float:
    if world.features is None:
        return float("nan")
    return beyond.diversity(ranked.best.items[:, :k], world.features)


def _calibration(ranked: Ranked, world: World, k: int) -> PerQuery | float:
    if world.features is None:
        return float("nan")
    parts = [
        beyond.miscalibration(
            world.histories(start), ranked.best.items[start : start + BLOCK, :k], world.features
        )
        for start in range(0, len(ranked), BLOCK)
    ]
    return np.concatenate(parts) if parts else float("nan")


METRICS: dict[str, Metric] = {
    "hr": Metric("queries with a target among the first k", 1, _accuracy("hr")),
    "ndcg": Metric("discounted gain of the first k, of the best possible", 1, _accuracy("ndcg")),
    "recall": Metric("targets found among the first k", 1, _accuracy("recall")),
    "recall_capped": Metric("recall, of at most k targets", 1, _accuracy("recall_capped")),
    "precision": Metric("places of the first k that hold a target", 1, _accuracy("precision")),
    "map": Metric("average precision of the first k", 1, _accuracy("map")),
    "mrr": Metric(
        "1 / rank of the first target", 1, lambda r, w, k: metrics.mrr(r.ranks), cut=False
    ),
    "auc": Metric(
        "chance that a target beats another item",
        1,
        lambda r, w, k: metrics.auc(r.ranks, r.num_candidates),
        cut=False,
    ),
    "scaled_mrr": Metric(
        "1 / ceil(rank / 100)", 1, lambda r, w, k: metrics.scaled_mrr(r.ranks), cut=False
    ),
    "coverage": Metric(
        "catalogue that is in any list", 1, lambda r, w, k: beyond.coverage(_shown(r, w, k))
    ),
    "gini": Metric(
        "inequality of exposure, 0 equal", -1, lambda r, w, k: beyond.gini(_shown(r, w, k))
    ),
    "entropy": Metric(
        "spread of exposure in bits", 1, lambda r, w, k: beyond.entropy(_shown(r, w, k))
    ),
    "novelty": Metric("surprise of a listed item in bits", 0, _novelty),
    "arp": Metric("training events of a listed item", 0, _arp),
    "popularity_lift": Metric("arp over that of the histories, - 1", 0, _lift),
    "aplt": Metric(
        "listed items outside the most popular that hold 20 % of the events",
        0,
        lambda r, w, k: beyond.tail_share(r.best.items[:, :k], w.counts),
    ),
    "serendipity": Metric(
        "listed items that are a target and not among the k most popular",
        1,
        lambda r, w, k: beyond.serendipity(r.best.items[:, :k], r.targets, w.counts),
    ),
    "ild": Metric("1 - cosine of categories and tags within a list", 0, _ild),
    "calibration_kl": Metric(
        "distance of the list's categories from the history's", -1, _calibration
    ),
    "personalisation": Metric(
        "1 - overlap of two users' lists",
        0,
        lambda r, w, k: beyond.personalisation(r.best.items[:, :k], seed=w.seed),
    ),
}
"""Every metric by name; `grapevine evaluate` takes these."""

USUAL = tuple(name for name in METRICS if name not in {"recall_capped", "scaled_mrr"})
"""Those of a report, where none are named."""


def wanted(names: Sequence[str] | None, k: int) -> dict[str, tuple[Metric, int]]:
    """Metrics by the name a report gives them (`ndcg@10`), each with its k.

    Args:
        names: `ndcg` (cut at k), `ndcg@5`; `mrr` is not cut, `mrr@10` is. The usual ones if None.
        k: where no name says otherwise.

    Raises:
        ConfigError: a name is unknown, or its cut is no positive integer.
    """
    found: dict[str, tuple[Metric, int]] = {}
    for given in USUAL if names is None else names:
        name, at, text = given.partition("@")
        if name not in METRICS:
            raise unknown("metric", name, METRICS)
        metric = METRICS[name]
        if at and (
            not text.isdecimal() or int(text) == 0 or not (metric.cut or name in metrics.CUT)
        ):
            raise ConfigError(f"`{given}` is not a metric", hint=f"write {name} or {name}@10")
        if at and not metric.cut:
            metric = Metric(f"{metric.meaning}, 0 beyond k", metric.better, _accuracy(name))
        cut = int(text) if at else k
        found[f"{name}@{cut}" if metric.cut else name] = (metric, cut)
    return found


def better(name: str) -> int:
    """1 if more of this metric is better, -1 if less is, 0 if neither can be said."""
    return METRICS[name.partition("@")[0]].better

"""Means over things that people chose to rate, corrected for what they chose.

Who rates picks what they like, so the mean of the ratings that there are is not that of all there
could be (missing not at random). With the chance p that a rating is there, each stands for 1 / p of
them (Schnabel et al., ICML 2016).
"""

import numpy as np
from jaxtyping import Float64, Int64

from grapevine import random
from grapevine.errors import DataError
from grapevine.evaluation.report import Estimate
from grapevine.evaluation.significance import interval, num_resamples, resample_means


def selected_mean(
    values: Float64[np.ndarray, " ratings"],
    propensity: Float64[np.ndarray, " ratings"],
    user: Int64[np.ndarray, " ratings"],
    *,
    population: int,
    seed: int = 0,
) -> dict[str, Estimate]:
    """Mean of all values that there could be, with 95 % intervals over users.

    Args:
        values: of the ratings that are there.
        propensity: chance of each that it is there.
        user: who gave it.
        population: how many there could be: users times items.
        seed: of the bootstrap.

    Returns:
        `naive`, the plain mean; `ips`, weighted, over the population; `snips`, weighted, over the
        sum of the weights.

    Raises:
        DataError: a propensity lies outside (0, 1].
    """
    if not ((propensity > 0) & (propensity <= 1)).all():
        raise DataError(
            f"propensities must lie in (0, 1], got {propensity.min():g} to {propensity.max():g}"
        )
    who = np.unique(user, return_inverse=True)[1]
    people = int(who.max()) + 1
    weight = 1 / propensity
    columns = (values, np.ones(len(values)), weight * values, weight)
    sums = np.stack([np.bincount(who, column, people) for column in columns])
    sums = np.concatenate([sums, np.full((1, people), population / people)])
    drawn = resample_means(
        sums, resamples=num_resamples(people), rng=random.stream(seed, "selected")
    ).T
    parts = {"naive": (0, 1), "ips": (2, 4), "snips": (2, 3)}
    total = sums.sum(1)
    return {
        name: Estimate(float(total[a] / total[b]), *interval(drawn[a] / drawn[b]))
        for name, (a, b) in parts.items()
    }

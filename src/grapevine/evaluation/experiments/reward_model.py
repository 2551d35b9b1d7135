"""Rewards as a model expects them that has not seen the user: for doubly robust estimates.

A model that has seen the reward which it is to correct makes the estimate biased, so users are
dealt into folds, and each fold is predicted by what was learnt from the others. The model is ridge
regression: a mean, and a weight for each feature.
"""

# R = rounds, A = actions (items), F = features

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float64, Int64, Integer, Num, Shaped

from grapevine import random

FOLDS, RIDGE = 5, 10.0
"""Folds; and the rounds that a weight is shrunk by."""


def cross_fitted(
    features: Num[np.ndarray, "R F"],
    action: Integer[np.ndarray, " R"],
    reward: Shaped[np.ndarray, " R"],
    num_actions: int,
    *,
    user: Int64[np.ndarray, " R"] | None = None,
    folds: int = FOLDS,
    ridge: float = RIDGE,
    seed: int = 0,
) -> Float64[np.ndarray, "R A"]:
    """Reward of every action in every round: a weight for each feature and one for each action.

    Args:
        features: of the context; may have no column.
        action: what was shown.
        reward: what came of it.
        num_actions: A.
        user: who; every round is somebody else's if not given.
        folds: two or more.
        ridge: rounds that a weight is shrunk by.
        seed: of the folds.
    """
    width = features.shape[1]
    taken = np.eye(num_actions)[action]
    predicted = np.empty((len(action), num_actions))
    design = np.concatenate([features, taken], axis=1)
    for asked, mean, weights in _fits(design, reward, user, folds, ridge, seed):
        context = features[asked] @ weights[:width]
        predicted[asked] = mean + context[:, None] + weights[width:]
    return predicted


def cross_fitted_pairs(
    shown: Num[np.ndarray, "R F"],
    wanted: Num[np.ndarray, "R F"],
    reward: Shaped[np.ndarray, " R"],
    *,
    user: Int64[np.ndarray, " R"] | None = None,
    folds: int = FOLDS,
    ridge: float = RIDGE,
    seed: int = 0,
) -> tuple[Float64[np.ndarray, " R"], Float64[np.ndarray, " R"]]:
    """Reward of what was shown in every round, and of what another policy would show.

    For policies that always do the same in a round, over more actions than can be listed.

    Args:
        shown: features of what was shown, in its context.
        wanted: features of what the other policy would have shown.
        reward: what came of what was shown.
        user: who; every round is somebody else's if not given.
        folds: two or more.
        ridge: rounds that a weight is shrunk by.
        seed: of the folds.
    """
    predicted, value = (np.empty(len(reward)) for _ in range(2))
    for asked, mean, weights in _fits(shown, reward, user, folds, ridge, seed):
        predicted[asked] = mean + shown[asked] @ weights
        value[asked] = mean + wanted[asked] @ weights
    return predicted, value


def _fits(
    design: Num[np.ndarray, "R F"],
    reward: Shaped[np.ndarray, " R"],
    user: Int64[np.ndarray, " R"] | None,
    folds: int,
    ridge: float,
    seed: int,
) -> Iterator[tuple[Bool[np.ndarray, " R"], float, Float64[np.ndarray, " F"]]]:
    """For each fold its rounds, and the mean and weights learnt from the others."""
    who = np.arange(len(reward)) if user is None else np.unique(user, return_inverse=True)[1]
    people = int(who.max()) + 1
    fold = random.stream(seed, "cross-fit").permutation(np.arange(people) % folds)[who]
    for one in range(folds):
        known, told = design[fold != one], reward[fold != one]
        mean = float(told.mean()) if len(told) else 0.0
        gram = known.T @ known + ridge * np.eye(design.shape[1])
        yield fold == one, mean, np.linalg.solve(gram, known.T @ (told - mean))

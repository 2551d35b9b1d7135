"""The loop: epochs of steps, until there is nothing more to learn or no more time."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grapevine.data.dataset import Dataset
from grapevine.models.base import Config, Learner, Model, Trained


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """What one training session may do, none of which changes what is learnt by when.

    Attributes:
        folder: where checkpoints and `metrics.jsonl` go; nowhere if not given.
        resume: go on from the last checkpoint of the folder.
        time_limit: seconds after which the best so far is kept.
        validate: what a model is worth, more is better; early stopping needs it.
        metric: what `validate` measures, by name.
    """

    folder: Path | None = None
    resume: bool = False
    time_limit: float | None = None
    validate: Callable[[Model], float] | None = None
    metric: str = "ndcg@10"


def fit(
    config: Config[Any] | Trained[Any],
    train: Dataset,
    *,
    seed: int = 0,
    session: Session | None = None,
) -> Any:
    """The fitted model: in closed form where the config has one, else step by step."""
    if not isinstance(config, Trained):
        return config.fit(train, seed=seed)
    return run(config.learner(train, seed=seed), session or Session())


def run(learner: Learner[Any], session: Session) -> Any:
    """Train, and give the model."""
    started = time.monotonic()
    for epoch in range(learner.epochs):
        batches = learner.batches(epoch)
        for step in range(len(batches)):
            learner.step(batches[step], learner.rate(epoch, step, len(batches)))
            if session.time_limit and time.monotonic() - started > session.time_limit:
                return learner.model()
    return learner.model()

"""What a training may do, and what came of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grapevine.models.base import Model

OnEpoch = Callable[[Mapping[str, Any]], None]
"""Told of each epoch once it is validated: its line of `metrics.jsonl`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """What one training session may do, none of which changes what is learnt by when.

    Attributes:
        folder: where checkpoints and `metrics.jsonl` go; nowhere if not given.
        resume: go on from the last checkpoint of the folder.
        time_limit: seconds after which the best so far is kept.
        validate: what a model is worth, more is better; early stopping needs it.
        metric: what `validate` measures, by name.
        checkpoint_every: seconds between checkpoints within an epoch; 0 writes one each step.
        on_epoch: whom to tell of each epoch; what one of them raises ends the training.
        profile: where a trace of some steps of the first epoch goes; none is made if not given.
    """

    folder: Path | None = None
    resume: bool = False
    time_limit: float | None = None
    validate: Callable[[Model], float] | None = None
    metric: str = "ndcg@10"
    checkpoint_every: float = 60.0
    on_epoch: Sequence[OnEpoch] = ()
    profile: Path | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of a training.

    Attributes:
        model: of the best epoch, or the last where nothing was validated.
        record: how it came about, for `config.toml` and the card; empty for a closed form.
        epochs: the lines of `metrics.jsonl`.
        seconds: that it took, over all sessions, from setting up to the model.
    """

    model: Any
    record: dict[str, Any] = field(default_factory=dict)
    epochs: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0

"""What is asked of a retraining, and where it puts what it makes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from grapevine import pipeline
from grapevine.config import check_bounds
from grapevine.errors import ConfigError
from grapevine.evaluation import metrics
from grapevine.retraining import gate

How = Literal["auto", "warm", "cold"]
OPTIONS = {
    "settings": "--set",
    "share": "--holdout",
    "seed": "--seed",
    "how": "--start",
    "time_limit": "--time-limit",
    "metric": "--metric",
    "least": "--least",
    "tolerance": "--tolerance",
}
"""Fields that decide about the run and its verdict, as the command line calls them."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is asked of a retraining."""

    run: Path
    """The run in service."""
    out: Path
    """Where the new run goes, if it may take over."""
    data: str | None = None
    """What the run in service was trained on, if it is not where that run found it."""
    dataset: Path | None = None
    """Where the joined dataset goes; beside `out` if not given."""
    how: How = "auto"
    """Begin from the parameters of the run in service ("warm"), or anew ("cold")."""
    share: float = 0.2
    """Of the new target events, held out to measure both runs by."""
    least: int = gate.LEAST
    """Questions; with fewer nothing is trained."""
    tolerance: float = gate.TOLERANCE
    """By how much of what the run in service reaches the new one may be worse."""
    metric: str = pipeline.VALIDATION
    """What is measured."""
    settings: Sequence[str] = ()
    """`model.name=value` changes to the options of the run in service."""
    seed: int = 0
    """Of all that is drawn."""
    time_limit: str | None = None
    """Of the training."""

    def __post_init__(self) -> None:
        check_bounds(self, "retrain", "share", above=0)
        check_bounds(self, "retrain", "tolerance", least=0)
        check_bounds(self, "retrain", "least", least=1)
        if self.share >= 1:
            raise ConfigError(f"a share lies between 0 and 1: got {self.share:g}")
        metrics.named(self.metric)
        if not self.out.name:
            raise ConfigError(f"`{self.out}` is no name of a run", hint="--out runs/next")

    @property
    def candidate(self) -> Path:
        """Where the new run stands until it may take over; one that is refused stays there."""
        return self.out.with_name(f"{self.out.name}-candidate")

    @property
    def folder(self) -> Path:
        """Of the joined dataset."""
        return self.dataset or self.out.with_name(f"{self.out.name}-data")

    @property
    def options(self) -> dict[str, Any]:
        """What decides about the run and its verdict, as plain values; places are left out."""
        told = {name: getattr(self, name) for name in OPTIONS}
        return {**told, "settings": list(self.settings)}

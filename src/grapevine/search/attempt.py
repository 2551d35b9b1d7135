"""One trial: a set of options is trained and asked the validation questions."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grapevine.data.dataset import Dataset
from grapevine.errors import CheckFailed, ConfigError, DataError
from grapevine.log import logger
from grapevine.models import traces
from grapevine.models.base import Model, Trained
from grapevine.search.trials import Search, State, Trial
from grapevine.training import Session, train_with


class _GiveUp(Exception):
    """The trial is worse than half of those before it."""


class CutShort(Exception):
    """The time of the search is over within a trial."""


@dataclass(slots=True)
class Attempt:
    """One trial on its way.

    Attributes:
        search: what it is of.
        options: what it tries.
        number: counted from 1.
        asked: Optuna's view of it.
        training: where its checkpoints are.
        validate: what a model is worth.
        curve: the validation after each epoch so far.
    """

    search: Search
    options: dict[str, Any]
    number: int
    asked: Any
    training: Path
    validate: Callable[[Model], float]
    curve: tuple[float, ...] = ()

    def run(self, train: Dataset, left: float | None) -> Trial:
        """Train, and ask what it is worth.

        Args:
            train: the training events.
            left: seconds until the search is over.

        Raises:
            CutShort: they were too few; the checkpoint is there to go on from.
        """
        began = time.monotonic()
        try:
            state, value, seconds = self._trained(train, left)
        except (CheckFailed, ConfigError, DataError, MemoryError) as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            logger.info("trial %d failed: %s", self.number, reason)
            return self._trial("failed", None, time.monotonic() - began, reason)
        return self._trial(state, value, seconds)

    def _trained(self, train: Dataset, left: float | None) -> tuple[State, float, float]:
        began = time.monotonic()
        config, seed = self.search.config_of(self.options), self.search.seed
        if not isinstance(config, Trained):
            model = train_with(config, train, seed=seed).model
            return "done", self._worth(self.validate(model)), time.monotonic() - began
        session = Session(
            folder=self.training,
            resume=self.training.is_dir(),
            time_limit=left,
            validate=self.validate,
            metric=self.search.metric,
            on_epoch=(self._look,),
        )
        try:
            outcome = train_with(config, train, seed=seed, session=session)
        except _GiveUp:
            return "given up", max(self.curve), time.monotonic() - began
        if outcome.record["stopped_by"] == "time limit":
            raise CutShort
        self._report(outcome.epochs)
        best = outcome.record.get("validation", {}).get(self.search.metric, math.nan)
        return "done", self._worth(best), outcome.seconds

    def _look(self, line: Mapping[str, Any]) -> None:
        """Report all epochs so far, those before an interruption too; give up where it is bad."""
        del line
        self._report(traces.read(self.training / traces.METRICS))
        if self.asked.should_prune():
            raise _GiveUp

    def _report(self, lines: Sequence[Mapping[str, Any]]) -> None:
        # What is not finite is not in the line; no metric of ranks is below 0.
        worth = [line["validation"].get(self.search.metric, 0.0) for line in lines]
        for epoch in range(len(self.curve), len(worth)):
            self.asked.report(worth[epoch], epoch + 1)
        self.curve = tuple(worth)

    def _worth(self, value: float) -> float:
        if not math.isfinite(value):
            raise CheckFailed(f"{self.search.metric} is {value}")
        return float(value)

    def _trial(self, state: State, value: float | None, seconds: float, reason: str = "") -> Trial:
        return Trial(
            number=self.number,
            state=state,
            options=self.options,
            value=value,
            seconds=round(seconds, 3),
            curve=self.curve,
            reason=reason,
        )

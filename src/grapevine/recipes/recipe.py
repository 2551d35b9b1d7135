"""A run that somebody has already found the settings of: what on, which model, what to expect."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from grapevine.models import named


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """A model with its settings for one dataset, and what it was worth when last measured.

    Attributes:
        about: what it shows, in a line.
        data: the public dataset it was measured on; any other may be given.
        config: the options of the model.
        split_by: how events are held out.
        minutes: to train, on one core; none where it was not measured.
        score: of the test questions, items of the history left out of the lists; by metric.
    """

    about: str
    data: str
    config: Any
    split_by: str = "leave-last-out"
    minutes: float | None = None
    score: Mapping[str, float] = field(default_factory=dict)

    @property
    def model(self) -> str:
        """The row of the one table."""
        return str(named.name_of(self.config))

    @property
    def changes(self) -> str:
        """In what the options differ from those of the row."""
        return named.changes(self.model, self.config)

    @property
    def expects(self) -> str:
        """How long it takes, and what comes of it."""
        if self.minutes is None or not self.score:
            return "not measured yet"
        scores = ", ".join(f"{metric} {value:.4f}" for metric, value in self.score.items())
        return f"{self.minutes:.0f} minutes on one core, {scores}"

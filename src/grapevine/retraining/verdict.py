"""What came of a retraining: figures, reasons, and whether it may be swapped in."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grapevine.errors import BundleError
from grapevine.retraining import notes

FILE = "gate.json"
"""In the folder of a run that was judged."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Two runs on the same questions.

    Attributes:
        metric: what was measured, such as `ndcg@10`.
        questions: how many.
        before: mean of the run in service.
        after: mean of the new one.
        low: lower end of the 95 % interval of the difference.
        high: its upper end.
        p: two-sided, that there is no difference.
        test: that gave p.
    """

    metric: str
    questions: int
    before: float
    after: float
    low: float
    high: float
    p: float
    test: str

    @property
    def difference(self) -> float:
        """By how much the new one is better."""
        return self.after - self.before


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a run may take over, and all that speaks for or against it.

    Attributes:
        ready: whether it may.
        reason: why not; empty if it may.
        run: where it stands.
        before: the run in service.
        version: of the new run.
        version_before: of the run in service.
        begun: "warm", "cold" or "closed form", and why.
        judged: the figures; None where it did not come to that.
        service: what a service found of it: recall of its index, agreement of the lists.
        data: what it was trained on: see `Gathered`.
        train_seconds: that the training took.
        asked: the options that it was made and judged by: see `Wanted.options`.
    """

    ready: bool
    reason: str
    run: Path
    before: Path
    version: str
    version_before: str
    begun: str = ""
    judged: Judged | None = None
    service: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    train_seconds: float | None = None
    asked: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        judged = None
        if self.judged is not None:
            judged = {**vars(self.judged), "difference": self.judged.difference}
        told = {**vars(self), "run": str(self.run), "before": str(self.before), "judged": judged}
        return {
            **told,
            "service": dict(self.service),
            "data": dict(self.data),
            "asked": dict(self.asked),
        }

    def write(self) -> None:
        """Lay it beside the run that it is about."""
        notes.write(self.run / FILE, self.to_json())


def read(run: Path) -> Verdict:
    """The verdict on a run, where it stands now.

    Raises:
        BundleError: there is none, or it is damaged.
    """
    path = run / FILE
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        judged = told.pop("judged")
        if judged is not None:
            del judged["difference"]
            judged = Judged(**judged)
        return Verdict(**{**told, "run": run, "before": Path(told["before"]), "judged": judged})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BundleError(
            f"{path}: no verdict on a retraining: {error}", hint="retrain again: --force"
        ) from error

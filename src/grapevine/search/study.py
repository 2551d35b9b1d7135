"""The search: trial after trial, until there are enough, the time is over or none is left."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from grapevine.data.dataset import Dataset
from grapevine.errors import CheckFailed, Interrupted
from grapevine.log import bar, logger
from grapevine.models.base import Model
from grapevine.search.attempt import Attempt, CutShort
from grapevine.search.proposals import Proposals
from grapevine.search.trials import Folder, Search, Trial, best_of, budget_of
from grapevine.training.extras import brought_by


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What came of a search.

    Attributes:
        search: what was searched.
        trials: in their order.
        folder: where they are.
        stopped_by: "trials", "time limit", or "space" where there was nothing else to try.
    """

    search: Search
    trials: tuple[Trial, ...]
    folder: Folder
    stopped_by: str

    @property
    def best(self) -> Trial:
        """The one worth most."""
        best = best_of(self.trials)
        assert best is not None
        return best

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "out": str(self.folder.path),
            "model": self.search.name,
            "best": str(self.folder.best),
            "stopped_by": self.stopped_by,
            **budget_of(self.search, self.trials),
            "options": self.best.options,
            "all": [
                {"trial": one.number, "state": one.state, **_plainly(one)} for one in self.trials
            ],
        }


def run(
    search: Search,
    train: Dataset,
    out: Path,
    *,
    validate: Callable[[Model], float],
    trials: int | None = None,
    time_limit: float | None = None,
    resume: bool = False,
    force: bool = False,
) -> Found:
    """Try sets of options until there are enough, the time is over, or none is left.

    Args:
        search: what is tried.
        train: the training events, all that a trial may see.
        out: the folder.
        validate: what a model is worth by the metric of the search.
        trials: how many there are to be in all, over all sessions.
        time_limit: seconds of this session.
        resume: go on with what is in the folder, or begin where there is nothing.
        force: begin anew in a folder that holds a search.

    Raises:
        CheckFailed: no trial came to its end.
        ConfigError: Optuna is not installed, or the folder holds something else.
        Interrupted: somebody stopped it; all trials that are done are kept.
    """
    folder = Folder(out)
    optuna = brought_by("tune", "optuna")
    told = Proposals(optuna, search, folder.begin(search, resume=resume, force=force))
    ends = None if time_limit is None else time.monotonic() + time_limit
    try:
        stopped_by = _until_done(told, train, folder, validate, trials, ends)
    except (KeyboardInterrupt, Interrupted) as stop:
        raise Interrupted(
            f"interrupted in trial {len(told.trials) + 1}: what was done is kept",
            hint="go on with resume=True",
        ) from stop
    if best_of(told.trials) is None:
        raise _nothing(told.trials, stopped_by)
    return Found(search=search, trials=tuple(told.trials), folder=folder, stopped_by=stopped_by)


def _until_done(
    told: Proposals,
    train: Dataset,
    folder: Folder,
    validate: Callable[[Model], float],
    trials: int | None,
    ends: float | None,
) -> str:
    """Go on until there is a reason to stop, which is returned."""
    with bar("trials", trials) as shown:
        shown.advance(len(told.trials))
        while trials is None or len(told.trials) < trials:
            if told.exhausted():
                return "space"
            left = None if ends is None else ends - time.monotonic()
            if left is not None and left <= 0:
                return "time limit"
            try:
                trial = _next(told, train, folder, validate, left)
            except CutShort:
                return "time limit"
            best = best_of(told.trials)
            shown.advance()
            shown.tell(f"trial {trial.number}" + (f", best {best.value:.4g}" if best else ""))
    return "trials"


def _next(
    told: Proposals,
    train: Dataset,
    folder: Folder,
    validate: Callable[[Model], float],
    left: float | None,
) -> Trial:
    """One trial, or the same answer again where the same was tried before."""
    asked, options = told.ask()
    number = len(told.trials) + 1
    training = folder.training(number)
    twin = next((one for one in told.trials if one.options == options), None)
    if twin:
        trial = replace(twin, number=number, seconds=0.0)
        for epoch, worth in enumerate(trial.curve, 1):
            asked.report(worth, epoch)
    else:
        attempt = Attempt(told.search, options, number, asked, training, validate)
        trial = attempt.run(train, left)
    told.tell(asked, trial)
    folder.add(trial, training)
    if best_of(told.trials) is trial:
        logger.info("trial %d: %s %.4f", number, told.search.metric, trial.value)
    _write_best(told, folder)
    return trial


def _write_best(told: Proposals, folder: Folder) -> None:
    best = best_of(told.trials)
    if best:
        facts = told.search.facts()
        facts["model"] = {**facts["model"], **best.options}
        facts["search"] = budget_of(told.search, told.trials)
        folder.write_best(facts)


def _nothing(trials: list[Trial], stopped_by: str) -> CheckFailed:
    reason = next((trial.reason for trial in reversed(trials) if trial.reason), "")
    if reason:
        return CheckFailed(
            f"no trial came to its end; the last: {reason}", hint="try other options"
        )
    return CheckFailed(
        f"no trial came to its end before the search did, by its {stopped_by}",
        hint="go on with --resume",
    )


def _plainly(trial: Trial) -> dict[str, Any]:
    return {
        "options": trial.options,
        "value": trial.value,
        "seconds": trial.seconds,
        "epochs": len(trial.curve),
        **({"reason": trial.reason} if trial.reason else {}),
    }

"""What a search found for a row of a table, which is kept beside the results like its answers."""

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grapevine as gv
from grapevine import config as configs
from grapevine.data.split import Split
from grapevine.errors import CheckFailed
from grapevine.pipeline import VALIDATION
from grapevine.training import train_with
from resumable import Budget, trained
from rows import KEPT, named

TRIALS, LEAST = 8, 4
"""Trials that shall come to their end, and the fewest epochs of one: it is cut to what fits."""

AS_IT_IS, TUNED = "as it is", "tuned"


@dataclass(frozen=True)
class Found:
    """The best options of a row, and what was spent on finding them.

    Attributes:
        config: the row's, with these options where they are better in a whole training.
        options: those that were searched.
        minutes: of the search.
        trials: that came to their end or were given up; 0 where not one did.
        epochs: of a trial, at most.
        whole: what a whole training is worth on the validation questions, as the row is and tuned.
    """

    config: Any
    options: dict[str, Any]
    minutes: float
    trials: int
    epochs: int
    whole: dict[str, float]

    @property
    def told(self) -> str:
        """In a line."""
        if not self.options:
            return f"as it is, the best of {self.trials} trials in {self.minutes:g} minutes"
        options = ", ".join(f"{name} {_short(value)}" for name, value in self.options.items())
        whole = ", ".join(f"{way} {value:.4f}" for way, value in self.whole.items())
        return (
            f"{options} ({self.trials} trials of at most {self.epochs} epochs in {self.minutes:g} "
            f"minutes; trained whole, seed 0: {whole}, and the better is measured)"
        )


def searched(
    label: str,
    config: Any,
    parts: Split,
    minutes: float,
    folder: Path,
    kept: str,
    budget: Budget,
) -> Found | None:
    """What is kept of a row's search, or found now; none if the time does not suffice for it.

    Trials are short, and favour what learns fast: so the best of them is trained whole, and the row
    as it is beside it.

    Args:
        label: of the row.
        config: which all trials start from.
        parts: what is learnt from, and its validation questions.
        minutes: of the search.
        folder: where searches are.
        kept: folder of `results/kept`.
        budget: how long this part of the benchmark may take.
    """
    path = KEPT / kept / f"{named(label)}.json"
    if path.is_file():
        facts = json.loads(path.read_text(encoding="utf-8"))
        if facts["fingerprint"] != parts.train.fingerprint:
            raise SystemExit(f"{path} is of other events: remove it to search again")
    elif budget.left < 60 * minutes:
        return None
    else:
        print(f"  search of {label}", flush=True)
        out = folder / f"{label}-search"
        facts = _search(config, parts, minutes, out) | {"fingerprint": parts.train.fingerprint}
        _write(path, facts)
    given = configs.from_dict(
        type(config), {**configs.to_dict(config), **facts["options"]}, "model"
    )
    if given == config:
        facts |= {"options": {}, "whole": {}}
    elif "whole" not in facts:
        whole = _trained_whole({AS_IT_IS: config, TUNED: given}, label, parts, folder, budget)
        if whole is None:
            return None
        facts["whole"] = whole
        _write(path, facts)
    whole = facts["whole"]
    better = bool(whole) and whole[TUNED] > whole[AS_IT_IS]
    return Found(
        config=given if better else config,
        **{name: facts[name] for name in ("options", "minutes", "trials", "epochs", "whole")},
    )


def _trained_whole(
    ways: dict[str, Any], label: str, parts: Split, folder: Path, budget: Budget
) -> dict[str, float] | None:
    """What each comes to on the validation questions; the run of the better is that of seed 0."""
    whole = dict[str, float]()
    for way, config in ways.items():
        run = trained(config, parts.train, 0, folder / f"{label}, {way}, tried", budget)
        if run is None:
            return None
        whole[way] = run.record["validation"][VALIDATION]
    best = max(whole, key=lambda way: whole[way])
    (folder / f"{label}, {best}, tried").rename(folder / f"{label}, tuned-0")
    return whole


def _write(path: Path, facts: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def _search(config: Any, parts: Split, minutes: float, out: Path) -> dict[str, Any]:
    began = time.monotonic()
    first = train_with(replace(config, epochs=1), parts.train).epochs[0]["seconds"]
    epochs = min(max(round(60 * minutes / TRIALS / first), LEAST), config.epochs)
    left = 60 * minutes - (time.monotonic() - began)
    trial = replace(config, epochs=epochs)
    try:
        found = gv.tune(trial, parts.train, out=out, time_limit=left, force=True)
    except CheckFailed:  # not one came to its end: the row stays as it is
        return {"options": {}, "minutes": minutes, "trials": 0, "epochs": epochs}
    return {
        "epochs": epochs,
        "options": found.best.options,
        "minutes": minutes,
        "trials": len(found.trials),
    }


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)

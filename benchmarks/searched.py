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
from grapevine.training import train_with
from resumable import Budget
from rows import KEPT, named

TRIALS, LEAST = 8, 4
"""Trials that shall come to their end, and the fewest epochs of one: it is cut to what fits."""


@dataclass(frozen=True)
class Found:
    """The best options of a row, and what was spent on finding them.

    Attributes:
        config: the row's, with these options.
        options: those that were searched.
        minutes: of the search.
        trials: that came to their end or were given up; 0 where not one did.
        epochs: of a trial, at most.
        worth: of the best on the validation questions.
    """

    config: Any
    options: dict[str, Any]
    minutes: float
    trials: int
    epochs: int
    worth: float

    @property
    def told(self) -> str:
        """In a line."""
        if not self.trials:
            return f"as it is: not one trial came to its end in {self.minutes:g} minutes"
        options = ", ".join(f"{name} {_short(value)}" for name, value in self.options.items())
        return (
            f"{options} ({self.trials} trials of at most {self.epochs} epochs in {self.minutes:g} "
            f"minutes, {self.worth:.4f})"
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
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    given = {**configs.to_dict(config), **facts["options"]}
    return Found(
        config=configs.from_dict(type(config), given, "model"),
        **{name: facts[name] for name in ("options", "minutes", "trials", "epochs", "worth")},
    )


def _search(config: Any, parts: Split, minutes: float, out: Path) -> dict[str, Any]:
    began = time.monotonic()
    first = train_with(replace(config, epochs=1), parts.train).epochs[0]["seconds"]
    epochs = min(max(round(60 * minutes / TRIALS / first), LEAST), config.epochs)
    left = 60 * minutes - (time.monotonic() - began)
    trial = replace(config, epochs=epochs)
    try:
        found = gv.tune(trial, parts.train, out=out, time_limit=left, force=True)
    except CheckFailed:  # not one came to its end: the row stays as it is
        return {"options": {}, "minutes": minutes, "trials": 0, "epochs": epochs, "worth": 0.0}
    return {
        "epochs": epochs,
        "options": found.best.options,
        "minutes": minutes,
        "trials": len(found.trials),
        "worth": found.best.value,
    }


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)

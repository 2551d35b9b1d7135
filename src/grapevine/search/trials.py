"""What was tried and what came of it, in a folder of text that a search goes on from."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import tomli_w

from grapevine import config as configs
from grapevine.errors import BundleError, ConfigError
from grapevine.models import traces
from grapevine.search.space import Space

SETTINGS, TRIALS, BEST = "search.toml", "trials.jsonl", "best.toml"
FORMAT = 1

State = Literal["done", "given up", "failed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One set of options, and what it was worth on the validation questions.

    Attributes:
        number: counted from 1.
        state: "given up" was worse than half of those before it after as many epochs; "failed"
            cannot be, or its loss was not finite.
        options: what was searched, with the values that were tried.
        value: the best validation; None where there was none.
        seconds: that it took.
        curve: the validation after each epoch; empty for a closed form.
        reason: why it failed.
    """

    number: int
    state: State
    options: dict[str, Any]
    value: float | None
    seconds: float
    curve: tuple[float, ...] = ()
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Search:
    """What is searched, and how: a search in a folder is gone on with by the very same.

    Attributes:
        name: of the model.
        config: which all trials start from.
        space: what is tried.
        metric: of validation; more is better.
        seed: of the draws, and of each training.
        fingerprint: of the training events.
    """

    name: str
    config: Any
    space: Space
    metric: str
    seed: int
    fingerprint: str

    def facts(self) -> dict[str, Any]:
        """All of it as TOML."""
        return {
            "format": FORMAT,
            "model": {"name": self.name, **configs.to_dict(self.config)},
            "search": {
                "metric": self.metric,
                "seed": self.seed,
                "fingerprint": self.fingerprint,
                "space": {option: one.written for option, one in self.space.items()},
            },
        }

    def config_of(self, options: Mapping[str, Any]) -> Any:
        """The config with these options.

        Raises:
            ConfigError: they cannot be together.
        """
        given = {**configs.to_dict(self.config), **options}
        return configs.from_dict(type(self.config), given, "model")


@dataclass(frozen=True, slots=True)
class Folder:
    """A search on the disk: `search.toml`, `trials.jsonl`, `best.toml`, and the trial at hand.

    Attributes:
        path: where.
    """

    path: Path

    def begin(self, search: Search, *, resume: bool, force: bool) -> list[Trial]:
        """Make the folder, or open it; the trials that are done.

        Raises:
            BundleError: what is there is damaged.
            ConfigError: there is a search that was not to be gone on with, or another one, or
                something else.
        """
        self.refuse_to_replace(resume=resume, force=force)
        if resume and self._settings.is_file():
            self._compare(search)
            return self._trials()
        self._clear()
        self.path.mkdir(parents=True, exist_ok=True)
        self._settings.write_text(tomli_w.dumps(search.facts()), encoding="utf-8")
        return []

    def refuse_to_replace(self, *, resume: bool, force: bool) -> None:
        """Let nothing but a search give way to a search, and that only if it is said.

        Raises:
            ConfigError: that is not so.
        """
        if self.path.exists() and not self.path.is_dir():
            raise ConfigError(f"`{self.path}` is a file", hint="choose another --out")
        if not self.path.is_dir() or not any(self.path.iterdir()):
            return
        if not self._settings.is_file():
            raise ConfigError(
                f"`{self.path}` exists and is not a search", hint="choose another --out"
            )
        if not resume and not force:
            raise ConfigError(
                f"`{self.path}` holds a search already",
                hint="go on with --resume, or begin anew with --force",
            )

    def training(self, number: int) -> Path:
        """Where the checkpoints of a trial are while it goes on; those of all others are gone."""
        here = self.path / f"trial-{number:05d}"
        for left in self.path.glob("trial-*"):
            if left != here:
                shutil.rmtree(left)
        return here

    def add(self, trial: Trial, training: Path) -> None:
        """Have it on the disk; what it was made of is not needed any more."""
        traces.append(self.path / TRIALS, asdict(trial))
        if training.is_dir():
            shutil.rmtree(training)

    def write_best(self, facts: Mapping[str, Any]) -> None:
        """Have a file that `grapevine train` takes, or else the one there was."""
        scratch = self.path / f".{BEST}"
        scratch.write_text(tomli_w.dumps(facts), encoding="utf-8")
        scratch.replace(self.path / BEST)

    @property
    def best(self) -> Path:
        """What `grapevine train` takes."""
        return self.path / BEST

    @property
    def _settings(self) -> Path:
        return self.path / SETTINGS

    def _clear(self) -> None:
        for name in (SETTINGS, TRIALS, BEST):
            (self.path / name).unlink(missing_ok=True)
        for left in self.path.glob("trial-*"):
            shutil.rmtree(left)

    def _compare(self, search: Search) -> None:
        there, here = configs.read_toml(self._settings), search.facts()
        for table in ("model", "search"):
            one, other = there.get(table, {}), here[table]
            differs = [name for name in {**one, **other} if one.get(name) != other.get(name)]
            if differs:
                name = differs[0]
                raise ConfigError(
                    f"{self.path} is of another search: its {name} is {one.get(name)}, here it is "
                    f"{other.get(name)}",
                    hint="resume with what it was started with, or choose another --out",
                )

    def _trials(self) -> list[Trial]:
        path = self.path / TRIALS
        if not path.is_file():
            return []
        try:
            lines = traces.read(path)
            found = [Trial(**{**line, "curve": tuple(line["curve"])}) for line in lines]
        except (ValueError, TypeError, KeyError) as error:
            raise BundleError(
                f"{path}: damaged: {error}", hint="begin anew with --force"
            ) from error
        # A line that was cut short goes, so that the next one does not follow it.
        traces.write(path, lines)
        return found


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """The one worth most; of equals the first."""
    able = [trial for trial in trials if trial.state == "done" and trial.value is not None]
    return max(able, key=lambda trial: (trial.value, -trial.number), default=None)


def budget_of(search: Search, trials: Sequence[Trial]) -> dict[str, Any]:
    """What the search has cost so far, for the record of what is trained by its result."""
    best = best_of(trials)
    states = [trial.state for trial in trials]
    return {
        "trials": len(trials),
        "given_up": states.count("given up"),
        "failed": states.count("failed"),
        "seconds": round(sum(trial.seconds for trial in trials), 3),
        **({"best_trial": best.number, "validation": best.value} if best else {}),
        **search.facts()["search"],
    }

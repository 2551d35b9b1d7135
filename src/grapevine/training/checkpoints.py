"""Checkpoints: all that the next step depends on, in folders that appear whole or not at all."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from grapevine import manifest
from grapevine.errors import BundleError, ConfigError
from grapevine.log import logger
from grapevine.models import traces
from grapevine.training.reproducible import made_on

FORMAT = 1
KEPT = 2
"""Checkpoints there are at a time: should the newest be damaged, the one before it will do."""

State = dict[str, np.ndarray]


@dataclass(kw_only=True, slots=True)
class Progress:
    """How far a training has come; the loop writes on it.

    Attributes:
        epoch: epochs done, and so the number of the one under way, counted from 0.
        step: steps done in it.
        steps: steps done in all.
        seconds: that these steps of the epoch under way took.
        elapsed: seconds in all, with validation, over all sessions.
        losses: sums over the steps of the epoch under way, by part.
        rate: learning rate of the last step.
        best: the best validation so far.
        best_epoch: the epoch it was at the end of, counted from 0.
        lines: those of `metrics.jsonl`.
    """

    epoch: int = 0
    step: int = 0
    steps: int = 0
    seconds: float = 0.0
    elapsed: float = 0.0
    losses: dict[str, float] = field(default_factory=dict)
    rate: float = 0.0
    best: float | None = None
    best_epoch: int | None = None
    lines: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A training as it was after a step.

    Attributes:
        progress: how far it had come.
        state: of the learner.
        best: state of the learner after its best epoch; the same object as `state` if that is it.
    """

    progress: Progress
    state: State
    best: State | None


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The folder of a training that is under way: `step-*`, the last two, and `metrics.jsonl`.

    A checkpoint is written whole and renamed into its place, so that a process killed in the middle
    leaves the one before. The disk is not waited for: should the machine lose its power, SHA-256
    tells what is damaged.

    Attributes:
        folder: where they are.
        identity: what is trained: a checkpoint of anything else is refused.
    """

    folder: Path
    identity: Mapping[str, Any]

    @property
    def log(self) -> Path:
        """One line an epoch."""
        return self.folder / traces.METRICS

    def write(self, checkpoint: Checkpoint) -> Path:
        """Add one; all but the last two are removed."""
        from safetensors.numpy import save_file

        apart = checkpoint.best is not None and checkpoint.best is not checkpoint.state
        facts = {
            "format": FORMAT,
            "identity": self.identity,
            "made_on": made_on(),
            "best": "best" if apart else None if checkpoint.best is None else "state",
            "progress": asdict(checkpoint.progress),
        }
        out = self.folder / f"step-{checkpoint.progress.steps:012d}"
        with manifest.published(out) as scratch:
            (scratch / "progress.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")
            save_file(checkpoint.state, scratch / "state.safetensors")
            if checkpoint.best is not None and apart:
                save_file(checkpoint.best, scratch / "best.safetensors")
        for old in _steps(self.folder)[KEPT:]:
            shutil.rmtree(old)
        return out

    def latest(self) -> Checkpoint | None:
        """The newest that is whole, or None where there has been none.

        Raises:
            ConfigError: it is of another training.
            BundleError: there are some, and all are damaged.
        """
        said = ""
        for path in _steps(self.folder):
            try:
                return self._read(path)
            except BundleError as error:
                said = str(error).splitlines()[0]
                logger.warning("%s; the checkpoint before it is taken", said)
        if said:
            raise BundleError(
                f"`{self.folder}`: every checkpoint is damaged: {said}",
                hint="start again from the beginning: --force without --resume",
            )
        return None

    def newest(self) -> Path | None:
        """Where the newest is."""
        return next(iter(_steps(self.folder)), None)

    def note_elapsed(self, progress: Progress) -> None:
        """Have the seconds of a session that is over, what came after its last step included."""
        traces.write(
            self.folder / traces.ELAPSED, [{"step": progress.steps, "seconds": progress.elapsed}]
        )

    def elapsed(self, progress: Progress) -> float:
        """Seconds up to a checkpoint, or to the end of its session where nothing came after it."""
        path = self.folder / traces.ELAPSED
        for line in traces.read(path) if path.is_file() else ():
            if line["step"] == progress.steps:
                return max(progress.elapsed, line["seconds"])
        return progress.elapsed

    def clear(self) -> None:
        """Remove what a training has left here, and nothing else."""
        for path in self.folder.glob("*") if self.folder.is_dir() else ():
            if traces.is_of_training(path):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def tidy(self) -> None:
        """Make the folder, and remove what a killed process was about to write."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in self.folder.glob(".step-*"):
            shutil.rmtree(path)

    def _read(self, path: Path) -> Checkpoint:
        manifest.verify(path, "progress.json", "state.safetensors")
        from safetensors.numpy import load_file

        with manifest.reading(path / "progress.json"):
            facts = json.loads((path / "progress.json").read_text(encoding="utf-8"))
        if facts.get("format") != FORMAT:
            raise ConfigError(
                f"{path}: format {facts.get('format')}, this version reads format {FORMAT}",
                hint="start again from the beginning: --force without --resume",
            )
        _compare(path, facts["identity"], _plain(self.identity))
        changed = {k: (v, made_on().get(k)) for k, v in facts["made_on"].items()}
        for name, (there, here) in changed.items():
            if there != here:
                logger.warning(
                    "note: begun with %s %s, gone on with %s: the weights will be about those of "
                    "a training that was not stopped, not the same to the bit",
                    *(name, there, here),
                )
        with manifest.reading(path / "state.safetensors"):
            state = load_file(path / "state.safetensors")
        best = {"state": lambda: state, "best": lambda: load_file(path / "best.safetensors")}
        return Checkpoint(
            Progress(**facts["progress"]), state, best[facts["best"]]() if facts["best"] else None
        )


def last_state(folder: Path, fingerprint: str) -> State | None:
    """The learner's state after the epoch that a training kept; of the last one where none was.

    Args:
        folder: of the checkpoints.
        fingerprint: of what was learnt from.

    Returns:
        None where there is no checkpoint of that training.

    Raises:
        BundleError: every checkpoint is damaged.
    """
    from safetensors.numpy import load_file

    damage: BundleError | None = None
    for path in _steps(folder):
        try:
            manifest.verify(path, "progress.json", "state.safetensors")
            with manifest.reading(path / "progress.json"):
                facts = json.loads((path / "progress.json").read_text(encoding="utf-8"))
            if facts["format"] != FORMAT or facts["identity"]["data"] != fingerprint:
                return None
            with manifest.reading(path):
                return load_file(path / f"{facts['best'] or 'state'}.safetensors")
        except BundleError as error:
            damage = error
    if damage:
        raise damage
    return None


def _steps(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"), reverse=True)


def _plain(value: Any) -> Any:
    """The value as it comes back from JSON."""
    return json.loads(json.dumps(value))


def _compare(path: Path, there: Mapping[str, Any], here: Mapping[str, Any], at: str = "") -> None:
    """Refuse a checkpoint of another training, by what differs first."""
    for name in {**there, **here}:
        one, other = there.get(name), here.get(name)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            _compare(path, one, other, f"{name}.")
        elif one != other:
            raise ConfigError(
                f"{path} is of another training: its {at}{name} is {one}, here it is {other}",
                hint="resume with what it was started with, or start again: --force "
                "without --resume",
            )

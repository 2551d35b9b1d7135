"""What training leaves in a run folder: its checkpoints, and `metrics.jsonl`, a line an epoch.

While it goes on both are in `checkpoints/`, so that a run that stands there already is still what
it was; with the run that came of it, `metrics.jsonl` is beside the model.
"""

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

METRICS = "metrics.jsonl"
CHECKPOINTS = "checkpoints"
ELAPSED = "elapsed.jsonl"
LOGS = "logs"
TENSORBOARD, MLFLOW, TRACE = "tensorboard", "mlflow-run", "trace.json.gz"
"""What may be in `logs/`: event files, the name of a run, a trace of some steps."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One figure, epoch by epoch; epochs that lack it are left out.

    Attributes:
        name: as it stands in the file, with a dot before what is within: `loss.bpr`.
        epochs: counted from 1, rising.
        values: one for each.
    """

    name: str
    epochs: list[int]
    values: list[float]


def curves(folder: Path) -> list[Curve]:
    """Every figure of a run folder's `metrics.jsonl`, or of a training that is under way in it."""
    places = (folder / METRICS, folder / CHECKPOINTS / METRICS)
    path = next((place for place in places if place.is_file()), None)
    found: dict[str, Curve] = {}
    for line in read(path) if path else []:
        for name, value in figures(line):
            curve = found.setdefault(name, Curve(name, [], []))
            curve.epochs.append(int(line["epoch"]))
            curve.values.append(value)
    return list(found.values())


def is_of_training(path: Path) -> bool:
    """Whether a file or folder within `checkpoints/` is what training puts there."""
    name = path.name.removeprefix(".")
    return name.startswith("step-") or name in {METRICS, ELAPSED}


def unfinished(out: Path) -> bool:
    """Whether a folder holds a training that is not done, and nothing besides."""
    if not out.is_dir():
        return False
    found = {path.name for path in out.iterdir()}
    if not found or found - {CHECKPOINTS, LOGS}:
        return False
    kept, logged = (out / CHECKPOINTS).glob("*"), (out / LOGS).glob("*")
    return all(map(is_of_training, kept)) and all(map(_is_log, logged))


def clear_logs(out: Path) -> None:
    """Remove what trackers and the profile of an earlier training have left in a run folder."""
    for path in filter(_is_log, (out / LOGS).glob("*")):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _is_log(path: Path) -> bool:
    return path.name in {TENSORBOARD, MLFLOW, TRACE}


def read(path: Path) -> list[dict[str, Any]]:
    """The lines of a file; one that was cut short, as it was being written, is left out."""
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1]]


def append(path: Path, line: Mapping[str, Any]) -> None:
    """Add one line, and wait until the disk has it."""
    with path.open("a", encoding="utf-8") as file:
        file.write(_text(line))
        file.flush()
        os.fsync(file.fileno())


def write(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Have these lines and no others, or else the file as it was."""
    scratch = path.with_name(f".{path.name}")
    scratch.write_text("".join(map(_text, lines)), encoding="utf-8")
    scratch.replace(path)


def _text(line: Mapping[str, Any]) -> str:
    return json.dumps(line, ensure_ascii=False) + "\n"


def figures(line: Mapping[str, Any]) -> Iterable[tuple[str, float]]:
    """Each figure of a line but the epoch, named as in `Curve`."""
    for name, value in line.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{part}", float(one)) for part, one in value.items())
        elif name != "epoch" and isinstance(value, int | float):
            yield name, float(value)

"""What stands where a retraining writes: whose it is, made how, and what may go."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grapevine import manifest
from grapevine.config import read_toml
from grapevine.data.dataset import Dataset
from grapevine.errors import BundleError, ConfigError
from grapevine.models import traces
from grapevine.models.run import refuse_to_replace
from grapevine.retraining import notes
from grapevine.retraining.gather import gathered_at
from grapevine.retraining.verdict import FILE, Verdict, read
from grapevine.retraining.wanted import OPTIONS, Wanted

ASKED = "asked.json"
"""In the folder of the joined dataset: the options of the training on it."""
TRAINED = ("settings", "seed", "how", "time_limit")
"""Options that a training depends on; that of the dataset is `share`."""
ANEW = "begin anew with --force, or choose another --out"


def refuse_overlap(wanted: Wanted) -> None:
    """Let nothing be written over the run in service, nor one thing over another.

    Raises:
        ConfigError: two of the places are the same, or one lies within the other.
    """
    run, folder = wanted.run.resolve(), wanted.folder.resolve()
    for option, place in _places(wanted).items():
        if _nested(place.resolve(), run):
            raise ConfigError(
                f"{option} `{place}` and the run in service, --from `{wanted.run}`, are not apart",
                hint="the run in service is never written over: choose another place",
            )
        if option != "--dataset" and _nested(place.resolve(), folder):
            raise ConfigError(
                f"{option} `{place}` and --dataset `{wanted.folder}` are not apart",
                hint="choose another --dataset",
            )


def refuse_base(wanted: Wanted, base: Dataset) -> None:
    """Let nothing be written over what the run in service was trained on.

    Raises:
        ConfigError: that is one of the places, or lies within one.
    """
    assert base.path is not None
    for option, place in _places(wanted).items():
        if base.path.resolve().is_relative_to(place.resolve()):
            raise ConfigError(
                f"{option} `{place}` would be written over `{base.path}`, which {wanted.run} was "
                "trained on",
                hint="choose another place",
            )


def said(wanted: Wanted) -> Verdict | None:
    """The verdict that stands there, if it is about what is asked; None where none is.

    Raises:
        BundleError: it is damaged.
        ConfigError: something else stands there, or what was made from another run or with other
            options. Only another tolerance and another least number of questions are no others.
    """
    _refuse_foreign(wanted)
    for place in (wanted.out, wanted.candidate):
        if not (place / FILE).is_file():
            continue
        found = read(place)
        if found.before.resolve() != wanted.run.resolve():
            raise ConfigError(f"`{place}` was made from {found.before}", hint=ANEW)
        if (wanted.run / manifest.NAME).is_file() and (
            manifest.version(wanted.run) != found.version_before
        ):
            raise ConfigError(
                f"`{place}` was made from another run that stood at {wanted.run}", hint=ANEW
            )
        if Path(found.data["path"]).resolve() != wanted.folder.resolve():
            raise ConfigError(
                f"`{place}` was made with other options: --dataset {found.data['path']}", hint=ANEW
            )
        judged_by = {"tolerance", "least"}
        made = {name: one for name, one in found.asked.items() if name not in judged_by}
        refuse_others(place, made, wanted)
        return found
    return None


def refuse_others(place: Path, made: Mapping[str, Any], wanted: Wanted) -> None:
    """Let what is asked for not be passed over because something else stands there.

    Args:
        place: what stands there.
        made: the options that it was made with.
        wanted: what is asked for.

    Raises:
        ConfigError: they are others.
    """
    asked = wanted.options
    others = [
        f"{OPTIONS[name]} {_shown(was)} (asked for: {_shown(asked[name])})"
        for name, was in made.items()
        if asked[name] != was
    ]
    if others:
        raise ConfigError(f"`{place}` was made with other options: {', '.join(others)}", hint=ANEW)


def begun(wanted: Wanted) -> bool:
    """Whether anything was trained on the joined dataset that stands there."""
    return (wanted.folder / ASKED).is_file()


def begin(wanted: Wanted) -> None:
    """Write down by which options is trained, or see that they are those of the one to go on with.

    Raises:
        BundleError: the note of them is damaged.
        ConfigError: a training with other options stands there.
    """
    path = wanted.folder / ASKED
    if wanted.candidate.exists() and path.is_file():
        try:
            made = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise BundleError(f"`{path}` is damaged: {error}", hint=ANEW) from error
        refuse_others(wanted.candidate, made, wanted)
        return
    notes.write(path, {name: wanted.options[name] for name in TRAINED})


def clear(wanted: Wanted) -> None:
    """Remove all that an earlier retraining left.

    Raises:
        BundleError: the dataset there is of something else.
        ConfigError: a run there is of something else; nothing is removed then.
    """
    _refuse_foreign(wanted)
    if wanted.folder.exists() and any(wanted.folder.iterdir()):
        gathered_at(wanted.folder)
    for place in _places(wanted).values():
        shutil.rmtree(place, ignore_errors=True)


def _refuse_foreign(wanted: Wanted) -> None:
    """Let nothing give way that no retraining has made, whatever is forced."""
    for place in (wanted.out, wanted.candidate):
        refuse_to_replace(place)
        if place.exists() and any(place.iterdir()) and not _ours(place, wanted):
            raise ConfigError(
                f"`{place}` holds a run that no retraining has made",
                hint="choose another --out, or remove it yourself",
            )
    if wanted.out.exists() and not any(wanted.out.iterdir()):
        wanted.out.rmdir()


def _ours(place: Path, wanted: Wanted) -> bool:
    """Whether a retraining has made what stands there."""
    if (place / FILE).is_file():
        return True
    if place == wanted.out:
        return False
    if traces.unfinished(place):
        return begun(wanted)
    return "retrained_from" in read_toml(place / "config.toml").get("run", {})


def _places(wanted: Wanted) -> dict[str, Path]:
    """All that is written to, by what messages call it."""
    return {
        "--out": wanted.out,
        "the candidate of --out,": wanted.candidate,
        "--dataset": wanted.folder,
    }


def _nested(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(value) or "none"
    return "none" if value is None else str(value)

"""Public datasets: found in a mirror or downloaded, verified, converted, verified again."""

import hashlib
import os
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.progress import Progress

from grapevine.data.sources import SOURCES
from grapevine.data.sources.base import Converted, File, Source
from grapevine.errors import BundleError, ConfigError, DataError, GrapevineError, unknown

_BLOCK = 1 << 20
_TIMEOUT_S = 30


def fetch(name: str, out: Path, mirror: Path | None = None) -> Path:
    """Make the folder of a public dataset (or graph).

    Files are looked for in `mirror` (or the folder that GRAPEVINE_MIRROR names), then among
    earlier downloads, then at their public addresses. Each must have the size and SHA-256 of its
    entry, and the result must have the published counts, or nothing is written.

    Args:
        name: one of `SOURCES`.
        out: the folder to make.
        mirror: a folder that holds the files in `mirror/NAME/`, packed with gzip or not.

    Raises:
        ConfigError: no dataset has this name, or `out` is there already.
        DataError: a file is neither in the mirror nor to be had from the network.
        BundleError: a file is not the published one, or its contents do not add up.
    """
    if name not in SOURCES:
        raise unknown("dataset", name, SOURCES)
    return convert(SOURCES[name], out, mirror)


def convert(source: Source, out: Path, mirror: Path | None = None) -> Path:
    """What `fetch` does, for any source."""
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"`{out}` is there already", hint="choose another --out, or remove it")
    places = _places(mirror)
    tables = _converted(source, _original(source, places) or _files(source, places))
    stage = out.parent / f".{out.name}.{os.getpid()}.fetch"
    try:
        tables.write(stage, source)
        stage.rename(out)
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return out


def home() -> Path:
    """Where things are kept between calls: `~/.cache/grapevine`, or below XDG_CACHE_HOME."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "grapevine"


def _cache() -> Path:
    return home() / "files"


def _places(mirror: Path | None) -> list[Path]:
    """Folders that may hold files, in the order they are asked."""
    named = mirror or os.environ.get("GRAPEVINE_MIRROR")
    if not named:
        return [_cache()]
    if not Path(named).is_dir():
        raise ConfigError(f"the mirror `{named}` is not a folder", hint="check --mirror")
    return [Path(named), _cache()]


def _candidates(source: Source, file: File, places: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Where a file may lie, and what it must hash to there."""
    for place in places:
        for path in (place / source.name / file.name, place / file.path):
            yield path, file.sha256
            if file.gzipped:
                yield path.with_name(f"{path.name}.gz"), file.gzipped


def _local(source: Source, file: File, places: Iterable[Path]) -> Path | None:
    """The file as it lies on this machine, verified; None if it does not."""
    for path, sha256 in _candidates(source, file, places):
        if path.is_file():
            if sha256:
                _verify(path, sha256)
            return path
    return None


def _original(source: Source, places: list[Path]) -> dict[str, Path] | None:
    """The publisher's own files, if all of them are there."""
    found = {file.name: _local(source, file, places) for file in source.original}
    present = {name: path for name, path in found.items() if path is not None}
    return present if len(present) == len(found) else None


def _files(source: Source, places: list[Path]) -> dict[str, Path]:
    found = {file: _local(source, file, places) for file in source.files}
    missing = [file for file, path in found.items() if path is None]
    if not source.files or any(not file.url for file in missing):
        raise _not_to_be_had(source, missing)
    return {
        file.name: path or _download(source, file, _cache() / file.path)
        for file, path in found.items()
    }


def _not_to_be_had(source: Source, missing: list[File]) -> DataError:
    wanted = [file for file in missing if not file.url]
    names = ", ".join(file.name for file in wanted or source.original)
    folder = f"DIR/{source.name}/"
    if source.original:
        own = ", ".join(file.name for file in source.original)
        hint = f"get it at {source.home}, put {own} into {folder} and add `--mirror DIR`"
    else:
        sums = ", ".join(f"{file.name} (SHA-256 {file.sha256})" for file in wanted)
        hint = f"add `--mirror DIR` with {sums} in {folder}; the set itself is at {source.home}"
    return DataError(
        f"{source.name}: {names} cannot be downloaded, for no public address is known to have "
        f"these very bytes ({source.origin})",
        hint=hint,
    )


def _verify(path: Path, sha256: str) -> None:
    with path.open("rb") as file:
        got = hashlib.file_digest(file, "sha256").hexdigest()
    if got != sha256:
        raise BundleError(
            f"{path}: not the published file: SHA-256 should be {sha256}, got {got}",
            hint="copy or download it again",
        )


def _download(source: Source, file: File, target: Path) -> Path:
    """Fetch one file into the cache, whole and verified or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        _stream(file, part)
        _verify(part, file.sha256)
        part.replace(target)
    except (urllib.error.URLError, OSError, TimeoutError) as error:
        raise DataError(
            f"{source.name}: {file.url} cannot be read: {error}",
            hint=f"without a network, put {file.name} into DIR/{source.name}/ and add "
            f"`--mirror DIR`; its home is {source.home}",
        ) from error
    finally:
        part.unlink(missing_ok=True)
    return target


def _stream(file: File, part: Path) -> None:
    """Copy from the network; stops as soon as there is more than there should be."""
    progress = Progress(
        console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()
    )
    request = urllib.request.Request(file.url, headers={"User-Agent": "grapevine"})
    with (
        progress,
        urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer,
        part.open("wb") as out,
    ):
        task = progress.add_task(file.name, total=file.size)
        while block := answer.read(_BLOCK):
            out.write(block)
            progress.advance(task, len(block))
            if out.tell() > file.size:
                raise BundleError(
                    f"{file.url}: not the published file: more than its {file.size} bytes came"
                )


def _converted(source: Source, files: dict[str, Path]) -> Converted:
    """What the files hold, if it can be read and is all there."""
    try:
        tables = source.convert(files)
        counts = tables.counts()
    except (pl.exceptions.PolarsError, ValueError, KeyError, OSError, EOFError) as error:
        if isinstance(error, GrapevineError):
            raise
        raise BundleError(
            f"{source.name}: {', '.join(map(str, files.values()))} cannot be read as published: "
            f"{error}",
            hint=f"get them again at {source.home}",
        ) from error
    _check_counts(source, counts)
    return tables


def _check_counts(source: Source, got: dict[str, int]) -> None:
    wrong = [
        f"{name} should be {count:,}, got {got.get(name, 0):,}"
        for name, count in source.expected.items()
        if got.get(name, 0) != count
    ]
    if wrong:
        raise BundleError(
            f"{source.name}: the files do not hold what was published: {'; '.join(wrong)}",
            hint=f"get them again at {source.home}",
        )

"""Folders that appear whole or not at all, and hold byte for byte what was written.

`MANIFEST.json` lists every file with its SHA-256. Whatever opens a folder verifies it first: native
loaders do not notice a flipped bit. This finds damage, and not malice: whoever can write a file can
write its checksum too, so a loader that might run what it reads (pickle) is never used.
"""

import glob
import hashlib
import json
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from grapevine.errors import BundleError, GrapevineError

NAME = "MANIFEST.json"
FORMAT = 1
VERSION = 12
"""Digits of the hash that names a version: more runs than anyone has do not meet by chance."""
AGAIN = "copy the folder again, whole, or make it again"


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def version(folder: Path) -> str:
    """A short name of all that a folder holds: the beginning of its manifest's hash."""
    return sha256(folder / NAME)[:VERSION]


def write(folder: Path) -> None:
    """List every file below the folder with its size and SHA-256."""
    files = {
        path.relative_to(folder).as_posix(): (path.stat().st_size, sha256(path))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != NAME
    }
    (folder / NAME).write_text(_text(files), encoding="utf-8")


@contextmanager
def published(out: Path, *, carried: Sequence[str] = ()) -> Iterator[Path]:
    """A folder to write into, which takes the place of `out` once it is whole.

    It gets its manifest on the way. If anything fails, what was there before is there still. Only a
    process that is killed between two renames leaves it beside: see `stranded`.

    Args:
        out: the folder to be.
        carried: what moves over from the folder before, where it is there; it goes on changing, and
            so the manifest does not list it.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
        folder, old = Path(scratch) / "new", Path(scratch) / "old"
        folder.mkdir()
        yield folder
        write(folder)
        moved = [name for name in carried if (out / name).exists()]
        if out.exists():
            out.rename(old)
        try:
            folder.rename(out)
        except BaseException:
            if old.exists():
                old.rename(out)
            raise
        for name in moved:
            (old / name).rename(out / name)


def stranded(out: Path) -> Path | None:
    """What stood at `out`, where a process was killed in the moment between its two renames.

    It is named and not moved: whether that process is gone, no other can tell for sure (it may be
    on another machine), and folders of one that only writes look alike.
    """
    if out.exists():
        return None
    left = sorted(out.parent.glob(f".{glob.escape(out.name)}-*/old"))
    return next((folder for folder in left if (folder / NAME).is_file()), None)


def missing_hint(out: Path, otherwise: str) -> str:
    """What to do where a folder is not there: move back what is stranded, or else this."""
    kept = stranded(out)
    if kept is None:
        return otherwise
    back = shlex.join(["mv", str(kept), str(out)])
    return f"a process was killed while it replaced it; what stood there is whole: {back}"


def verify(folder: Path, *needed: str) -> None:
    """Read every file that the manifest lists, before anything else interprets a byte of it.

    Native loaders do not notice a flipped bit; this does. A file that is not listed is nobody's
    business: a report may be laid beside a run. What will be read must be listed.

    Args:
        folder: what `published` made.
        needed: names that the caller is going to read.

    Raises:
        BundleError: the manifest is missing or damaged, or a file is missing or differs, or one
            that is needed is not listed.
    """
    path = folder / NAME
    if not path.is_file():
        raise BundleError(
            f"`{folder}` has no {NAME}", hint=missing_hint(folder, "is this a run folder?")
        )
    listed = _listed(path)
    root = folder.resolve()
    for name, (size, digest) in listed.items():
        file = folder / name
        if root not in file.resolve().parents:
            raise BundleError(f"{path}: lists a file outside its folder: {name}")
        if not file.is_file():
            raise BundleError(f"{file}: missing, and {NAME} lists it", hint=AGAIN)
        if (found := file.stat().st_size) != size:
            raise BundleError(
                f"{file}: damaged: it has {found:,} bytes and not {size:,} as {NAME} says",
                hint=AGAIN,
            )
        if sha256(file) != digest:
            raise BundleError(
                f"{file}: damaged: its SHA-256 is not the one in {NAME}",
                hint=AGAIN,
            )
    for name in needed:
        if name not in listed:
            raise BundleError(
                f"{path}: does not list `{name}`, which belongs to it",
                hint=AGAIN,
            )


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Whatever a reader makes of a file that it cannot read, in one error that names the file."""
    try:
        yield
    except GrapevineError:
        raise
    except Exception as error:
        said = str(error).strip().splitlines()
        raise BundleError(
            f"{path}: not what its name says: {said[0] if said else type(error).__name__}",
            hint=AGAIN,
        ) from error


def open_array(path: Path) -> np.ndarray:
    """Map the array of a `.npy` file into memory, read only.

    Raises:
        BundleError: it is no such file, or one that would have to be unpickled.
    """
    # This reader knows nothing else: neither pickles nor archives.
    with reading(path):
        return np.lib.format.open_memmap(path, mode="r")


def _text(files: dict[str, tuple[int, str]]) -> str:
    entries = {name: {"bytes": size, "sha256": digest} for name, (size, digest) in files.items()}
    return json.dumps({"format": FORMAT, "files": entries}, indent=1) + "\n"


def _listed(path: Path) -> dict[str, tuple[int, str]]:
    """Size and SHA-256 of each file by name; every byte of the manifest must be as it was."""
    try:
        text = path.read_bytes().decode("utf-8")
        given = json.loads(text)
        files = {
            str(name): (int(entry["bytes"]), str(entry["sha256"]))
            for name, entry in given["files"].items()
        }
        same = _text(files) == text
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BundleError(f"{path}: damaged: {error!r}", hint=AGAIN) from error
    if given.get("format") != FORMAT:
        raise BundleError(
            f"{path}: format {given.get('format')!r}: this version reads format {FORMAT}"
        )
    if not same:
        raise BundleError(f"{path}: damaged: it is not as it was written", hint=AGAIN)
    return files

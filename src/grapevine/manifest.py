"""Folders that appear whole or not at all, and hold byte for byte what was written.

`MANIFEST.json` lists every file with its SHA-256. Whatever opens a folder verifies it first: native
loaders do not notice a flipped bit.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grapevine.errors import BundleError

NAME = "MANIFEST.json"


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(folder: Path) -> None:
    """List every file below the folder with its size and SHA-256."""
    files = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != NAME
    }
    (folder / NAME).write_text(json.dumps({"format": 1, "files": files}, indent=1) + "\n")


@contextmanager
def published(out: Path) -> Iterator[Path]:
    """A folder to write into, which takes the place of `out` once it is whole.

    It gets its manifest on the way. If anything fails, what was there before is there still.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
        folder, old = Path(scratch) / "new", Path(scratch) / "old"
        folder.mkdir()
        yield folder
        write(folder)
        if out.exists():
            out.rename(old)
        try:
            folder.rename(out)
        except BaseException:
            if old.exists():
                old.rename(out)
            raise


def verify(folder: Path) -> None:
    """Read every file that the manifest lists, before anything else interprets a byte of it.

    Native loaders do not notice a flipped bit; this does.

    Raises:
        BundleError: the manifest is missing or damaged, or a file is missing or differs.
    """
    path = folder / NAME
    if not path.is_file():
        raise BundleError(f"`{folder}` has no {NAME}", hint="is this a run folder?")
    try:
        files = json.loads(path.read_text(encoding="utf-8"))["files"]
        listed = {str(name): str(entry["sha256"]) for name, entry in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(f"{path}: damaged: {error!r}") from error
    root = folder.resolve()
    for name, digest in listed.items():
        file = folder / name
        if root not in file.resolve().parents:
            raise BundleError(f"{path}: lists a file outside its folder: {name}")
        if not file.is_file():
            raise BundleError(f"{file}: missing", hint="copy the folder again, whole")
        if sha256(file) != digest:
            raise BundleError(
                f"{file}: damaged: its SHA-256 is not the one in {NAME}",
                hint="copy the folder again, or train again",
            )

"""Folders of vectors and of indexes: written whole, checked before anything reads them.

An index folder holds `settings.json`, `ids.parquet` (column `id`), `vectors.npy`, `added.npy`,
`deleted.npy`, for an approximate kind `index.faiss`, and `MANIFEST.json`.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from grapevine import config, manifest
from grapevine.errors import BundleError, ConfigError
from grapevine.index import native
from grapevine.index.vector_index import Settings, VectorIndex

FORMAT = 1
SETTINGS, IDS, VECTORS = "settings.json", "ids.parquet", "vectors.npy"
CALLED = {"embeddings": "vectors of a run", "index": "an index"}
ADDED, DELETED, NATIVE = "added.npy", "deleted.npy", "index.faiss"


def save(index: VectorIndex, out: Path) -> None:
    """Write the index folder; nothing is left behind if that fails.

    Raises:
        ConfigError: `out` is something that an index may not replace.
    """
    refuse_to_replace(out, "index")
    with manifest.published(out) as folder:
        write_settings(folder, "index", asdict(index.settings))
        write_ids(folder / IDS, index.ids)
        np.save(folder / VECTORS, index.vectors)
        np.save(folder / ADDED, index.added)
        np.save(folder / DELETED, index.deleted)
        if index.native is not None:
            native.write(index.native, folder / NATIVE)


def open_index(folder: Path) -> VectorIndex:
    """Open an index folder, every byte checked against its manifest first.

    The vectors, and what FAISS keeps of them, are mapped into memory and read as they are needed.

    Raises:
        BundleError: the folder is no index, is damaged, or needs another version.
    """
    # Every byte is hashed once: whether there must be such a file, the settings say later.
    there = [NATIVE] if (folder / NATIVE).is_file() else []
    given = read_settings(folder, "index", IDS, VECTORS, ADDED, DELETED, *there)
    with manifest.reading(folder / SETTINGS):
        settings = config.from_dict(Settings, given)
    made = None
    if settings.kind != "flat":
        if not there:
            raise BundleError(f"{folder / NATIVE}: missing", hint=manifest.AGAIN)
        with manifest.reading(folder / NATIVE):
            made = native.read(folder / NATIVE)
    index = VectorIndex(
        settings=settings,
        ids=read_ids(folder / IDS),
        vectors=read_array(folder / VECTORS, width=settings.width),
        added=read_array(folder / ADDED, width=settings.width),
        deleted=read_array(folder / DELETED, dtype=np.bool_),
        native=made,
    )
    rows, more = len(index.vectors), len(index.added)
    known = rows if made is None else int(made.ntotal)
    if not len(index.ids) == len(index.deleted) == rows + more or known != rows:
        raise BundleError(f"{folder}: its files do not belong together: they differ in length")
    return index


def refuse_to_replace(out: Path, what: str) -> None:
    """Let nothing but a folder of the same sort, or an empty one, give way.

    Args:
        out: the folder to be.
        what: what it will hold: "embeddings" or "index".

    Raises:
        ConfigError: `out` is something else, so that overwriting it may lose work.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise ConfigError(f"`{out}` is a file, not a folder", hint="choose another --out")
    if any(out.iterdir()) and _what(out) != what:
        raise ConfigError(
            f"`{out}` exists and does not hold {CALLED[what]}", hint="choose another --out"
        )


def write_settings(folder: Path, what: str, settings: Mapping[str, Any]) -> None:
    """What the folder is and how it came about."""
    text = json.dumps({"format": FORMAT, "what": what, **settings}, indent=1)
    (folder / SETTINGS).write_text(text + "\n", encoding="utf-8")


def read_settings(folder: Path, what: str, *needed: str) -> dict[str, Any]:
    """What `write_settings` wrote, once every byte of the folder is checked.

    Args:
        folder: to open.
        what: what it must be: "embeddings" or "index".
        needed: the other files that will be read.

    Raises:
        BundleError: the folder is something else, is damaged, or needs another version.
    """
    path = folder / SETTINGS
    if not path.is_file():
        make = "embed RUN --out DIR" if what == "embeddings" else "index DIR --out INDEX"
        raise BundleError(
            f"`{folder}` does not hold {CALLED[what]}: it has no {SETTINGS}",
            hint=f"make one with `grapevine {make}`",
        )
    manifest.verify(folder, SETTINGS, *needed)
    with manifest.reading(path):
        given = dict(json.loads(path.read_text(encoding="utf-8")))
        found, version = given.pop("what"), given.pop("format")
    if found != what:
        raise BundleError(
            f"`{folder}` does not hold {CALLED[what]}, but {CALLED.get(found, found)}"
        )
    if version != FORMAT:
        raise BundleError(
            f"{path}: format {version}: this version reads format {FORMAT}",
            hint="make it again with this version of grapevine",
        )
    return given


def write_ids(path: Path, ids: pl.Series) -> None:
    """IDs as a table of one column."""
    ids.alias("id").to_frame().write_parquet(path)


def read_ids(path: Path) -> pl.Series:
    """The column that `write_ids` wrote."""
    with manifest.reading(path):
        return pl.read_parquet(path)["id"]


def read_array(path: Path, *, width: int | None = None, dtype: Any = np.float32) -> np.ndarray:
    """Map an array into memory; one that would have to be unpickled is refused.

    Raises:
        BundleError: it is no array, or one of another type or shape.
    """
    array = manifest.open_array(path)
    wanted = (width,) if width is not None else ()
    if array.dtype != dtype or array.shape[1:] != wanted:
        raise BundleError(f"{path}: not an array of {np.dtype(dtype).name} with {wanted} a row")
    return array


def _what(folder: Path) -> str:
    """What a folder says it is; nothing that has no settings says anything."""
    try:
        return str(json.loads((folder / SETTINGS).read_text(encoding="utf-8"))["what"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""

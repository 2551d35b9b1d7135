"""Columns that grow on disk while a file is read, and are mapped back when it is done."""

from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Int64, Shaped

from grapevine.data.readers.validate import Text
from grapevine.graph.strings import gather


class Spill:
    """Named columns as raw files in a folder.

    Appending needs no memory; numbers come back whole, text row by row as it is asked for.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        self._paths: dict[str, Path] = {}
        self._files: dict[str, IO[bytes]] = {}
        self._used: dict[str, int] = {}

    def append(self, name: str, values: Shaped[np.ndarray, " rows"]) -> None:
        """Add some numbers to a column."""
        file = self._files.get(name)
        if file is None:
            # Numbered, since the name of a column need not be the name of a file.
            path = self._paths[name] = self._folder / f"{len(self._paths)}.bin"
            file = self._files[name] = path.open("wb")
        file.write(np.ascontiguousarray(values).data)

    def append_text(self, name: str, text: Text, keep: Bool[np.ndarray, " rows"]) -> None:
        """Add some strings to a column."""
        starts, stops = text.offsets[:-1][keep], text.offsets[1:][keep]
        offsets, data = gather(
            text.data,
            starts.astype(np.int64),
            stops.astype(np.int64),
            np.zeros(len(starts), np.bool_),
        )
        used = self._used.setdefault(name, 0)
        self.append(f"{name}.text", data)
        self.append(f"{name}.ends", offsets[1:] + np.int64(used))
        self._used[name] = used + len(data)

    def numbers(self, name: str, dtype: Any) -> np.ndarray:
        """A column of numbers, whole."""
        self._close(name)
        return np.fromfile(self._paths[name], dtype)

    def text(self, name: str, rows: Int64[np.ndarray, " rows"]) -> pa.Array:
        """Some strings of a column, in the order asked for; an empty one is null."""
        ends = self._mapped(f"{name}.ends", np.int64)
        data = self._mapped(f"{name}.text", np.uint8)
        stops = np.asarray(ends[rows])
        starts = np.where(rows > 0, np.asarray(ends[rows - 1]), 0)
        offsets, out = gather(data, starts, stops, np.zeros(len(rows), np.bool_))
        empty = starts == stops
        valid = pa.py_buffer(np.packbits(~empty, bitorder="little")) if empty.any() else None
        buffers = [valid, pa.py_buffer(offsets), pa.py_buffer(out)]
        return pa.Array.from_buffers(pa.string(), len(rows), buffers)

    def close(self) -> None:
        """Close what is open."""
        for name in list(self._files):
            self._close(name)

    def _mapped(self, name: str, dtype: Any) -> np.ndarray:
        self._close(name)
        path = self._paths[name]
        if path.stat().st_size == 0:
            return np.zeros(0, dtype)
        # A fresh map each time: pages of the last one do not stay in memory.
        return np.asarray(np.memmap(path, dtype, "r"))

    def _close(self, name: str) -> None:
        file = self._files.pop(name, None)
        if file is not None:
            file.close()

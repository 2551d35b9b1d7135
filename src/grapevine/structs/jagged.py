"""Lists of different lengths, laid end to end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64, Shaped


@dataclass(frozen=True, slots=True)
class Jagged:
    """Lists of different lengths as one array of values and one of offsets (the CSR layout).

    Attributes:
        offsets: `(lists + 1,)` list i is `values[offsets[i]:offsets[i + 1]]`; starts at 0.
        values: `(total,)` of any dtype.
    """

    offsets: Int64[np.ndarray, " lists_plus_one"]
    values: Shaped[np.ndarray, " total"]

    def __post_init__(self) -> None:
        if len(self.offsets) == 0 or self.offsets[0] != 0 or self.offsets[-1] != len(self.values):
            raise ValueError(
                f"offsets must run from 0 to the number of values ({len(self.values)}): "
                f"got {self.offsets[:1]} .. {self.offsets[-1:]}"
            )
        if (np.diff(self.offsets) < 0).any():
            raise ValueError("offsets must not fall")

    @classmethod
    def from_lists(cls, lists: Sequence[Any], dtype: Any = np.int32) -> "Jagged":
        """Lists as they stand.

        >>> Jagged.from_lists([[4, 2], [], [7]]).offsets.tolist()
        [0, 2, 2, 3]
        """
        lengths = np.fromiter((len(part) for part in lists), np.int64, len(lists))
        values = np.concatenate([np.asarray(part, dtype) for part in lists] or [np.empty(0, dtype)])
        return cls(offsets_of(lengths), values.astype(dtype, copy=False))

    @classmethod
    def empty(cls, lists: int) -> "Jagged":
        """So many empty lists of rows.

        >>> Jagged.empty(2).lengths.tolist()
        [0, 0]
        """
        return cls(np.zeros(lists + 1, np.int64), np.empty(0, np.int32))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> Shaped[np.ndarray, " length"]:
        return self.values[self.offsets[index] : self.offsets[index + 1]]

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[index] for index in range(len(self)))

    @property
    def lengths(self) -> Int64[np.ndarray, " lists"]:
        """How many values each list has."""
        return np.diff(self.offsets)

    def slice(self, start: int, stop: int) -> "Jagged":
        """Lists start to stop; the values are a view, not a copy."""
        offsets = self.offsets[start : stop + 1]
        return Jagged(offsets - offsets[0], self.values[offsets[0] : offsets[-1]])

    def take(self, rows: Int64[np.ndarray, " wanted"]) -> "Jagged":
        """The lists named by `rows`, in that order; row -1 stands for an empty list."""
        offsets, index = gather_index(self.offsets, rows)
        return Jagged(offsets, self.values[index])

    def where(self, keep: Shaped[np.ndarray, " total"]) -> "Jagged":
        """The same lists with only the values for which `keep` is true."""
        kept = np.concatenate([[0], np.cumsum(keep, dtype=np.int64)])
        return Jagged(kept[self.offsets], self.values[keep])


def offsets_of(lengths: Shaped[np.ndarray, " lists"]) -> Int64[np.ndarray, " lists_plus_one"]:
    """Where each list starts, and where the last one ends."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def gather_index(
    offsets: Int64[np.ndarray, " lists_plus_one"], rows: Int64[np.ndarray, " wanted"]
) -> tuple[Int64[np.ndarray, " wanted_plus_one"], Int64[np.ndarray, " total"]]:
    """Offsets of the lists `rows`, and the place of each of their values; -1 is an empty list."""
    known = rows >= 0
    row = np.where(known, rows, 0)
    starts = offsets[row] if len(offsets) > 1 else np.zeros(len(rows), np.int64)
    stops = offsets[row + 1] if len(offsets) > 1 else starts
    lengths = np.where(known, stops - starts, 0)
    out = offsets_of(lengths)
    # Each value's place = its list's start + how far into the list it stands.
    index = np.arange(out[-1], dtype=np.int64) + np.repeat(starts - out[:-1], lengths)
    return out, index

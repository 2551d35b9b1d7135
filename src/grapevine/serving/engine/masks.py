"""Masks of items, and what was made once and is kept."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from jaxtyping import Bool, Int64

from grapevine.index.vector_index import FILTERED_SHARE

Value = TypeVar("Value")


class Cache(Generic[Value]):
    """So many values by key, the latest used; safe in threads, each value made at most a few times.

    Args:
        most: how many are kept.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._kept: OrderedDict[Hashable, Value] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of a key, made if it is not there."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = make()
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > self.most:
                self._kept.popitem(last=False)
        return made

    def __len__(self) -> int:
        return len(self._kept)


@dataclass(frozen=True, slots=True)
class Allowed:
    """Which items may be shown.

    Attributes:
        mask: `(items,)`.
        rows: `(few,)` the same as rows, where they are so few that they are looked at one by one.
        count: how many there are.
    """

    mask: Bool[np.ndarray, " items"]
    rows: Int64[np.ndarray, " few"] | None
    count: int

    @classmethod
    def of(cls, mask: Bool[np.ndarray, " items"]) -> "Allowed":
        """Those of a mask."""
        count = int(np.count_nonzero(mask))
        few = count < FILTERED_SHARE * len(mask)
        return cls(mask, np.flatnonzero(mask) if few else None, count)

    def parted(self, at: int) -> "tuple[Allowed, Bool[np.ndarray, ' rest']]":
        """Those below a row, and the mask of those from it on."""
        rest = self.mask[at:]
        if self.rows is not None:
            rows = self.rows[: np.searchsorted(self.rows, at)]
            return Allowed(self.mask[:at], rows, len(rows)), rest
        return Allowed(self.mask[:at], None, self.count - int(np.count_nonzero(rest))), rest

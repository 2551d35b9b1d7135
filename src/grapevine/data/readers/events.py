"""Events out of any files: every column checked and encoded, block by block."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from grapevine.data.dataset import LABELS
from grapevine.data.readers.mapping import Columns, map_columns
from grapevine.data.readers.quarantine import set_aside
from grapevine.data.readers.rows import BadRow, Block, Source
from grapevine.data.readers.times import check_times, guess_unit
from grapevine.data.readers.validate import (
    Problem,
    Text,
    check_ids,
    check_numbers,
    check_order,
    check_text,
    check_words,
    labels,
)
from grapevine.errors import ConfigError, DataError
from grapevine.graph.strings import hash_strings

MAX_BEHAVIOURS = 255

T = TypeVar("T")

_HEAD_ROWS = 1000
_TEXTS = {"text": "text", "session_id": "category", "event_id": "category"}
_NUMBERS = {"value": np.float32, "split": np.uint8}


@dataclass(slots=True)
class EventBlock:
    """Some consecutive rows after checking.

    Attributes:
        rows: how many were read.
        keep: `(rows - unreadable,)` true for the good ones; the columns are as long.
        bad: the bad ones, in line order.
        user: user IDs.
        item: item IDs.
        core: "behaviour", "time", "order" and "event_hash", each if there is one.
        numbers: further columns of numbers, by their name in the dataset.
        texts: further columns of text.
    """

    user: Text
    item: Text
    rows: int = 0
    keep: np.ndarray = field(default_factory=lambda: np.empty(0, bool))
    bad: list[BadRow] = field(default_factory=list)
    core: dict[str, np.ndarray] = field(default_factory=dict)
    numbers: dict[str, np.ndarray] = field(default_factory=dict)
    texts: dict[str, Text] = field(default_factory=dict)


class EventReader:
    """Reads events from files with the same meaning of columns.

    Attributes:
        sources: the files.
        decimal: what stands before the fraction of numbers in text.
        columns: which column of the first file means what.
        time_unit: how times are read; "order" where there are none.
        behaviours: those met so far, or all that are allowed if they were given.
        are_given: whether they were given.
        counts: `(256,)` good rows of each.

    Raises:
        ConfigError: the mapping or the unit of time is impossible.
        DataError: a needed column is missing, files differ, or no unit of time fits.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        mapping: Mapping[str, str],
        time_unit: str,
        behaviours: Sequence[str] | None,
        decimal: str = ".",
    ) -> None:
        self.sources = sources
        self.decimal = decimal
        self._columns = [
            map_columns("events", source.columns, mapping, str(source.path)) for source in sources
        ]
        self.columns = self._columns[0]
        for source, one in zip(sources, self._columns):
            _check_alike(source, one, self.columns)
        self.time_unit = self._time_unit(time_unit)
        if len(behaviours or ()) > 1 and not self.has("behaviour"):
            names = ", ".join(behaviours or ())
            raise ConfigError(
                f"{sources[0].path}: no column tells the behaviours {names} apart",
                hint="say which one does: --map COLUMN=behaviour",
            )
        self.are_given = behaviours is not None
        self.behaviours: list[str] = list(behaviours or ())
        self.counts = np.zeros(MAX_BEHAVIOURS + 1, np.int64)

    def has(self, role: str) -> bool:
        """Whether a column has this role."""
        return role in self.columns.roles

    @property
    def further(self) -> dict[str, Any]:
        """The columns beyond user, item, behaviour and time: numpy type, or None for text."""
        kinds = {name: _NUMBERS.get(name) for name in (*_NUMBERS, *_TEXTS) if self.has(name)}
        extras = self.columns.extras.items()
        return kinds | {name: np.float64 if role == "number" else None for name, role in extras}

    @property
    def schema_roles(self) -> dict[str, str]:
        """Roles of the further columns, as the schema names them."""
        known = {"value": "number", **_TEXTS}
        return {name: role for name, role in known.items() if self.has(name)} | self.columns.extras

    def cascade(self) -> list[int]:
        """Places of the behaviours in cascade order: as given, or most frequent first."""
        places = range(len(self.behaviours))
        if self.are_given:
            return list(places)
        met = (place for place in places if self.counts[place])
        return sorted(met, key=lambda place: (-self.counts[place], self.behaviours[place]))

    def blocks(self) -> Iterator[EventBlock]:
        """All files from their start, block by block."""
        for source, columns in zip(self.sources, self._columns):
            for block in source.blocks(columns.wanted, tuple(columns.roles.values())):
                yield self._checked(block, columns)

    def _checked(self, block: Block, columns: Columns) -> EventBlock:
        problems: list[Problem] = []

        def raw(role: str) -> tuple[str, pa.Array]:
            name = columns.roles.get(role, role)
            return name, block.columns[name]

        def take(result: tuple[T, list[Problem]]) -> T:
            problems.extend(result[1])
            return result[0]

        out = EventBlock(take(check_ids(*raw("user_id"))), take(check_ids(*raw("item_id"))))
        if "behaviour" in columns.roles:
            out.core["behaviour"] = take(self._behaviour_codes(*raw("behaviour")))
        if "timestamp" in columns.roles:
            out.core["time"] = take(check_times(*raw("timestamp"), self.time_unit))
        if "order" in columns.roles:
            out.core["order"] = take(check_order(*raw("order")))
        for name, kind in self.further.items():
            if name == "split":
                out.numbers[name] = take(labels(*raw(name), LABELS))
            elif kind is None:
                out.texts[name] = take(check_text(*raw(name)))
            else:
                values = take(check_numbers(*raw(name), self.decimal))
                out.numbers[name] = values.astype(kind, copy=False)
        if "event_id" in out.texts:
            text = out.texts["event_id"]
            out.core["event_hash"] = hash_strings(text.data, text.offsets)
        out.keep, out.bad = set_aside(block, problems)
        out.rows = len(block) + len(block.bad)
        if "behaviour" in out.core:
            self.counts += np.bincount(out.core["behaviour"][out.keep], minlength=len(self.counts))
        return out

    def _behaviour_codes(self, name: str, column: pa.Array) -> tuple[np.ndarray, list[Problem]]:
        if self.are_given:
            return labels(name, column, self.behaviours)
        words, codes, problems = check_words(name, column)
        bad = {int(code) for problem in problems for code in np.unique(codes[problem.rows])}
        good = [word for code, word in enumerate(words) if code not in bad]
        self.behaviours += [word for word in good if word not in self.behaviours]
        if len(self.behaviours) > MAX_BEHAVIOURS:
            raise DataError(
                f"column `{name}` holds more than {MAX_BEHAVIOURS} behaviours",
                hint="is the right column mapped to `behaviour`?",
            )
        place = [0 if code in bad else self.behaviours.index(one) for code, one in enumerate(words)]
        return np.array(place or [0], np.uint8)[codes], problems

    def _time_unit(self, unit: str) -> str:
        if not self.has("timestamp"):
            return "order"
        if unit != "auto":
            return unit
        for source, columns in zip(self.sources, self._columns):
            column = columns.roles["timestamp"]
            head = list(head_of(source, column))
            if any(len(part) for part in head):
                return guess_unit(f"{source.path}: column `{column}`", head)
        # No file has a row, so that any unit fits; the importer says that there are no events.
        return "iso"


def _check_alike(source: Source, columns: Columns, first: Columns) -> None:
    if set(columns.roles) != set(first.roles) or columns.extras != first.extras:
        raise DataError(
            f"{source.path}: its columns do not mean what those of the first file do: "
            f"{', '.join(columns.roles)} against {', '.join(first.roles)}",
            hint="files of one folder must have the same columns",
        )


def head_of(source: Source, column: str) -> Iterator[pa.Array]:
    """The first 1,000 rows of a column."""
    left = _HEAD_ROWS
    for block in source.blocks([column]):
        yield block.columns[column].slice(0, left)
        left -= len(block)
        if left <= 0:
            return

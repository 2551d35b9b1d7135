"""Raw files in, a dataset folder out: streamed, checked row by row, whole or not at all."""

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import polars as pl
import pyarrow as pa

from grapevine import log
from grapevine.data import folder as folders
from grapevine.data.catalogue import CatalogueTable, read_catalogue
from grapevine.data.dataset import LABELS
from grapevine.data.folder import FolderWriter
from grapevine.data.readers import BLOCK_BYTES, open_sources
from grapevine.data.readers.mapping import Columns, check_mapping, map_columns
from grapevine.data.readers.quarantine import Quarantine, set_aside
from grapevine.data.readers.rows import BadRow, Block, Source, ahead
from grapevine.data.readers.spill import Spill
from grapevine.data.readers.validate import (
    Problem,
    Text,
    check_ids,
    check_numbers,
    check_order,
    check_text,
    check_times,
    check_unit,
    check_words,
    guess_unit,
    labels,
)
from grapevine.data.schema import Schema
from grapevine.errors import ConfigError, DataError
from grapevine.graph.sort import SortedEvents, sort_events
from grapevine.graph.strings import Interner, hash_strings

BadRows = Literal["fail", "quarantine"]

_HEAD_ROWS = 1000
_TEXT_ROLES = ("text", "session_id", "event_id")
_MAX_BEHAVIOURS = 255


@dataclass(frozen=True, kw_only=True)
class ImportReport:
    """What an import read, left out and wrote.

    Attributes:
        out: the dataset folder.
        total: rows of events that were read; always `good + bad`.
        good: rows that were taken, duplicates included.
        bad: rows that were not.
        duplicates: good rows that repeat an event and were not written again.
        out_of_order: events earlier than the one that arrived before them, of the same user.
        ties: events at the same time as the event before them, of the same user.
        users: users of the dataset.
        items: items of the dataset.
        behaviours: events of each behaviour, in cascade order, before duplicates are left out.
        added_items: items met in the events that the catalogue did not list.
        time_unit: how times were read; "order" where there are none.
        columns: role of each column that was used.
        guessed: those among them whose role was guessed from the name.
        ignored: columns of the events that were left out.
        notes: what else is worth knowing.
        bad_rows: the first bad rows.
        seconds: how long it took.
    """

    out: Path
    total: int
    good: int
    bad: int
    duplicates: int
    out_of_order: int
    ties: int
    users: int
    items: int
    behaviours: dict[str, int]
    added_items: int
    time_unit: str
    columns: dict[str, str]
    guessed: dict[str, str]
    ignored: tuple[str, ...]
    notes: tuple[str, ...]
    bad_rows: tuple[BadRow, ...]
    seconds: float

    @property
    def rows_per_second(self) -> float:
        """Rows of events read, checked, sorted and written in a second."""
        return self.total / max(self.seconds, 1e-9)


def import_events(
    events: Path | str,
    out: Path | str,
    *,
    items: Path | str | None = None,
    users: Path | str | None = None,
    links: Path | str | None = None,
    mapping: Mapping[str, str] | None = None,
    time_unit: str = "auto",
    bad_rows: BadRows = "fail",
    name: str | None = None,
    behaviours: Sequence[str] | None = None,
    target: str | None = None,
    block_bytes: int = BLOCK_BYTES,
) -> ImportReport:
    """Make a dataset folder from files of events and, if there are any, of items, users and links.

    Files are CSV, TSV, JSON lines (each also `.gz`) or Parquet, or folders of them.

    - IDs are kept as they are: as integers where every one is written as an integer is ("007" is
      not), otherwise as text. An ID is bad if it is empty, longer than 256 bytes, or holds a
      control character other than a newline.
    - Times become milliseconds since 1970, UTC where nothing else is said; what is finer is cut.
      `auto` takes text for ISO 8601 and tells the unit of numbers by the median of the first
      1,000: below 1e11 seconds, below 1e14 milliseconds, below 1e17 microseconds, otherwise
      nanoseconds. A time before 1970 or after the year 2100 is bad.
    - Without times the `order` column is the time, and without that the order of arrival.
    - Events that agree in user, item, behaviour, time, and `event_id` where there is one, count
      once: the first is kept.
    - Events out of order are sorted; those of the same time keep the order of the `order` column,
      and then of arrival.
    - A missing value, text or session is fine; a missing ID, behaviour or time is not.
    - Items that the events name and the catalogue does not are added to it, their columns null.

    Args:
        events: a file or folder with one event a row.
        out: the dataset folder to make; must not exist, or be empty.
        items: the catalogue.
        users: what is known of users.
        links: relations between items.
        mapping: column to role: user_id, item_id, behaviour, timestamp, value, text, session_id,
            event_id, order, split, a role of the schema for a further column, or "ignore". What
            it does not name is guessed from common names.
        time_unit: "auto", "s", "ms", "us", "ns", "iso", or a strptime format.
        bad_rows: "fail" writes nothing if any row is bad; "quarantine" writes the good rows, and
            all bad ones to `bad_rows.parquet` in the folder.
        name: what the dataset is called; the folder's name if not given.
        behaviours: what users do, in cascade order; most frequent first if not given. If given,
            an event with any other is bad.
        target: the behaviour to predict; the last one if not given.
        block_bytes: how much text is read at a time.

    Raises:
        DataError: rows are bad and `bad_rows` is "fail", or a file or column is missing.
        ConfigError: an option is impossible, or `out` is in use.
    """
    if bad_rows not in {"fail", "quarantine"}:
        raise ConfigError(f"bad_rows: wanted fail or quarantine, got `{bad_rows}`")
    check_unit(time_unit)
    began = time.perf_counter()
    mapping = dict(mapping or {})
    sources = open_sources(Path(events), block_bytes=block_bytes)
    tables = {
        kind: open_sources(Path(path), block_bytes=block_bytes)
        for kind, path in (("items", items), ("users", users), ("links", links))
        if path is not None
    }
    everything = [*sources, *(source for table in tables.values() for source in table)]
    check_mapping(mapping, (column for source in everything for column in source.columns))
    schema = Schema(name=name or Path(out).name, catalogue=items is not None)
    with FolderWriter(Path(out), schema) as writer:
        keep_all = bad_rows == "quarantine"
        quarantine = Quarantine(writer.path / "bad_rows.parquet" if keep_all else None)
        importer = _Import(sources, mapping, time_unit, behaviours, quarantine, writer)
        try:
            importer.read_tables(tables)
            importer.read_events()
            if quarantine.count and not keep_all:
                raise quarantine.error(importer.rows_read)
            report = importer.write(target)
        finally:
            importer.close()
            quarantine.close()
    return replace(report, out=Path(out), seconds=time.perf_counter() - began)


@dataclass(slots=True)
class _Encoded:
    """A block of events after checking: all columns, and which rows are good."""

    rows: int
    keep: np.ndarray
    bad: list[BadRow]
    user: Text
    item: Text
    numbers: dict[str, np.ndarray] = field(default_factory=dict)
    texts: dict[str, Text] = field(default_factory=dict)


class _Import:
    """One run of the importer: first all files are read into codes, then all is written sorted."""

    def __init__(
        self,
        sources: Sequence[Source],
        mapping: Mapping[str, str],
        time_unit: str,
        behaviours: Sequence[str] | None,
        quarantine: Quarantine,
        writer: FolderWriter,
    ) -> None:
        self.sources, self.quarantine, self.writer = sources, quarantine, writer
        self.columns = [
            map_columns("events", source.columns, mapping, str(source.path)) for source in sources
        ]
        self.mapping = mapping
        self.roles = set().union(*(one.roles for one in self.columns))
        for source, one in zip(sources, self.columns):
            _check_alike(source, one, self.columns[0])
        self.extras = self.columns[0].extras
        self.time_unit = self._time_unit(time_unit)
        self.fixed = behaviours is not None
        self.behaviours: list[str] = list(behaviours or ())
        self.counts = np.zeros(_MAX_BEHAVIOURS + 1, np.int64)
        self.users, self.items = Interner(), Interner()
        self.spill = Spill(writer.path / "spill")
        self.tables: dict[str, CatalogueTable] = {}
        self.rows_read = self.total = self.bad = self.arrived = 0

    def close(self) -> None:
        """Remove what was laid aside."""
        self.spill.close()
        shutil.rmtree(self.writer.path / "spill", ignore_errors=True)

    def read_tables(self, tables: Mapping[str, Sequence[Source]]) -> None:
        """Read items, users and links, and number their IDs first."""
        for kind, sources in tables.items():
            table = read_catalogue(kind, sources, self.mapping, self.quarantine)
            self.tables[kind] = table
            self.rows_read += table.total
        for kind, interner in (("items", self.items), ("users", self.users)):
            if kind in self.tables:
                text, _ = check_ids("", self.tables[kind].ids)
                interner.codes(text.data, text.offsets, np.ones(len(text.offsets) - 1, bool))

    def read_events(self) -> None:
        """Read all events into the spilled columns."""
        with log.bar("reading events") as progress:
            for block in ahead(self._encoded()):
                self._take(block)
                progress.advance(block.rows)
        self.rows_read += self.total

    def _take(self, block: _Encoded) -> None:
        self.total += block.rows
        self.bad += len(block.bad)
        self.quarantine.add(block.bad)
        keep = block.keep
        whole = bool(keep.all())
        user = self.users.codes(block.user.data, block.user.offsets, keep)
        item = self.items.codes(block.item.data, block.item.offsets, keep)
        for name, values in {"user": user, "item": item, **block.numbers}.items():
            self.spill.append(name, values if whole else values[keep])
        for name, text in block.texts.items():
            self.spill.append_text(name, text, keep)

    def _encoded(self) -> Iterator[_Encoded]:
        for source, columns in zip(self.sources, self.columns):
            scalars = columns.roles.values()
            for block in source.blocks(columns.wanted, scalars):
                yield self._encode(block, columns)

    def _encode(self, block: Block, columns: Columns) -> _Encoded:
        """Check every column of a block; runs ahead, in another thread."""
        problems: list[Problem] = []

        def raw(role: str) -> tuple[str, pa.Array]:
            return columns.roles[role], block.columns[columns.roles[role]]

        def checked(result: tuple[Any, list[Problem]]) -> Any:
            problems.extend(result[1])
            return result[0]

        user, item = checked(check_ids(*raw("user_id"))), checked(check_ids(*raw("item_id")))
        out = _Encoded(0, np.empty(0, bool), [], user, item)
        if "behaviour" in columns.roles:
            out.numbers["behaviour"] = checked(self._behaviour_codes(*raw("behaviour")))
        if "timestamp" in columns.roles:
            out.numbers["time"] = checked(check_times(*raw("timestamp"), self.time_unit))
        if "order" in columns.roles:
            out.numbers["order"] = checked(check_order(*raw("order")))
        if "split" in columns.roles:
            out.numbers["split"] = checked(labels(*raw("split"), LABELS))
        if "value" in columns.roles:
            out.numbers["value"] = checked(check_numbers(*raw("value"))).astype(np.float32)
        for role in _TEXT_ROLES:
            if role in columns.roles:
                out.texts[role] = checked(check_text(*raw(role)))
        for name, role in columns.extras.items():
            if role == "number":
                out.numbers[f"extra {name}"] = checked(check_numbers(name, block.columns[name]))
            else:
                out.texts[f"extra {name}"] = checked(check_text(name, block.columns[name]))
        if "event_id" in out.texts:
            text = out.texts["event_id"]
            out.numbers["event_hash"] = hash_strings(text.data, text.offsets)
        out.keep, out.bad = set_aside(block, problems)
        out.rows = len(block) + len(block.bad)
        if "behaviour" in out.numbers:
            counts = np.bincount(out.numbers["behaviour"][out.keep], minlength=len(self.counts))
            self.counts += counts
        return out

    def _behaviour_codes(self, name: str, column: pa.Array) -> tuple[np.ndarray, list[Problem]]:
        if self.fixed:
            return labels(name, column, self.behaviours)
        words, codes, problems = check_words(name, column)
        bad = {int(code) for problem in problems for code in np.unique(codes[problem.rows])}
        for code, word in enumerate(words):
            if code not in bad and word not in self.behaviours:
                self.behaviours.append(word)
        if len(self.behaviours) > _MAX_BEHAVIOURS:
            raise DataError(
                f"column `{name}` holds more than {_MAX_BEHAVIOURS} behaviours",
                hint="is the right column mapped to `behaviour`?",
            )
        place = [0 if code in bad else self.behaviours.index(one) for code, one in enumerate(words)]
        return np.array(place or [0], np.uint8)[codes], problems

    def _time_unit(self, unit: str) -> str:
        if "timestamp" not in self.roles:
            return "order"
        if unit != "auto":
            return unit
        column = self.columns[0].roles["timestamp"]
        where = f"{self.sources[0].path}: column `{column}`"
        return guess_unit(where, _head(self.sources[0], column))

    def write(self, target: str | None) -> ImportReport:
        """Sort what was read and write the folder."""
        good = self.total - self.bad
        if good == 0:
            raise DataError(
                f"{self.sources[0].path}: there is no event to import"
                + (f", all {self.bad:,} rows are bad" if self.bad else "")
            )
        order = self._cascade()
        names = tuple(self.behaviours[place] for place in order) or ("event",)
        users, user_rows = _vocabulary(self.users)
        items, item_rows = _vocabulary(self.items)
        exact = self.time_unit != "order"
        self.writer.schema = replace(
            self.writer.schema,
            behaviours=names,
            target=target or names[-1],
            clock="exact" if exact else "order",
            events=self._roles(),
        )
        added = self._write_tables(items, users)
        events = self._sorted(user_rows, item_rows, order)
        self._write_events(events, users, items, names)
        return ImportReport(
            out=self.writer.out,
            total=self.total,
            good=good,
            bad=self.bad,
            duplicates=int(events.repeated.sum()),
            out_of_order=events.out_of_order,
            ties=events.ties,
            users=len(users),
            items=len(items),
            behaviours={
                name: int(self.counts[place]) if "behaviour" in self.roles else good
                for name, place in zip(names, order or [0])
            },
            added_items=added,
            time_unit=self.time_unit,
            columns={
                **{column: role for role, column in self.columns[0].roles.items()},
                **self.extras,
            },
            guessed=self.columns[0].guessed,
            ignored=self.columns[0].ignored,
            notes=tuple(note for table in self.tables.values() for note in table.notes),
            bad_rows=tuple(self.quarantine.first),
            seconds=0.0,
        )

    def _cascade(self) -> list[int]:
        """Places of the behaviours in cascade order: as given, or most frequent first."""
        places = range(len(self.behaviours))
        if self.fixed:
            return list(places)
        met = (place for place in places if self.counts[place])
        return sorted(met, key=lambda place: (-self.counts[place], self.behaviours[place]))

    def _roles(self) -> dict[str, str]:
        """Roles of the further columns of the events, as the schema names them."""
        known = {"value": "number", "text": "text", "session_id": "category"}
        known["event_id"] = "category"
        return {**{name: role for name, role in known.items() if name in self.roles}, **self.extras}

    def _write_tables(self, items: pl.Series, users: pl.Series) -> int:
        """Write items, users and links; return how many items the catalogue did not list."""
        ids = items.to_frame("item_id").sort("item_id")
        if "items" in self.tables:
            table = self.tables["items"]
            self.writer.items(table.joined(ids))
            self._set_roles("items", table)
        else:
            self.writer.items(ids)
        if "users" in self.tables:
            table = self.tables["users"]
            listed = users.head(table.num_ids).to_frame("user_id").sort("user_id")
            self.writer.users(table.joined(listed))
            self._set_roles("users", table)
        if "links" in self.tables:
            self.writer.links(self.tables["links"].links_as(items.dtype))
        return len(items) - self.tables["items"].num_ids if "items" in self.tables else 0

    def _set_roles(self, kind: str, table: CatalogueTable) -> None:
        schema = self.writer.schema
        roles = {**getattr(schema, kind), **table.roles}
        self.writer.schema = replace(schema, **{kind: roles})

    def _sorted(
        self, user_rows: np.ndarray, item_rows: np.ndarray, cascade: list[int]
    ) -> SortedEvents:
        """All events in order; their key holds item and behaviour."""
        keys = item_rows[self.spill.numbers("item", np.int32)] << 8
        if "behaviour" in self.roles:
            place = np.zeros(_MAX_BEHAVIOURS + 1, np.int64)
            place[cascade] = np.arange(len(cascade))
            keys += place[self.spill.numbers("behaviour", np.uint8)]
        users = user_rows.astype(np.int32)[self.spill.numbers("user", np.int32)]
        order = self.spill.numbers("order", np.int64) if "order" in self.roles else None
        if "timestamp" in self.roles:
            times = self.spill.numbers("time", np.int64)
        else:
            times = np.arange(len(users), dtype=np.int64) if order is None else order
        hashes = self.spill.numbers("event_hash", np.int64) if "event_id" in self.roles else None
        return sort_events(users, times, keys, len(user_rows), order=order, also=hashes)

    def _write_events(
        self, events: SortedEvents, users: pl.Series, items: pl.Series, names: tuple[str, ...]
    ) -> None:
        user_ids, item_ids = (_arrow(ids.sort()) for ids in (users, items))
        numbers = self._further_numbers()
        texts = {role: role for role in _TEXT_ROLES if role in self.roles}
        texts |= {name: f"extra {name}" for name, role in self.extras.items() if role != "number"}
        step = folders.ROWS_PER_GROUP // (16 if texts else 1)
        behaviours = pa.array(names)
        with log.bar("writing events", len(events.rows)) as progress:
            for table in ahead(
                self._tables(events, user_ids, item_ids, behaviours, numbers, texts, step)
            ):
                self.writer.events(table)
                progress.advance(step)

    def _further_numbers(self) -> dict[str, np.ndarray]:
        out: dict[str, np.ndarray] = {}
        if "value" in self.roles:
            out["value"] = self.spill.numbers("value", np.float32)
        if "split" in self.roles:
            out["split"] = self.spill.numbers("split", np.uint8)
        for name, role in self.extras.items():
            if role == "number":
                out[name] = self.spill.numbers(f"extra {name}", np.float64)
        return out

    def _tables(
        self,
        events: SortedEvents,
        users: pa.Array,
        items: pa.Array,
        behaviours: pa.Array,
        numbers: Mapping[str, np.ndarray],
        texts: Mapping[str, str],
        step: int,
    ) -> Iterator[pa.Table]:
        """The sorted events as tables of at most `step` rows."""
        for start in range(0, len(events.rows), step):
            stop = min(start + step, len(events.rows))
            kept = np.flatnonzero(~events.repeated[start:stop]) + start
            if not len(kept):
                continue
            rows, keys = events.rows[kept].astype(np.int64), events.keys[kept]
            columns: dict[str, pa.Array] = {
                "user_id": _taken(users, events.users(start, stop)[kept - start]),
                "item_id": _taken(items, keys >> 8),
                "behaviour": pa.DictionaryArray.from_arrays(
                    pa.array((keys & 255).astype(np.int32)), behaviours
                ),
                "timestamp": pa.array(events.times[kept]),
            }
            for name, values in numbers.items():
                taken = values[rows]
                if name == "split":
                    columns[name] = pa.array(LABELS).take(pa.array(taken))
                else:
                    columns[name] = pa.array(taken, from_pandas=True)
            for name, spilled in texts.items():
                columns[name] = self.spill.text(spilled, rows)
            yield pa.table(columns)


def _check_alike(source: Source, columns: Columns, first: Columns) -> None:
    if set(columns.roles) != set(first.roles) or columns.extras != first.extras:
        raise DataError(
            f"{source.path}: its columns do not mean what those of the first file do: "
            f"{', '.join(columns.roles)} against {', '.join(first.roles)}",
            hint="files of one folder must have the same columns",
        )


def _head(source: Source, column: str) -> Iterator[pa.Array]:
    """The first rows of a column."""
    left = _HEAD_ROWS
    for block in source.blocks([column]):
        yield block.columns[column].slice(0, left)
        left -= len(block)
        if left <= 0:
            return


def _vocabulary(interner: Interner) -> tuple[pl.Series, np.ndarray]:
    """The IDs in the order they were met, integers if all are; and each one's row when sorted."""
    data, ends = interner.strings()
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(data)]
    text = pa.Array.from_buffers(pa.large_string(), len(interner), buffers)
    ids = cast(pl.Series, pl.from_arrow(text))
    number = ids.cast(pl.Int64, strict=False)
    if number.null_count() == 0 and (number.cast(pl.String) == ids).all():
        ids = number
    order = ids.arg_sort().to_numpy()
    rows = np.empty(len(ids), np.int64)
    rows[order] = np.arange(len(ids))
    return ids, rows


def _arrow(ids: pl.Series) -> pa.Array:
    array = ids.to_arrow()
    return array if pa.types.is_integer(array.type) else array.cast(pa.string())


def _taken(ids: pa.Array, rows: np.ndarray) -> pa.Array:
    """The ID of each row; text with a dictionary of only those that occur."""
    if pa.types.is_integer(ids.type):
        return pa.array(ids.to_numpy()[rows])
    low, high = int(rows.min()), int(rows.max())
    ids, rows = ids.slice(low, high - low + 1), rows - low
    used = np.zeros(len(ids), bool)
    used[rows] = True
    place = np.cumsum(used, dtype=np.int32) - 1
    return pa.DictionaryArray.from_arrays(
        pa.array(place[rows]), ids.take(pa.array(np.flatnonzero(used)))
    )

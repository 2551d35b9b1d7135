"""Raw files in, a dataset folder out: streamed, checked row by row, whole or not at all."""

import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from grapevine import log
from grapevine.data import folder
from grapevine.data.behaviours import doubtful
from grapevine.data.catalogue import CatalogueTable, read_catalogue
from grapevine.data.folder import FolderWriter
from grapevine.data.import_report import ImportReport
from grapevine.data.readers import BLOCK_BYTES, open_sources
from grapevine.data.readers.assemble import event_tables, vocabulary_of
from grapevine.data.readers.events import MAX_BEHAVIOURS, EventBlock, EventReader
from grapevine.data.readers.hints import likely_cause, notes_on_behaviours, notes_on_columns
from grapevine.data.readers.mapping import check_mapping
from grapevine.data.readers.quarantine import Quarantine
from grapevine.data.readers.rows import Source, ahead
from grapevine.data.readers.spill import Spill
from grapevine.data.readers.times import check_unit
from grapevine.data.readers.validate import check_ids
from grapevine.data.schema import Schema
from grapevine.errors import ConfigError, DataError, unknown
from grapevine.graph.sort import SortedEvents, sort_events
from grapevine.graph.strings import Interner

BAD_ROWS = ("fail", "quarantine")
"""What to do if rows are bad: write nothing, or write the good ones and set the bad ones aside."""


def import_events(
    events: Path | str,
    out: Path | str,
    *,
    items: Path | str | None = None,
    users: Path | str | None = None,
    links: Path | str | None = None,
    mapping: Mapping[str, str] | None = None,
    time_unit: str = "auto",
    bad_rows: str = "fail",
    name: str | None = None,
    behaviours: Sequence[str] | None = None,
    target: str | None = None,
    columns: Sequence[str] | None = None,
    decimal: str = ".",
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
        target: the behaviour to predict. If not given, the last one; where the behaviours are
            not given either, the last that is no likely slip: see `behaviours.doubtful`.
        columns: names of the columns of the events, where CSV files have no header.
        decimal: what stands before the fraction of numbers in text, "." or ",".
        block_bytes: how much text is read at a time.

    Raises:
        DataError: rows are bad and `bad_rows` is "fail", or a file or column is missing.
        ConfigError: an option is impossible, or `out` is in use.
    """
    if bad_rows not in BAD_ROWS:
        raise unknown("choice of --bad-rows", bad_rows, BAD_ROWS)
    if decimal not in {".", ","}:
        raise ConfigError(
            f"`{decimal}` is no decimal mark", hint="write --decimal . or --decimal ,"
        )
    check_unit(time_unit)
    began = time.perf_counter()
    mapping = dict(mapping or {})
    sources = open_sources(Path(events), columns=columns, block_bytes=block_bytes)
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
        reader = EventReader(sources, mapping, time_unit, behaviours, decimal)
        importer = _Import(reader, quarantine, writer)
        try:
            importer.read_tables(tables, mapping)
            importer.read_events()
            if quarantine.count and (importer.good == 0 or not keep_all):
                cause = likely_cause(quarantine, reader, everything, importer.total)
                if importer.good == 0:
                    cause = cause or "no event is good: is each column what --map says it is?"
                raise quarantine.error(importer.rows_read, cause)
            report = importer.write(target)
        finally:
            importer.close()
            quarantine.close()
        notes = (*notes_on_columns(reader, mapping), *report.notes)
    return replace(report, out=Path(out), notes=notes, seconds=time.perf_counter() - began)


class _Import:
    """One run of the importer: first all files are read into codes, then all is written sorted."""

    def __init__(self, reader: EventReader, quarantine: Quarantine, writer: FolderWriter) -> None:
        self.reader, self.quarantine, self.writer = reader, quarantine, writer
        self.users, self.items = Interner(), Interner()
        self.spill = Spill(writer.path / "spill")
        self.tables: dict[str, CatalogueTable] = {}
        self.rows_read = self.total = self.bad = 0

    @property
    def good(self) -> int:
        """Events that were taken."""
        return self.total - self.bad

    def close(self) -> None:
        """Remove what was laid aside."""
        self.spill.close()
        shutil.rmtree(self.writer.path / "spill", ignore_errors=True)

    def read_tables(
        self, tables: Mapping[str, Sequence[Source]], mapping: Mapping[str, str]
    ) -> None:
        """Read items, users and links, and number their IDs first."""
        for kind, sources in tables.items():
            table = read_catalogue(kind, sources, mapping, self.quarantine, self.reader.decimal)
            self.tables[kind] = table
            self.rows_read += table.total
        for kind, interner in (("items", self.items), ("users", self.users)):
            if kind in self.tables:
                text, _ = check_ids("", self.tables[kind].ids)
                interner.codes(text.data, text.offsets, np.ones(len(text.offsets) - 1, bool))

    def read_events(self) -> None:
        """Read all events into the spilled columns."""
        with log.bar("reading events") as progress, closing(ahead(self.reader.blocks())) as blocks:
            for block in blocks:
                self._take(block)
                progress.advance(block.rows)
        self.rows_read += self.total

    def _take(self, block: EventBlock) -> None:
        self.total += block.rows
        self.bad += len(block.bad)
        self.quarantine.add(block.bad)
        keep = block.keep
        whole = bool(keep.all())
        user = self.users.codes(block.user.data, block.user.offsets, keep)
        item = self.items.codes(block.item.data, block.item.offsets, keep)
        numbers = {f"column {name}": values for name, values in block.numbers.items()}
        for name, values in {"user": user, "item": item, **block.core, **numbers}.items():
            self.spill.append(name, values if whole else values[keep])
        for name, text in block.texts.items():
            self.spill.append_text(f"column {name}", text, keep)

    def write(self, target: str | None) -> ImportReport:
        """Sort what was read and write the folder."""
        reader, good = self.reader, self.good
        if good == 0:
            raise DataError(
                f"{reader.sources[0].path}: there is no event to import",
                hint="each line after the first must hold an event; where the file has no header, "
                "name its columns: --columns a,b,c",
            )
        cascade = reader.cascade()
        names = tuple(reader.behaviours[place] for place in cascade) or ("event",)
        behaviours = {
            name: int(reader.counts[place]) if reader.has("behaviour") else good
            for name, place in zip(names, cascade or [0])
        }
        if target is None:
            odd = set() if reader.are_given else set(doubtful(behaviours))
            target = [name for name in names if name not in odd][-1]
        users, user_rows = vocabulary_of(self.users)
        items, item_rows = vocabulary_of(self.items)
        self.writer.schema = replace(
            self.writer.schema,
            behaviours=names,
            target=target,
            clock="order" if reader.time_unit == "order" else "exact",
            events=reader.schema_roles,
        )
        self._write_tables(items, users)
        events = self._sorted(user_rows, item_rows, cascade)
        self._write_events(events, users.sort(), items.sort(), names)
        listed = self.tables["items"].num_ids if "items" in self.tables else len(items)
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
            behaviours=behaviours,
            target=target,
            bad_catalogue={kind: table.bad for kind, table in self.tables.items() if table.bad},
            added_items=len(items) - listed,
            time_unit=reader.time_unit,
            columns={column: role for role, column in reader.columns.roles.items()}
            | reader.columns.extras,
            guessed=reader.columns.guessed,
            ignored=reader.columns.ignored,
            notes=(
                *notes_on_behaviours(reader, behaviours, target),
                *(note for table in self.tables.values() for note in table.notes),
            ),
            bad_rows=tuple(self.quarantine.first),
            seconds=0.0,
        )

    def _write_tables(self, items: pl.Series, users: pl.Series) -> None:
        """Write items, users and links; IDs come in the order they were met."""
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

    def _set_roles(self, kind: str, table: CatalogueTable) -> None:
        schema = self.writer.schema
        roles = {**getattr(schema, kind), **table.roles}
        self.writer.schema = replace(schema, **{kind: roles})

    def _sorted(
        self, user_rows: np.ndarray, item_rows: np.ndarray, cascade: list[int]
    ) -> SortedEvents:
        """All events in order; their key holds item and behaviour."""
        spill, has = self.spill, self.reader.has
        keys = item_rows[spill.numbers("item", np.int32)] << 8
        if has("behaviour"):
            place = np.zeros(MAX_BEHAVIOURS + 1, np.int64)
            place[cascade] = np.arange(len(cascade))
            keys += place[spill.numbers("behaviour", np.uint8)]
        users = user_rows.astype(np.int32)[spill.numbers("user", np.int32)]
        order = spill.numbers("order", np.int64) if has("order") else None
        if has("timestamp"):
            times = spill.numbers("time", np.int64)
        else:
            times = np.arange(len(users), dtype=np.int64) if order is None else order
        hashes = spill.numbers("event_hash", np.int64) if has("event_id") else None
        return sort_events(users, times, keys, len(user_rows), order=order, also=hashes)

    def _write_events(
        self, events: SortedEvents, users: pl.Series, items: pl.Series, names: tuple[str, ...]
    ) -> None:
        tables = event_tables(
            events, users, items, names, self.spill, self.reader.further, folder.ROWS_PER_GROUP
        )
        with (
            log.bar("writing events", len(events.rows)) as progress,
            closing(ahead(tables)) as ready,
        ):
            for table in ready:
                self.writer.events(table)
                progress.advance(len(table))

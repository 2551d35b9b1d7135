"""What a public dataset is: where it lives, what it must weigh, and how it becomes tables."""

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Protocol, runtime_checkable

import polars as pl

from grapevine.data.folder import write_dataset
from grapevine.data.schema import Schema


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """One file of a public dataset.

    Attributes:
        path: where it lies below a mirror; a source's own folder may hold it by its last name.
        sha256: what its bytes must hash to; empty where the publisher's bytes are not known, and
            the counts after conversion are the only check.
        size: bytes.
        gzipped: SHA-256 of the same file with `.gz`, a form a mirror may keep; empty for none.
        url: public address of exactly these bytes; empty where there is none.
    """

    path: str
    sha256: str = ""
    size: int = 0
    gzipped: str = ""
    url: str = ""

    @property
    def name(self) -> str:
        """The last part of the path."""
        return PurePosixPath(self.path).name


Files = Mapping[str, Path]
"""Where each file of a source lies on this machine, by its name."""


@runtime_checkable
class Converted(Protocol):
    """What a converter returns: it can be counted, and written as a folder."""

    def counts(self) -> dict[str, int]:
        """What there is of each thing, to hold against what was published."""
        ...

    def write(self, folder: Path, source: "Source") -> None:
        """Write all of it into a folder that does not exist yet."""
        ...


@dataclass(frozen=True, kw_only=True)
class Source:
    """A public dataset.

    Attributes:
        name: what the command line calls it.
        title: what its authors call it.
        home: the page where a person finds the data and its terms.
        licence: the terms in a line, as stated by the publisher; read them at `home`.
        cite: the paper to cite.
        serves: what it is good for here.
        expected: counts that the conversion must reproduce to the last one.
        convert: from the files to tables (or graphs).
        files: what is converted, each with its checksum.
        original: the publisher's own files, taken instead where a folder holds them all, not
            packed; where their bytes are not known here, the counts are their only check.
        origin: where the files come from if they have no public address as they are.
    """

    name: str
    title: str
    home: str
    licence: str
    cite: str
    serves: str
    expected: Mapping[str, int]
    convert: Callable[[Files], Converted]
    files: tuple[File, ...] = ()
    original: tuple[File, ...] = ()
    origin: str = ""

    @property
    def size(self) -> int:
        """Bytes of all files, unpacked."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True, kw_only=True)
class Tables:
    """A dataset in memory, on its way into a folder.

    Attributes:
        schema: what the columns mean; the name, licence and source are filled in on writing.
        events: `user_id`, `item_id`, `behaviour`, `timestamp`, and what a folder allows.
        items: the catalogue, or None to gather it from the events.
        users: what is known of users, or None.
        links: relations between items, or None.
        further: tables that belong to one protocol only, such as published negatives.
        raw: counts of the files as published, where the conversion changes them.
    """

    schema: Schema
    events: pl.DataFrame
    items: pl.DataFrame | None = None
    users: pl.DataFrame | None = None
    links: pl.DataFrame | None = None
    further: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    raw: Mapping[str, int] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """Users and items with events, items listed, events, and events of each behaviour."""
        events = self.events
        counts = {
            "users": events["user_id"].n_unique(),
            "items": events["item_id"].n_unique(),
            "events": len(events),
            **dict(self.raw),
        }
        if self.items is not None:
            counts["catalogue"] = len(self.items)
        if "behaviour" in events.columns:
            kinds = events["behaviour"].cast(pl.String).value_counts()
            counts |= {f"{kind} events": number for kind, number in kinds.iter_rows()}
        return counts

    def write(self, folder: Path, source: Source) -> None:
        """Write a dataset folder that says where it came from."""
        schema = replace(
            self.schema,
            name=source.name,
            licence=source.licence,
            source=f"{source.title}, {source.home}",
        )
        write_dataset(folder, schema, self.events, self.items, self.users, self.links)
        for name, table in self.further.items():
            table.write_parquet(folder / f"{name}.parquet", compression="zstd")


def read(path: Path) -> bytes:
    """The contents of a file, unpacked if its name ends in `.gz`."""
    content = path.read_bytes()
    return gzip.decompress(content) if path.suffix == ".gz" else content


def read_lists(path: Path) -> pl.DataFrame:
    """Lines of `user item item ...` as one row for each pair, in the order of the file.

    Returns:
        Int64 columns `user_id` and `item_id`; a user without items has no row.
    """
    numbers = pl.Series("line", read(path).decode().splitlines()).str.strip_chars().str.split(" ")
    lines = numbers.list.eval(pl.element().cast(pl.Int64)).to_frame()
    pairs = lines.select(user_id=pl.col("line").list.first(), item_id=pl.col("line").list.slice(1))
    return pairs.explode("item_id").drop_nulls()


def catalogue(events: pl.DataFrame) -> pl.DataFrame:
    """Every item of a published set: its protocol ranks all of them, met in training or not."""
    return events.select(pl.col("item_id").unique().sort())


def milliseconds(seconds: str) -> pl.Expr:
    """A column of seconds since 1970 as a time."""
    return (pl.col(seconds).cast(pl.Int64) * 1000).cast(pl.Datetime("ms", "UTC"))

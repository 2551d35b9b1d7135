"""What is known of items and users, and links between them: checked, typed, keyed by ID."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import polars as pl
import pyarrow as pa

from grapevine.data.readers.mapping import IGNORE, Columns, map_columns, plain_name
from grapevine.data.readers.quarantine import Quarantine, set_aside
from grapevine.data.readers.rows import Block, Source
from grapevine.data.readers.validate import (
    Problem,
    as_text,
    check_ids,
    check_numbers,
    has_commas,
    with_points,
)
from grapevine.errors import ConfigError, DataError

_TITLES = {"title", "name", "productname", "itemname", "titel", "bezeichnung", "produktname"}
_TEXTS = {"description", "text", "summary", "body", "beschreibung"}
_TAGS = {"tags", "genres"}
_SEPARATORS = "|;,"
_LONG_TEXT = 40


@dataclass(frozen=True, kw_only=True)
class CatalogueTable:
    """The good rows of items, users or links.

    Attributes:
        table: its columns; IDs as text, each once.
        key: the column of IDs; of links, the source.
        roles: role of each further column, where one is known or guessed.
        total: rows read, bad ones and repeated IDs included.
        bad: rows that were not taken.
        notes: what else is worth knowing.
    """

    table: pl.DataFrame
    key: str
    roles: dict[str, str]
    total: int
    bad: int
    notes: tuple[str, ...]

    @property
    def num_ids(self) -> int:
        """Rows that are kept: one for each ID."""
        return len(self.table)

    @property
    def ids(self) -> pa.Array:
        """The IDs in the order of the file, as text."""
        return cast(pa.Array, self.table[self.key].to_arrow().cast(pa.string()))

    def joined(self, ids: pl.DataFrame) -> pl.DataFrame:
        """The row of each ID; nulls for one that is not listed."""
        table = self.table.with_columns(pl.col(self.key).cast(ids.schema[self.key]))
        return ids.join(table, on=self.key, how="left", maintain_order="left")

    def links_as(self, dtype: Any) -> pl.DataFrame:
        """Links with IDs of the type that the items have, if it loses nothing."""
        ends = self.table.select("source_id", "target_id")
        cast_ends = ends.cast(dtype, strict=False)
        if not cast_ends.cast(pl.String).equals(ends):
            return self.table
        return self.table.with_columns(cast_ends)


def read_catalogue(
    kind: str,
    sources: Sequence[Source],
    mapping: Mapping[str, str],
    quarantine: Quarantine,
    decimal: str = ".",
) -> CatalogueTable:
    """Read items, users or links whole.

    A row without its ID is bad, as is one without a number where the mapping promises a number.
    Of rows with the same ID the first is kept. Every column is kept unless it is mapped to
    "ignore"; columns of text that hold nothing but numbers become numbers ("007" is none), and
    tags are split at `|`, or else `;`, or else `,`.

    Args:
        kind: "items", "users" or "links".
        sources: the files.
        mapping: column to role.
        quarantine: where bad rows go.
        decimal: what stands before the fraction of numbers in text, "." or ",".

    Raises:
        ConfigError: a role is unknown, or a vector is given as text.
        DataError: the column of IDs is missing, or a file is damaged.
    """
    parts: list[pl.DataFrame] = []
    roles: dict[str, str] = {}
    notes: list[str] = []
    total, bad_before = 0, quarantine.count
    for source in sources:
        columns = map_columns(kind, source.columns, mapping, str(source.path))
        names = _kept(kind, columns, source, mapping)
        roles |= columns.extras
        ids = [role for role in columns.roles if role.endswith("_id")]
        for block in source.blocks(tuple(names), [columns.roles[role] for role in ids]):
            total += len(block) + len(block.bad)
            parts.append(_good_part(block, columns, names, ids, quarantine, decimal))
    bad = quarantine.count - bad_before
    if not parts:
        raise DataError(
            f"{sources[0].path}: there are no {kind} in it",
            hint=f"leave out --{kind} if nothing is known of them",
        )
    table = pl.concat(parts, how="diagonal_relaxed")
    key = "source_id" if kind == "links" else f"{kind[:-1]}_id"
    if kind == "links":
        typed, _ = _typed(table, roles, decimal)
        return CatalogueTable(table=typed, key=key, roles={}, total=total, bad=bad, notes=())
    once = table.unique(key, keep="first", maintain_order=True)
    if len(once) < len(table):
        notes.append(
            f"{len(table) - len(once):,} rows of {kind} repeat an ID; the first of each is kept"
        )
    typed, found = _typed(once, roles, decimal)
    notes += [
        f"column `{name}` of {kind} is kept as text: its numbers have a decimal comma; "
        "to read them as numbers: --decimal ,"
        for name in typed.columns
        if name != key and name not in found and typed.schema[name] == pl.String
        if has_commas(typed[name])
    ]
    return CatalogueTable(
        table=typed, key=key, roles=found, total=total, bad=bad, notes=tuple(notes)
    )


def _kept(
    kind: str, columns: Columns, source: Source, mapping: Mapping[str, str]
) -> dict[str, str]:
    """Columns to read, and what they are called in the dataset."""
    names = {column: role for role, column in columns.roles.items()}
    if kind != "links":
        for column in source.columns:
            if mapping.get(column) != IGNORE and column not in names.values():
                names.setdefault(column, column)
    return names


def _good_part(
    block: Block,
    columns: Columns,
    names: Mapping[str, str],
    ids: Sequence[str],
    quarantine: Quarantine,
    decimal: str,
) -> pl.DataFrame:
    problems: list[Problem] = []
    for role in ids:
        problems += check_ids(columns.roles[role], block.columns[columns.roles[role]])[1]
    numbers = [column for column, role in columns.extras.items() if role == "number"]
    numbers += [columns.roles["weight"]] if "weight" in columns.roles else []
    for column in numbers:
        problems += check_numbers(column, block.columns[column], decimal)[1]
    good, bad = set_aside(block, problems)
    quarantine.add(bad)
    texts = {columns.roles[role] for role in ids}
    table = pl.DataFrame(
        {
            name: cast(pl.Series, pl.from_arrow(_values(block.columns[column], column in texts)))
            for column, name in names.items()
        }
    )
    return table.filter(pl.Series(good))


def _values(column: pa.Array, is_id: bool) -> pa.Array:
    text = as_text(column) if is_id else None
    if is_id:
        return pa.nulls(len(column), pa.string()) if text is None else text
    return column


def _typed(
    table: pl.DataFrame, said: Mapping[str, str], decimal: str
) -> tuple[pl.DataFrame, dict[str, str]]:
    """The table with text turned into what it spells, and the role of each column."""
    roles = dict(said)
    for name in table.columns:
        if name in {"item_id", "user_id", "source_id", "target_id"}:
            continue
        column = table[name]
        role = roles.get(name) or _role_by_name(name)
        if column.dtype == pl.String:
            column = pl.select(pl.when(column != "").then(column).alias(name)).to_series()
            column, role = _spelt(column, role, decimal)
        if role is not None:
            roles[name] = role
        table = table.with_columns(column)
    return table, roles


def _spelt(column: pl.Series, role: str | None, decimal: str) -> tuple[pl.Series, str | None]:
    if role == "vector":
        raise ConfigError(
            f"column `{column.name}`: a vector cannot be read from text",
            hint="give it as a list, in Parquet or JSON lines",
        )
    if role == "tags":
        found = (one for one in _SEPARATORS if column.str.contains(one, literal=True).any())
        return column.str.split(next(found, _SEPARATORS[0])), role
    if role in {None, "number"} and column.null_count() < len(column):
        written = with_points(column) if decimal == "," else column
        for dtype in (pl.Int64, pl.Float64):
            number = written.cast(dtype, strict=False)
            if number.null_count() == column.null_count() and not _padded(column):
                return number, "number"
    if role is None and bool((column.str.len_chars() > _LONG_TEXT).any()):
        role = "text"
    return column, role


def _padded(column: pl.Series) -> bool:
    """Whether any value has a leading zero, as postcodes do and numbers do not."""
    return bool(column.str.contains(r"^[+-]?0\d").any())


def _role_by_name(name: str) -> str | None:
    plain = plain_name(name)
    if plain in _TITLES:
        return "title"
    if plain in _TEXTS:
        return "text"
    return "tags" if plain in _TAGS else None

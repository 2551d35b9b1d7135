"""100,000 rows with every sort of damage planted among them, in each format."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from grapevine.data.importer import import_events
from grapevine.random import stream

HEADER = ["user_id", "item_id", "behaviour", "timestamp", "value", "text"]
T0 = 1_600_000_000_000
USERS = ["ann", "ü", "😀 smile", 'say "hi"', "a,b", "x\ny", "007", "日本", '"', ",", " "]
TEXTS = ["fine", "a, b", 'so "so"', "two\nlines", "naïve", "", "tab\there", '""', "{}", "[1]\n\n"]

Row = list[Any]
Damage = tuple[str, Callable[[Row], Row]]


def put(place: int, value: Any) -> Callable[[Row], Row]:
    return lambda row: [*row[:place], value, *row[place + 1 :]]


VALUES: list[Damage] = [
    ("user_id", put(0, "")),
    ("user_id", put(0, "x" * 257)),
    ("user_id", put(0, "bell\a")),
    ("user_id", put(0, "del\x7f")),
    ("user_id", put(0, "next line\x85")),
    ("item_id", put(1, "")),
    ("item_id", put(1, "é" * 129)),
    ("item_id", put(1, "tab\t")),
    ("item_id", put(1, "return\r")),
    ("behaviour", put(2, "")),
    ("behaviour", put(2, "\x1b[31mbuy")),
    ("timestamp", put(3, "")),
    ("timestamp", put(3, "yesterday")),
    ("timestamp", put(3, "-1")),
    ("timestamp", put(3, "4133980800000")),
    ("timestamp", put(3, "99999999999999999999999")),
    ("timestamp", put(3, "nan")),
    ("timestamp", put(3, " 1600000000000")),
    ("timestamp", put(3, "2020-01-01")),
    ("value", put(4, "five")),
    ("value", put(4, "inf")),
    ("value", put(4, "1e39")),
    ("value", put(4, "1,5")),
]
"""A column, and what spoils it, in any format."""


def csv_line(row: Row) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(row)
    return out.getvalue().encode()


def plain(row: Row) -> Row:
    """The row without a line break or a quote, so that damage to it is on one line."""
    return ["bo", row[1], row[2], row[3], row[4], "text"]


CSV: list[Callable[[Row], bytes]] = [
    lambda row: csv_line(plain(row)[:-1]),
    lambda row: csv_line([*plain(row), "more"]),
    lambda row: b"one field\n",
    lambda row: b"   \n",
    lambda row: b'"' + csv_line(plain(row)),
    lambda row: csv_line(plain(row))[:-1] + b',"open\n',
    lambda row: b'bo,"open,click,1600000000000,1,x\n',
    lambda row: b'bo,"i1"x,click,1600000000000,1,x\n',
    lambda row: b"bo,i1,click,1600000000000,1,nul \0\n",
    lambda row: b"bo\0,i1,click,1600000000000,1,x\n",
    lambda row: b"bo,i1,click,1600000000000,1,caf\xe9\n",
    lambda row: b"\xff\xfe,i1,click,1600000000000,1,x\n",
    lambda row: b'bo,"\xc3\x28",click,1600000000000,1,x\n',
]


def json_line(row: Row) -> bytes:
    return json.dumps(dict(zip(HEADER, row)), ensure_ascii=False).encode() + b"\n"


JSONL: list[tuple[str, Callable[[Row], bytes]]] = [
    ("", lambda row: json_line(row)[:-5] + b"\n"),
    ("", lambda row: json_line(row)[1:]),
    ("", lambda row: b"[1, 2]\n"),
    ("", lambda row: b'"text"\n'),
    ("", lambda row: b"null\n"),
    ("", lambda row: json_line(row)[:-1] * 2 + b"\n"),
    ("", lambda row: json_line(row)[:-1] + b" ,\n"),
    ("", lambda row: b'{"user_id": "a\0b"}\n'),
    ("", lambda row: b'{"user_id": "\xff"}\n'),
    ("", lambda row: json_line(put(4, float("nan"))(row))),
    ("", lambda row: json_line(put(4, float("inf"))(row))),
    ("", lambda row: b"[" * 100_000 + b"\n"),
    ("user_id", lambda row: b"{}\n"),
    ("user_id", lambda row: json_line(put(0, None)(row))),
    ("user_id", lambda row: json_line(put(0, ["ann"])(row))),
    ("user_id", lambda row: json_line(put(0, True)(row))),
    ("item_id", lambda row: json_line(put(1, {"id": 1})(row))),
    ("item_id", lambda row: json_line(put(1, "\\u0000")(row)).replace(b"\\\\u", b"\\u")),
    ("item_id", lambda row: json_line(put(1, "\\ud800")(row)).replace(b"\\\\u", b"\\u")),
    ("timestamp", lambda row: json_line(put(3, -5)(row))),
    ("timestamp", lambda row: json_line(put(3, 10**30)(row))),
    ("timestamp", lambda row: json_line(put(3, [])(row))),
    ("value", lambda row: json_line(put(4, 1e39)(row))),
]


def good_row(generator: np.random.Generator) -> Row:
    return [
        USERS[generator.integers(len(USERS))],
        f"item {generator.integers(500)}",
        ["click", "cart", "buy"][generator.integers(3)],
        str(T0 + int(generator.integers(10_000_000))),
        str(float(generator.integers(10)) / 2),
        TEXTS[generator.integers(len(TEXTS))],
    ]


def planted(kind: str, count: int) -> tuple[bytes, list[Row], list[tuple[int, str]]]:
    """A file of `count` rows, its good rows, and line and column of each bad one."""
    generator = stream(0, "fuzz", kind)
    line_of = {"csv": csv_line, "jsonl": json_line}[kind]
    broken = [("", one) for one in CSV] if kind == "csv" else JSONL
    lines = [csv_line(HEADER)] if kind == "csv" else []
    line = len(lines) + 1
    good, bad = [], []
    for _ in range(count):
        row = good_row(generator)
        chance = generator.random()
        if chance < 0.01:
            lines.append([b"\n", b"\r\n"][generator.integers(2)])
            line += 1
        if chance > 0.02:
            good.append(row)
            text = line_of(row)
        elif generator.random() < 0.5:
            column, spoil = VALUES[generator.integers(len(VALUES))]
            bad.append((line, column))
            text = line_of(spoil(row))
        else:
            column, build = broken[generator.integers(len(broken))]
            bad.append((line, column))
            text = build(row)
        if generator.random() < 0.1:
            text = text[:-1] + b"\r\n"
        lines.append(text)
        line += text.count(b"\n")
    return b"".join(lines), good, bad


def planted_table(count: int) -> tuple[pa.Table, list[Row], list[tuple[int, str]]]:
    generator = stream(0, "fuzz", "parquet")
    rows, good, bad = [], [], []
    for line in range(1, count + 1):
        row = good_row(generator)
        if generator.random() < 0.02:
            column, spoil = VALUES[generator.integers(len(VALUES))]
            if generator.random() < 0.2:
                place = int(generator.integers(4))
                missing = bool(generator.integers(2))
                column, spoil = HEADER[place], put(place, None if missing else b"caf\xe9")
            row = spoil(row)
            bad.append((line, column))
        else:
            good.append(row)
        rows.append([value.encode() if isinstance(value, str) else value for value in row])
    columns = [pa.array(list(column), pa.binary()) for column in zip(*rows)]
    # Bytes called text, as careless writers leave them: not all of it is UTF-8.
    return pa.table([column.view(pa.string()) for column in columns], HEADER), good, bad


def slow_import(rows: list[Row]) -> list[tuple]:
    kept = {tuple(row[:4]): row for row in reversed(rows)}
    first = [row for row in rows if kept[tuple(row[:4])] is row]
    first.sort(key=lambda row: (row[0].encode(), int(row[3])))
    return [(*row[:3], int(row[3]), float(row[4]), row[5] or None) for row in first]


def check(source: Path, good: list[Row], bad: list[tuple[int, str]], **options: Any) -> None:
    out = source.parent / "out"
    report = import_events(source, out, bad_rows="quarantine", **options)
    assert (report.total, report.good, report.bad) == (len(good) + len(bad), len(good), len(bad))
    found = pl.read_parquet(out / "bad_rows.parquet")
    assert found.select("line", "column").rows() == bad
    assert found["file"].unique().to_list() == [str(source)]
    assert (found["reason"] != "").all()
    table = pl.read_parquet(out / "events.parquet")
    table = table.with_columns(pl.col("timestamp").dt.epoch("ms")).select(HEADER)
    expected = slow_import(good)
    assert table.rows() == expected
    assert report.duplicates == len(good) - len(expected)


@pytest.mark.parametrize("block_bytes", [1, 90, 5000])
@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_every_planted_bad_row_is_found_in_small_blocks(
    tmp_path: Path, kind: str, block_bytes: int
):
    count = {1: 40, 90: 400, 5000: 3000}[block_bytes]
    source = tmp_path / f"events.{kind}"
    if kind == "parquet":
        table, good, bad = planted_table(count)
        pq.write_table(table, source)
    else:
        data, good, bad = planted(kind, count)
        source.write_bytes(data)
    check(source, good, bad, block_bytes=block_bytes, time_unit="ms")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_every_planted_bad_row_among_100_000_is_found(tmp_path: Path, kind: str):
    source = tmp_path / f"events.{kind}"
    if kind == "parquet":
        table, good, bad = planted_table(100_000)
        pq.write_table(table, source)
    else:
        data, good, bad = planted(kind, 100_000)
        source.write_bytes(data)
    assert len(bad) > 1500
    check(source, good, bad)

import gzip
from pathlib import Path

import pytest

from grapevine.data.readers import open_sources
from grapevine.data.readers.csv import CsvFile
from grapevine.data.readers.rows import BadRow
from grapevine.errors import ConfigError, DataError


def rows_of(path: Path, **options) -> list[tuple]:
    source = CsvFile(path, **options)
    return [
        (int(line), *values)
        for block in source.blocks(source.columns)
        for line, *values in zip(block.lines, *(one.to_pylist() for one in block.columns.values()))
    ]


def test_lines_are_numbered_as_an_editor_does(tmp_path: Path):
    path = tmp_path / "e.csv"
    path.write_bytes(b'\xef\xbb\xbf"a",b\r\n1,"x\r\ny"\r\n\r\n2,z')
    assert CsvFile(path).columns == ("a", "b")
    assert rows_of(path) == [(2, "1", "x\r\ny"), (5, "2", "z")]


@pytest.mark.parametrize(
    ("name", "delimiter"),
    [("e.csv", ";"), ("e.csv", "|"), ("e.txt", "\t"), ("e.tsv", "\t"), ("e.csv", ",")],
)
def test_the_delimiter_is_found(tmp_path: Path, name: str, delimiter: str):
    path = tmp_path / name
    path.write_text(f"a{delimiter}b\n1{delimiter}2\n")
    assert rows_of(path) == [(2, "1", "2")]


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;", "sep=;;;"])
@pytest.mark.parametrize("block_bytes", [1, 1 << 20])
def test_a_first_line_may_declare_the_delimiter(tmp_path: Path, first: str, block_bytes: int):
    path = tmp_path / "e.csv"
    path.write_bytes(b"\xef\xbb\xbf" + f"{first}\r\na,x,y;b\r\n1;2\r\n".encode())
    assert CsvFile(path).columns == ("a,x,y", "b")
    assert rows_of(path, block_bytes=block_bytes) == [(3, "1", "2")]
    path.write_text(f"{first}\n1;2\n3;4\n")
    assert rows_of(path, columns=["a", "b"], block_bytes=block_bytes) == [
        (2, "1", "2"),
        (3, "3", "4"),
    ]
    path.write_text(f"{first}\n")
    with pytest.raises(DataError, match="is empty\nhint: its first line must name the columns"):
        CsvFile(path)


def test_a_tab_file_may_hold_commas(tmp_path: Path):
    (tmp_path / "e.tsv").write_text("a,x,y\tb\n1,5\t2\n")
    assert rows_of(tmp_path / "e.tsv") == [(2, "1,5", "2")]


def test_columns_may_be_given_instead_of_a_header(tmp_path: Path):
    (tmp_path / "e.csv").write_text("1,2\n3,4\n")
    assert rows_of(tmp_path / "e.csv", columns=["a", "b"]) == [(1, "1", "2"), (2, "3", "4")]


def test_only_wanted_columns_are_read_in_the_order_asked_for(tmp_path: Path):
    (tmp_path / "e.csv").write_text("a,b,c\n1,2,3\n")
    (block,) = CsvFile(tmp_path / "e.csv").blocks(["c", "a"])
    assert {name: one.to_pylist() for name, one in block.columns.items()} == {
        "c": ["3"],
        "a": ["1"],
    }
    assert block.text(0) == "1,2,3"


def test_bad_rows_tell_line_reason_and_text(tmp_path: Path):
    path = tmp_path / "e.csv"
    path.write_bytes(b'a,b\n1\n"x,2\n1,"y"z\n1,\0\n1,\xe9\n1,2\n')
    (block,) = CsvFile(path).blocks(["a"])
    assert block.lines.tolist() == [7]
    assert block.bad == [
        BadRow(str(path), 2, "", "does not have 2 fields", "1"),
        BadRow(str(path), 3, "", "has text after a closing quote", '"x,2'),
        BadRow(str(path), 4, "", "has text after a closing quote", '1,"y"z'),
        BadRow(str(path), 5, "", "holds a NUL byte", "1,\0"),
        BadRow(str(path), 6, "", "is not UTF-8", "1,\\xe9"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"\xff\xfea\0", "is UTF-16"),
        (b"caf\xe9,b\n", "the first line is not UTF-8"),
        (b"a,a\n1,2\n", "must name each column once: got a, a"),
        (b"a,,b\n1,2\n", "must name each column once"),
    ],
)
def test_a_file_without_a_header_is_refused(tmp_path: Path, content: bytes, message: str):
    (tmp_path / "e.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        CsvFile(tmp_path / "e.csv")


def test_a_packed_file_cut_short_is_refused(tmp_path: Path):
    path = tmp_path / "e.csv.gz"
    text = "a,b\n" + "".join(f"{number},{number * 7919 % 10007}\n" for number in range(50_000))
    path.write_bytes(gzip.compress(text.encode())[:-2000])
    with pytest.raises(DataError, match=r"e\.csv\.gz: damaged"):
        rows_of(path)


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("grapevine.data.readers.rows.MAX_LINE_BYTES", 1 << 20)
    (tmp_path / "e.csv").write_text("a,b\n1,2\n" + "x" * (3 << 20))
    with pytest.raises(DataError, match=r"e\.csv:3: the line is longer than 1 MiB"):
        rows_of(tmp_path / "e.csv", block_bytes=1 << 16)


def test_what_cannot_be_opened_is_said(tmp_path: Path):
    with pytest.raises(DataError, match="there is no file or folder"):
        open_sources(tmp_path / "nothing.csv")
    with pytest.raises(DataError, match="holds no files"):
        open_sources(tmp_path)
    (tmp_path / "e.xlsx").write_text("")
    with pytest.raises(ConfigError, match=r"unknown format `\.xlsx`\nhint: known are \.csv"):
        open_sources(tmp_path / "e.xlsx")

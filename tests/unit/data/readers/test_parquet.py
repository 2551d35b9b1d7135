from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from grapevine.data.readers.parquet import ParquetSource
from grapevine.errors import DataError


def test_text_in_any_dress_is_text(tmp_path: Path):
    values = ["ü", None, "x"]
    kinds = {
        "plain": pa.string(),
        "large": pa.large_string(),
        "bytes": pa.binary(),
        "coded": pa.dictionary(pa.int8(), pa.string()),
    }
    table = pa.table({name: pa.array(values).cast(kind) for name, kind in kinds.items()})
    pq.write_table(table, tmp_path / "e.parquet")
    (block,) = ParquetSource(tmp_path / "e.parquet").blocks(list(kinds))
    for column in block.columns.values():
        assert column.type == pa.string()
        assert column.to_pylist() == values
    assert block.lines.tolist() == [1, 2, 3]
    assert block.text(2) == '{"plain": "x", "large": "x", "bytes": "x", "coded": "x"}'


def test_numbers_keep_their_types(tmp_path: Path):
    table = pa.table({"a": [1, 2], "b": [Decimal("1.50"), None]})
    pq.write_table(table, tmp_path / "e.parquet")
    (block,) = ParquetSource(tmp_path / "e.parquet").blocks(["b", "a"])
    assert block.columns["a"].type == pa.int64()
    assert list(block.columns) == ["b", "a"]


def test_a_damaged_file_is_refused(tmp_path: Path):
    path = tmp_path / "e.parquet"
    pq.write_table(pa.table({"a": list(range(10_000))}), path)
    data = path.read_bytes()
    path.write_bytes(data[:-10])
    with pytest.raises(DataError, match=r"e\.parquet: damaged, or not Parquet"):
        ParquetSource(path)
    path.write_bytes(data[:4] + b"\xff" * 300 + data[304:])
    with pytest.raises(DataError, match=r"e\.parquet: damaged after row 0"):
        list(ParquetSource(path).blocks(["a"]))

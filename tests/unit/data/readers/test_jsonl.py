import json
from pathlib import Path
from typing import Any

import pytest

from grapevine.data.readers.jsonl import JsonlFile
from grapevine.errors import DataError


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def test_the_fast_way_and_the_careful_way_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    rows = [
        {"a": f'ü "{row}"\n', "b": row, "c": row / 4 if row % 3 else None, "d": {"x": [1]}}
        for row in range(500)
    ]
    path = write(tmp_path / "e.jsonl", rows)
    wanted = ("c", "a", "b")
    fast = list(JsonlFile(path, block_bytes=4000).blocks(wanted, wanted))
    careful_blocks = 0
    careful = JsonlFile._slow

    def count(*args: Any) -> Any:
        nonlocal careful_blocks
        careful_blocks += 1
        return careful(*args)

    monkeypatch.setattr(JsonlFile, "_fast", lambda *_: None)
    monkeypatch.setattr(JsonlFile, "_slow", count)
    slow = list(JsonlFile(path, block_bytes=4000).blocks(wanted, wanted))
    assert careful_blocks == len(slow) == len(fast) > 5
    for one, other in zip(fast, slow):
        assert one.lines.tolist() == other.lines.tolist()
        for name in wanted:
            assert one.columns[name].to_pylist() == other.columns[name].to_pylist()
    assert fast[0].columns["a"].to_pylist()[:2] == ['ü "0"\n', 'ü "1"\n']


def test_good_blocks_go_the_fast_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = write(tmp_path / "e.jsonl", [{"a": "x", "b": 1}] * 50)
    monkeypatch.setattr(JsonlFile, "_slow", None)
    assert sum(len(block) for block in JsonlFile(path).blocks(("a", "b"))) == 50


def test_text_and_numbers_may_be_mixed(tmp_path: Path):
    path = write(tmp_path / "e.jsonl", [{"a": 1}, {"a": "x"}, {"a": 2.0}, {"a": 10**20}, {}])
    (block,) = JsonlFile(path).blocks(["a"], ["a"])
    assert block.columns["a"].to_pylist() == ["1", "x", "2", str(10**20), None]


def test_an_array_is_refused(tmp_path: Path):
    (tmp_path / "e.json").write_text('[{"a": 1},\n {"a": 2}]')
    with pytest.raises(DataError, match="holds a JSON array\nhint: write one object a line"):
        JsonlFile(tmp_path / "e.json")
    (tmp_path / "e.json").write_text("\n")
    with pytest.raises(DataError, match="is empty"):
        JsonlFile(tmp_path / "e.json")


def test_columns_are_the_keys_of_the_first_lines(tmp_path: Path):
    path = write(tmp_path / "e.jsonl", [{"a": 1}, [3], {"b": None, "a": 2}])
    assert JsonlFile(path).columns == ("a", "b")

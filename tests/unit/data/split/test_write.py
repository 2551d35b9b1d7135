from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from grapevine.data import split
from grapevine.data.dataset import LABELS
from grapevine.data.folder import open_dataset, write_dataset
from grapevine.data.schema import Schema
from grapevine.errors import BundleError, ConfigError, DataError
from grapevine.testing.worlds import world


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [(u, (3 * u + 5 * n) % 17, 1000 * n) for u in range(6) for n in range(5)]
    events = pl.DataFrame(
        {
            "user_id": [f"ü{u}" for u, _, _ in rows],
            "item_id": [i for _, i, _ in rows],
            "timestamp": [t for _, _, t in rows],
            "value": [float(i) for _, i, _ in rows],
            "text": [f"words {i}" for _, i, _ in rows],
        }
    )
    items = pl.DataFrame({"item_id": range(20), "title": [f"t{i}" for i in range(20)]})
    users = pl.DataFrame({"user_id": ["ü1"], "age": [40]})
    links = pl.DataFrame({"source_id": [1], "target_id": [2], "relation": ["outfit"]})
    out = write_dataset(tmp_path / "in", Schema(name="small"), events, items, users, links)
    (out / "pictures").mkdir()
    (out / "pictures" / "1.png").write_bytes(b"png")
    return out


@pytest.mark.parametrize("rule", [split.leave_last_out, split.by_time])
def test_what_is_written_opens_as_the_same_split(folder, tmp_path, rule):
    parts = rule(open_dataset(folder), repeats="keep")
    written = open_dataset(split.write(parts, tmp_path / "out"))
    again = split.of(written)
    assert again.settings == parts.settings
    assert again.counts == parts.counts
    np.testing.assert_array_equal(again.labels, parts.labels)
    np.testing.assert_array_equal(again.test.targets.values, parts.test.targets.values)
    np.testing.assert_array_equal(again.train.interactions.items, parts.train.interactions.items)


def test_every_column_and_file_is_kept(folder, tmp_path):
    parts = split.leave_last_out(open_dataset(folder))
    out = split.write(parts, tmp_path / "out")
    old, new = pl.read_parquet(folder / "events.parquet"), pl.read_parquet(out / "events.parquet")
    assert new.drop("split").equals(old)
    assert new["split"].to_list() == [LABELS[label] for label in parts.labels]
    for name in ("items.parquet", "links.parquet"):
        assert pq.read_table(out / name).equals(pq.read_table(folder / name))
    assert pl.read_parquet(out / "users.parquet").drop_nulls().rows() == [("ü1", 40)]
    assert (out / "pictures" / "1.png").read_bytes() == b"png"
    # A second split of the written folder replaces the first.
    other = split.leave_last_out(open_dataset(out), repeats="keep")
    assert open_dataset(split.write(other, tmp_path / "other")).labels is not None


def test_what_cannot_be_written_leaves_nothing_behind(folder, tmp_path):
    parts = split.leave_last_out(open_dataset(folder))
    with pytest.raises(ConfigError, match="exists already"):
        split.write(parts, folder)
    with pytest.raises(DataError, match="only in memory"):
        split.write(split.leave_last_out(world([("u", i) for i in "abc"])), tmp_path / "out")
    short = pl.read_parquet(folder / "events.parquet")[:-1]
    short.write_parquet(folder / "events.parquet")
    with pytest.raises(BundleError, match="29 events now, 30 when it was split"):
        split.write(parts, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]

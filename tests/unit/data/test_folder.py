from pathlib import Path

import numpy as np
import polars as pl
import pytest

from grapevine.data.folder import FolderWriter, open_dataset, write_dataset
from grapevine.data.schema import Schema
from grapevine.errors import BundleError, ConfigError, DataError

SCHEMA = Schema(name="tiny", behaviours=("click", "buy"))


def events() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "user_id": ["ü", "a", "a", "ü", "a", "a"],
            "item_id": ["x", "y", "x", "x", "y", "😀"],
            "behaviour": ["click", "buy", "click", "buy", "buy", "click"],
            "timestamp": [5, 9, 3, 5, 9, 9],
            "value": [1.0, 2.0, None, 4.0, 2.0, 5.0],
            "split": ["train", "test", "train", "unused", "test", "validation"],
        }
    )


def test_a_small_world_by_hand(tmp_path: Path):
    write_dataset(tmp_path / "out", SCHEMA, events())
    data = open_dataset(tmp_path / "out")
    assert data.users.ids.to_list() == ["a", "ü"]
    assert data.items.ids.to_list() == ["x", "y", "😀"]
    # User a: x at 3; then y (bought) and the emoji at 9, as they came; the repeated purchase of
    # y at 9 counts once. User ü: x clicked, then bought, in the same millisecond.
    assert data.interactions.offsets.tolist() == [0, 3, 5]
    assert data.interactions.items.tolist() == [0, 1, 2, 0, 0]
    assert data.interactions.behaviours.tolist() == [0, 1, 0, 0, 1]
    assert data.interactions.times.tolist() == [3, 9, 9, 5, 5]
    assert data.interactions.values is not None
    np.testing.assert_equal(data.interactions.values, np.float32([np.nan, 2, 5, 1, 4]))
    assert data.labels is not None
    assert data.labels.tolist() == [0, 2, 1, 0, 3]
    assert data.schema.catalogue is False
    assert data.schema.events == {"value": "number"}
    assert data.path == tmp_path / "out"


@pytest.mark.parametrize("ids", [[3, -1, 40_000_000_000], ["007", "7", "é"]], ids=["int", "str"])
def test_ids_come_back_unchanged(tmp_path: Path, ids: list[str | int]):
    frame = pl.DataFrame({"user_id": ids, "item_id": ids, "timestamp": [0, 1, 2]})
    data = open_dataset(write_dataset(tmp_path / "out", Schema(), frame))
    assert set(data.users.ids) == set(ids)
    assert data.items.ids.to_list() == sorted(ids)  # pyright: ignore[reportArgumentType]


def test_catalogue_and_users_may_hold_more_than_the_events(tmp_path: Path):
    items = pl.DataFrame({"item_id": ["z", "y", "x", "😀"], "title": ["Z", "Y", "X", "S"]})
    users = pl.DataFrame({"user_id": ["quiet", "a"], "age": [30, 40]})
    links = pl.DataFrame({"source_id": ["x"], "target_id": ["y"], "relation": ["outfit"]})
    data = open_dataset(write_dataset(tmp_path / "o", SCHEMA, events(), items, users, links))
    assert data.schema.catalogue
    assert data.schema.items == {"title": "category"}
    assert data.item_table["title"].to_list() == ["X", "Y", "Z", "S"]
    assert data.users.ids.to_list() == ["a", "quiet", "ü"]
    assert data.interactions.histories.lengths.tolist() == [3, 0, 2]
    assert data.user_table is not None
    assert data.user_table["age"].to_list() == [40, 30, None]
    assert data.links is not None
    assert data.links.rows() == [("x", "y", "outfit")]


def test_without_times_the_order_of_the_rows_is_the_time(tmp_path: Path):
    frame = pl.DataFrame({"user_id": [2, 1, 2, 2], "item_id": [5, 6, 4, 5]})
    data = open_dataset(write_dataset(tmp_path / "out", Schema(), frame))
    assert data.schema.clock == "order"
    assert data.items.take(data.interactions.items).to_list() == [6, 5, 4, 5]


def test_pieces_of_any_size_give_the_same_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    generator = np.random.default_rng(0)
    table = pl.DataFrame(
        {
            "user_id": generator.integers(0, 50, 3000).astype(str),
            "item_id": generator.integers(0, 90, 3000).astype(str),
            "timestamp": generator.integers(0, 10**12, 3000),
        }
    ).sort("user_id", "timestamp")
    whole = open_dataset(write_dataset(tmp_path / "whole", Schema(), table))
    monkeypatch.setattr("grapevine.data.folder.ROWS_PER_GROUP", 70)
    with FolderWriter(tmp_path / "pieces", Schema()) as folder:
        folder.items(pl.DataFrame({"item_id": whole.items.ids}))
        for part in table.iter_slices(33):
            folder.events(part.to_arrow())
    pieces = open_dataset(tmp_path / "pieces")
    assert pieces.users.ids.equals(whole.users.ids)
    for name in ("offsets", "items", "behaviours", "times"):
        np.testing.assert_array_equal(
            getattr(pieces.interactions, name), getattr(whole.interactions, name)
        )
    # The slow truth: a dictionary of lists.
    slow: dict[str, list[str]] = {}
    for user, item in table.select("user_id", "item_id").iter_rows():
        slow.setdefault(user, []).append(item)
    for row, user in enumerate(whole.users.ids):
        assert whole.items.take(whole.interactions.histories[row]).to_list() == slow[user]


def test_nothing_stays_behind_after_a_failure(tmp_path: Path):
    def fail() -> None:
        with FolderWriter(tmp_path / "out", SCHEMA) as folder:
            folder.items(pl.DataFrame({"item_id": [1]}))
            (folder.path / "truth").mkdir()
            folder.events(events().sort("user_id", "timestamp").to_arrow())
            assert len(list(tmp_path.iterdir())) == 1
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_full_folder_is_not_written_over(tmp_path: Path):
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(ConfigError, match="exists already\nhint: choose another --out"):
        write_dataset(tmp_path, SCHEMA, events())
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


def test_no_events_make_no_dataset(tmp_path: Path):
    with pytest.raises(DataError, match="no events"):
        write_dataset(tmp_path / "out", SCHEMA, events().clear())
    assert list(tmp_path.iterdir()) == []


def test_an_item_outside_the_catalogue_is_named(tmp_path: Path):
    with pytest.raises(DataError, match="the item `😀`, which is not in items"):
        write_dataset(tmp_path / "o", SCHEMA, events(), pl.DataFrame({"item_id": ["x", "y"]}))
    folder = write_dataset(tmp_path / "out", SCHEMA, events())
    pl.DataFrame({"item_id": ["x", "😀"]}).write_parquet(folder / "items.parquet")
    with pytest.raises(DataError, match=r"the item `y`, which is not in items\.parquet"):
        open_dataset(folder)


def test_what_is_damaged_is_named(tmp_path: Path):
    folder = write_dataset(tmp_path / "out", SCHEMA, events())
    path = folder / "events.parquet"
    good = path.read_bytes()
    path.write_bytes(good[:-9])
    with pytest.raises(BundleError, match=r"events\.parquet: damaged, or not Parquet"):
        open_dataset(folder)
    path.unlink()
    with pytest.raises(BundleError, match=r"it has no events\.parquet"):
        open_dataset(folder)
    path.write_bytes(good)
    pl.read_parquet(path).reverse().write_parquet(path)
    with pytest.raises(BundleError, match="not sorted by user, then time"):
        open_dataset(folder)
    pl.read_parquet(path).with_columns(behaviour=pl.lit("steal")).write_parquet(path)
    with pytest.raises(BundleError, match="`behaviour` holds `steal`, which is none of click, buy"):
        open_dataset(folder)
    (folder / "schema.toml").write_text("format = 99")
    with pytest.raises(BundleError, match="format 99"):
        open_dataset(folder)

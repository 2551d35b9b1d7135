import hashlib

import numpy as np
import polars as pl
import pytest

from grapevine.data import shop
from grapevine.data.folder import open_dataset
from grapevine.data.shop import write
from grapevine.errors import ConfigError


def digests(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_seed_makes_the_same_bytes(tmp_path):
    first = digests(shop.make(tmp_path / "a", users=2_500, items=200, seed=3))
    assert digests(shop.make(tmp_path / "b", users=2_500, items=200, seed=3)) == first
    other = digests(shop.make(tmp_path / "c", users=2_500, items=200, seed=4))
    assert not set(first.values()) & set(other.values())
    assert {"events.parquet", "items.parquet", "links.parquet", "schema.toml"} < set(first)


def test_threads_change_nothing(tmp_path, monkeypatch):
    first = digests(shop.make(tmp_path / "a", users=5_000, items=200, events=50_000))
    monkeypatch.setattr(write, "AHEAD", 1)
    assert digests(shop.make(tmp_path / "b", users=5_000, items=200, events=50_000)) == first


def test_a_smaller_shop_is_the_start_of_a_larger_one(tmp_path):
    # 40 events a user in both, and the borders of blocks at other places.
    few = shop.make(tmp_path / "few", users=2_100, items=200, events=84_000)
    many = shop.make(tmp_path / "many", users=4_200, items=200, events=168_000)
    for table in ("events", "users"):
        larger = pl.read_parquet(many / f"{table}.parquet")
        smaller = pl.read_parquet(few / f"{table}.parquet")
        assert larger.filter(pl.col("user_id") < "u002100").equals(smaller)
    same = [pl.read_parquet(folder / "items.parquet") for folder in (few, many)]
    assert same[0].equals(same[1])


def test_the_folder_opens_as_a_dataset(tmp_path):
    data = open_dataset(shop.make(tmp_path / "shop", users=500, items=300, events=30_000))
    assert len(data.users) == 500
    assert len(data.items) == len(data.item_table) == 300
    assert abs(len(data.interactions) / 30_000 - 1) < 0.15
    assert data.schema.behaviours == ("click", "collect", "cart", "buy")
    assert data.schema.target == "buy"
    assert data.schema.items["title"] == "title"
    assert data.schema.items["image"] == "image"
    assert data.links is not None
    assert set(data.links["relation"]) == {"goes_with", "board"}
    rated = ~np.isnan(data.interactions.values)
    assert (data.interactions.behaviours[rated] == data.schema.target_row).all()


def test_text_and_sessions_stand_where_they_should(tmp_path):
    out = shop.make(tmp_path / "shop", users=500, items=300)
    events = pl.read_parquet(out / "events.parquet")
    assert events.filter(pl.col("text").is_not_null())["behaviour"].unique().to_list() == ["buy"]
    assert events.filter(pl.col("value").is_null() & pl.col("text").is_not_null()).is_empty()
    without = events.filter(pl.col("session_id").is_null())
    assert without["behaviour"].unique().to_list() == ["buy"]


def test_a_large_catalogue_comes_without_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr(write, "PICTURED", 100)
    out = shop.make(tmp_path / "shop", users=50, items=200)
    assert "image" not in pl.read_parquet_schema(out / "items.parquet")
    assert "image" not in open_dataset(out).schema.items


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"users": 0}, "needs users"),
        ({"users": 10, "items": 3}, "items must be"),
        ({"users": 10, "events": 1_000_000}, "1000000 events for 10 users"),
        ({"users": 10, "events": 5}, "2 to"),
    ],
)
def test_impossible_sizes_are_refused(tmp_path, sizes, words):
    with pytest.raises(ConfigError, match=words):
        shop.make(tmp_path / "shop", **sizes)
    assert not list(tmp_path.iterdir())

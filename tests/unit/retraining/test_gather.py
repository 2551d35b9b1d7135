"""The dataset of the next run: each event once, nobody who is forgotten, the newest apart."""

import json

import polars as pl
import pytest

import grapevine as gv
from grapevine.data.folder import write_dataset
from grapevine.data.schema import Schema
from grapevine.errors import BundleError, CheckFailed
from grapevine.retraining.gather import FACTS, gather, gathered_at
from grapevine.serving.store import Item

LATER = 1_700_000_000_000 + 2_000 * 3_600_000


def test_new_events_stand_behind_those_of_the_base(base, heard, tmp_path):
    before = gv.load(base)
    found = gather(before, heard, tmp_path / "data")
    data = gv.load(tmp_path / "data")
    assert (found.new, found.new_targets, found.left_out) == (560, 280, {})
    assert found.events == len(data.interactions) == len(before.interactions) + 560
    assert data.schema.behaviours == ("click", "buy")
    assert len(data.users) == 70
    assert data.item_table.equals(before.item_table)
    assert gathered_at(tmp_path / "data") == found
    old = pl.read_parquet(base / "events.parquet")
    new = pl.read_parquet(tmp_path / "data" / "events.parquet")
    kept = new.filter(pl.col("event_id").is_null()).select(old.columns)
    assert kept.equals(old)


def test_the_newest_are_held_out_and_none_of_the_base(base, heard, tmp_path):
    found = gather(gv.load(base), heard, tmp_path / "data", share=0.2)
    events = pl.read_parquet(tmp_path / "data" / "events.parquet")
    asked = events.filter(pl.col("split") == "test")
    assert asked["timestamp"].dt.epoch("ms").min() == found.at
    assert events.filter(pl.col("split") == "train")["timestamp"].dt.epoch("ms").max() < found.at
    assert asked["event_id"].null_count() == 0
    assert len(asked.filter(pl.col("behaviour") == "buy")) == 56
    parts = gv.split.of(gv.load(tmp_path / "data"))
    assert parts.settings["at"] == found.at
    assert len(parts.test) > 0


def test_an_event_counts_once_however_it_is_known(base, heard, tmp_path, event):
    first = gather(gv.load(base), heard, tmp_path / "one")
    # The base of the next round has all of these under their IDs; the store has them still.
    heard.clock.now += 86_400_000
    heard.append([event("next", "u00", item_id="i07", timestamp=heard.clock.now)]).result()
    old = pl.read_parquet(base / "events.parquet")
    again = old.filter(pl.col("behaviour") == "buy").row(0, named=True)
    at = int(again["timestamp"].timestamp() * 1000)
    same = event("again", again["user_id"], item_id=again["item_id"], timestamp=at)
    heard.append([same]).result()
    second = gather(gv.load(tmp_path / "one"), heard, tmp_path / "two")
    assert second.left_out == {"known already": 561}
    assert second.events == first.events + 1


def test_what_cannot_be_learnt_from_is_left_out_and_counted(base, heard, tmp_path, event):
    heard.append([
        event("b", "u00", behaviour="share"),
        event("i", "u00", item_id="nobody's"),
        event("f", "u00", timestamp=heard.clock.now + 2 * 86_400_000),
    ]).result()  # fmt: skip
    found = gather(gv.load(base), heard, tmp_path / "data")
    assert found.left_out == {
        "of another behaviour": 1,
        "of an item that the catalogue has not": 1,
        "ahead of the clock": 1,
    }
    assert found.new == 560


def test_items_that_were_put_since_are_learnt_from_with_their_fields(base, heard, tmp_path, event):
    heard.shelf.put([
        Item("i99", {"title": "brand new", "colour": "red"}),
        Item("i03", {"title": "renamed"}),
        Item("i04", None),
        Item("i98", {"title": "gone again"}),
        Item("i98", None),
    ])  # fmt: skip
    heard.append([event("n", "u00", item_id="i99"), event("d", "u00", item_id="i04")]).result()
    found = gather(gv.load(base), heard, tmp_path / "data")
    assert found.left_out == {}
    data, before = gv.load(tmp_path / "data"), gv.load(base)
    titles = dict(data.item_table.select("item_id", "title").iter_rows())
    assert titles.keys() == {*before.items.ids, "i99"}
    assert (titles["i99"], titles["i03"], titles["i04"]) == ("brand new", "renamed", "thing i04")
    assert data.item_table.columns == before.item_table.columns
    events = pl.read_parquet(tmp_path / "data" / "events.parquet")
    assert {"n", "d"} <= {*events["event_id"]}


def test_who_asked_to_be_forgotten_is_not_in_it(base, heard, tmp_path, named, event, clock):
    heard.forget("u05")
    heard.forget("u63")
    heard.forget("u07")
    clock.now += 1000
    heard.append([event("back", "u07", item_id="i30", timestamp=clock.now)]).result()
    found = gather(gv.load(base), heard, tmp_path / "data")
    assert found.forgotten == 2
    there = named(tmp_path / "data")
    assert "u05" not in there
    assert "u63" not in there
    # Who has come back is known by what was done since, and by nothing else.
    events = pl.read_parquet(tmp_path / "data" / "events.parquet")
    assert events.filter(pl.col("user_id") == "u07")["event_id"].to_list() == ["back"]
    assert list(found.returned) == ["u07"]
    assert "returned" not in found.to_json()
    assert json.loads((tmp_path / "data" / FACTS).read_text())["returned"].keys() == {"u07"}


def test_without_anything_new_there_is_nothing_to_measure_by(base, store, tmp_path, event):
    with pytest.raises(CheckFailed, match="heard of 0 new events"):
        gather(gv.load(base), store, tmp_path / "data")
    store.append([event("c", "u00", behaviour="click")]).result()
    with pytest.raises(CheckFailed, match="none of them is a `buy`"):
        gather(gv.load(base), store, tmp_path / "data")
    assert not [*tmp_path.glob("data*"), *tmp_path.glob(".data*")]
    with pytest.raises(BundleError, match="not a dataset that retraining has made"):
        gathered_at(base)


@pytest.mark.parametrize("guest", ["700", "guest-1"])
def test_ids_stay_what_they_were(tmp_path, store, event, guest):
    events = [(user, 10 * user + item, 1000 * item) for user in range(3) for item in range(3)]
    frame = pl.DataFrame(events, schema=["user_id", "item_id", "timestamp"], orient="row")
    base = write_dataset(tmp_path / "base", Schema(behaviours=("buy",), catalogue=False), frame)
    store.append([
        event("1", "2", item_id="11"), event("2", guest, item_id="77"),
        event("3", "0", item_id="no number"),
    ]).result()  # fmt: skip
    found = gather(gv.load(base), store, tmp_path / "data")
    data = gv.load(tmp_path / "data")
    # Items that nobody has listed are taken in, but for one that would make words of all numbers.
    assert found.left_out == {"of an item that the catalogue has not": 1}
    assert data.items.is_integer
    assert 77 in data.items.ids
    assert data.users.is_integer == guest.isdigit()
    assert len(data.users) == 4
    assert len(data.interactions.batch(data.users.rows(["2"])).items) == 4

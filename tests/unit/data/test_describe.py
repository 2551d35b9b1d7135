"""A clean world gives no warning; each planted fault gives exactly its own."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from grapevine.data.dataset import Dataset
from grapevine.data.describe import Description, describe
from grapevine.data.folder import open_dataset, write_dataset
from grapevine.data.schema import Schema
from grapevine.random import stream

SCHEMA = Schema(
    name="world",
    behaviours=("click", "buy"),
    items={"title": "title", "category": "category", "price": "number"},
    users={"age": "number"},
    licence="none",
    source="made here",
    notes=("invented",),
)
START_MS = 1_600_000_000_000
DAY_MS = 86_400_000
NOW_MS = START_MS + 400 * DAY_MS
USERS, ITEMS, CLICKS = 300, 40, 12


def clean_events() -> pl.DataFrame:
    """Every user clicks a dozen items over a year, and buys every third an hour later."""
    rng = stream(0, "describe")
    users = np.repeat(np.arange(USERS), CLICKS)
    items = np.argsort(rng.random((USERS, ITEMS)), axis=1)[:, :CLICKS].ravel()
    times = START_MS + rng.integers(0, 365 * DAY_MS, len(users))
    clicks = pl.DataFrame({"user_id": users, "item_id": items, "timestamp": times})
    buys = clicks.gather_every(3).with_columns(pl.col("timestamp") + 3_600_000)
    return pl.concat(
        [
            clicks.with_columns(behaviour=pl.lit("click"), value=pl.lit(1.0)),
            buys.with_columns(behaviour=pl.lit("buy"), value=pl.lit(2.0)),
        ]
    )


def with_more(events: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([clean_events().select(events.columns), events], how="vertical_relaxed")


def clean_items() -> pl.DataFrame:
    place = np.arange(ITEMS)
    return pl.DataFrame(
        {
            "item_id": place,
            "title": [f"Thing {n // 2}" for n in place],
            "category": [str(n % 2) for n in place],
            "price": place * 1.5,
        }
    )


def clean_users() -> pl.DataFrame:
    return pl.DataFrame({"user_id": np.arange(USERS), "age": np.arange(USERS) % 50})


@pytest.fixture
def made(tmp_path: Path):
    def make(events=None, items=None, users=None, schema=SCHEMA) -> Dataset:
        events = clean_events() if events is None else events
        items = clean_items() if items is None else items
        users = clean_users() if users is None else users
        return open_dataset(write_dataset(tmp_path / "world", schema, events, items, users))

    return make


def kinds(description: Description) -> list[str]:
    return [caution.kind for caution in description.warnings]


def test_a_clean_world_gives_no_warning_and_the_right_figures(made):
    it = describe(made(), NOW_MS)
    assert it.warnings == ()
    assert it.counts == {
        "users": 300,
        "users_with_events": 300,
        "items": 40,
        "items_with_events": 40,
        "events": 4800,
        "pairs": 3600,
        "links": 0,
    }
    assert it.behaviours == {"click": 3600, "buy": 1200}
    assert it.density == pytest.approx(3600 / (300 * 40))
    assert it.repeats == 0
    assert it.first.startswith("2020-09-13T")
    assert it.events_per_user == dict.fromkeys(it.events_per_user, 16.0)
    assert it.split == {}
    assert [(c.table, c.name, c.role, c.null_share) for c in it.columns] == [
        ("events", "value", "number", 0.0),
        ("items", "title", "title", 0.0),
        ("items", "category", "category", 0.0),
        ("items", "price", "number", 0.0),
        ("users", "age", "number", 0.0),
    ]


def test_figures_by_hand(tmp_path):
    # Item 0 has 4 of the 7 events, item 1 two, item 2 one; item 3 is never met.
    events = pl.DataFrame(
        {
            "user_id": ["a", "a", "a", "a", "b", "b", "c"],
            "item_id": [0, 0, 1, 2, 0, 1, 0],
            "timestamp": [0, 1, 2, 3, 4, 5, 6],
            "value": [1.0, None, 2.0, None, 1.0, 1.0, 1.0],
            "split": ["train", "train", "train", "test", "train", "validation", "unused"],
        }
    )
    items = pl.DataFrame({"item_id": [0, 1, 2, 3], "title": ["x", None, None, "y"]})
    schema = Schema(items={"title": "title"}, clock="order")
    data = open_dataset(write_dataset(tmp_path / "out", schema, events, items))
    it = describe(data)
    assert it.counts["pairs"] == 6
    assert it.density == pytest.approx(6 / (3 * 3))
    assert it.repeats == pytest.approx(1 / 7)
    assert it.popularity == {"top 1 %": pytest.approx(4 / 7), "top 20 %": pytest.approx(4 / 7)}
    assert it.events_per_user["median"] == 2
    assert it.events_per_user["mean"] == pytest.approx(7 / 3)
    assert it.events_per_item["max"] == 4
    assert it.split == {"train": 4, "validation": 1, "test": 1, "unused": 1}
    assert [c.null_share for c in it.columns] == [pytest.approx(2 / 7), 0.5]
    assert (it.first, it.last) == ("", "")
    assert kinds(it) == ["one-event users", "items never met"]


def test_a_user_with_too_many_events_is_a_bot(made):
    rng = stream(1, "bot")
    bot = pl.DataFrame(
        {
            "user_id": 7,
            "item_id": rng.integers(0, ITEMS, 2000),
            "timestamp": START_MS + rng.integers(0, 365 * DAY_MS, 2000),
            "behaviour": "click",
            "value": 1.0,
        }
    )
    it = describe(made(with_more(bot)), NOW_MS)
    assert kinds(it) == ["bots"]
    assert it.warnings[0].count == 1
    assert it.warnings[0].example.startswith("user 7 with 2,01")


@pytest.mark.parametrize(("gap_ms", "found"), [(900, ["bots"]), (1100, [])])
def test_a_user_with_more_than_an_event_a_second_is_a_bot(made, gap_ms, found):
    bot = pl.DataFrame(
        {
            "user_id": 9,
            "item_id": np.arange(120) % ITEMS,
            "timestamp": START_MS + np.arange(120) * gap_ms,
            "behaviour": "click",
            "value": 1.0,
        }
    )
    it = describe(made(with_more(bot)), NOW_MS)
    assert kinds(it) == found


def test_a_basket_at_one_time_is_no_bot(made):
    basket = pl.DataFrame(
        {
            "user_id": np.repeat([9, 10, 11], ITEMS),
            "item_id": np.tile(np.arange(ITEMS), 3),
            "timestamp": START_MS,
            "behaviour": "click",
            "value": 1.0,
        }
    )
    assert describe(made(with_more(basket))).warnings == ()


def test_users_with_one_event(made):
    more = pl.DataFrame(
        {
            "user_id": np.arange(1000, 1100),
            "item_id": np.arange(100) % ITEMS,
            "timestamp": START_MS + np.arange(100) * 3 * DAY_MS,
            "behaviour": "click",
            "value": 1.0,
        }
    )
    it = describe(made(with_more(more)), NOW_MS)
    assert kinds(it) == ["one-event users"]
    assert it.warnings[0].count == 100
    assert it.warnings[0].example == "user 1000"
    assert it.warnings[0].what == "25% of the users with events have a single one"


def test_items_of_the_same_title_and_category(made):
    items = clean_items().with_columns(
        title=pl.when(pl.col("item_id") == 30).then(pl.lit(" thing 2")).otherwise(pl.col("title"))
    )
    it = describe(made(items=items), NOW_MS)
    assert kinds(it) == ["duplicate items"]
    assert it.warnings[0].count == 2
    assert it.warnings[0].example == "items 4 and 30: Thing 2"


def test_items_without_a_title_are_not_duplicates(made):
    items = clean_items().with_columns(
        title=pl.when(pl.col("item_id") < 20).then(pl.lit("")).otherwise(pl.col("title"))
    )
    assert describe(made(items=items), NOW_MS).warnings == ()


def test_items_that_nobody_met(made):
    more = clean_items().with_columns(
        pl.col("item_id") + 100, title=pl.lit("New ") + pl.col("title")
    )
    it = describe(made(items=pl.concat([clean_items(), more])), NOW_MS)
    assert kinds(it) == ["items never met"]
    assert it.warnings[0].count == 40
    assert it.warnings[0].example == "item 100"


def moved(chosen: pl.Expr, to: pl.Expr | int) -> pl.DataFrame:
    """The clean events with other times for some of them."""
    place = pl.int_range(pl.len())
    to = to if isinstance(to, pl.Expr) else pl.lit(to)
    time = pl.when(chosen & (place < 3600)).then(to).otherwise(pl.col("timestamp"))
    return clean_events().filter(pl.col("behaviour") == "click").with_columns(timestamp=time)


CLICKS_ONLY = replace(SCHEMA, behaviours=("click",), target="click")


@pytest.mark.parametrize(
    ("events", "kind", "count", "example"),
    [
        (
            moved(pl.int_range(pl.len()) % 10 == 0, START_MS + 5),
            "shared time",
            360,
            "user 0",
        ),
        (
            moved(pl.int_range(pl.len()) < 40, NOW_MS + 1 + pl.int_range(pl.len()) * 1000),
            "future times",
            40,
            "user 0",
        ),
        (
            moved(pl.int_range(pl.len()) < 30, pl.int_range(pl.len()) * DAY_MS + 77),
            "times before 2000",
            30,
            "user 0",
        ),
        (
            moved(pl.lit(True), pl.col("timestamp") // DAY_MS * DAY_MS),
            "midnight times",
            3600,
            "2",
        ),
        (
            moved(
                pl.int_range(pl.len()) % 5 == 0,
                (START_MS // DAY_MS + 100) * DAY_MS + pl.int_range(pl.len()) * 20_000,
            ),
            "one-day burst",
            720,
            "2020-12-2",
        ),
    ],
    ids=["shared", "future", "early", "midnight", "burst"],
)
def test_suspicious_times(made, events, kind, count, example):
    data = made(events.with_columns(value=pl.int_range(pl.len()) % 5), schema=CLICKS_ONLY)
    it = describe(data, NOW_MS)
    assert kinds(it) == [kind]
    assert it.warnings[0].count == pytest.approx(count, rel=0.02)
    assert it.warnings[0].example.startswith(example)


def test_a_log_of_one_time_is_a_shared_time(made):
    events = moved(pl.lit(True), START_MS).with_columns(value=pl.int_range(pl.len()) % 5)
    it = describe(made(events, schema=CLICKS_ONLY), NOW_MS)
    assert kinds(it) == ["shared time"]


def test_times_are_not_judged_where_there_are_none(made):
    events = clean_events().with_columns(timestamp=pl.lit(0))
    assert describe(made(events, schema=replace(SCHEMA, clock="none")), NOW_MS).warnings == ()


@pytest.mark.parametrize("fault", ["missing", "later"])
def test_purchases_without_a_click_before_them(made, fault):
    events = clean_events()
    chosen = (pl.col("user_id") < 90) & (pl.col("behaviour") == "click")
    if fault == "missing":
        bought = events.filter(pl.col("behaviour") == "buy").select("user_id", "item_id")
        gone = events.filter(chosen).join(bought, on=["user_id", "item_id"], how="semi")
        events = events.join(gone, on=["user_id", "item_id", "behaviour"], how="anti")
    else:
        late = pl.when(chosen).then(pl.col("timestamp") + 2 * 3_600_000)
        events = events.with_columns(timestamp=late.otherwise(pl.col("timestamp")))
    it = describe(made(events), NOW_MS)
    assert kinds(it) == ["out of cascade order"]
    assert it.warnings[0].count == 360
    assert it.warnings[0].what == "30% of the pairs with a `buy` have no `click` before it"
    assert it.warnings[0].example.startswith("user 0 and item ")


def test_columns_that_hold_one_thing(made):
    items = clean_items().with_columns(category=pl.lit("all"), price=pl.lit(None, pl.Float64))
    items = items.with_columns(title=pl.format("Thing {}", "item_id"))
    events = clean_events().with_columns(value=pl.lit(3.0))
    it = describe(made(events, items), NOW_MS)
    assert kinds(it) == ["constant columns"]
    assert it.warnings[0].what.endswith("items.category, items.price, events.value")
    assert it.warnings[0].count == 3


def test_it_prints_and_is_one_json_document(made):
    items = clean_items().with_columns(title=pl.lit("[bold]x[/]"))
    it = describe(made(items=items, schema=replace(SCHEMA, name="[red]world")), NOW_MS)
    out = StringIO()
    Console(file=out, width=200).print(it.table())
    text = out.getvalue()
    for part in ("[red]world", "[bold]x[/]", "duplicate items", "invented", "30.0000%", "4,800"):
        assert part in text
    document = json.loads(json.dumps(it.to_json()))
    assert document["counts"]["pairs"] == 3600
    assert document["sparsity"] == pytest.approx(0.7)
    assert document["warnings"][0]["kind"] == "duplicate items"


def test_a_part_of_a_dataset_without_events_is_described(made):
    data = made()
    none = data.interactions.where(np.zeros(4800, bool))
    it = describe(replace(data, interactions=none, path=None), NOW_MS)
    assert it.counts["events"] == 0
    assert it.events_per_user == {}
    assert kinds(it) == ["items never met"]
    Console(file=StringIO()).print(it.table())


def test_a_behaviour_that_may_be_a_slip_is_named(made):
    one = clean_events().head(1).with_columns(behaviour=pl.lit("buys"))
    schema = replace(SCHEMA, behaviours=("click", "buy", "buys"), target="buys")
    (caution, *_) = [
        one
        for one in describe(made(with_more(one), schema=schema), NOW_MS).warnings
        if one.kind == "doubtful behaviours"
    ]
    assert caution.what == "`buys` (1 of 4,801 events) is nearly `buy`; `buys` is predicted"
    assert (caution.count, caution.example) == (1, "behaviour buys")


def test_a_category_with_a_value_of_its_own_for_each_row_is_named(made):
    names = pl.Series("produkt", [f"Ding {n}" for n in range(ITEMS)])
    items = clean_items().with_columns(names)
    roles = {**SCHEMA.items, "produkt": "category"}
    description = describe(made(items=items, schema=replace(SCHEMA, items=roles)), NOW_MS)
    (caution,) = description.warnings
    assert (caution.kind, caution.example) == ("categories of one", "items.produkt")
    assert "--map produkt=title (or text)" in caution.advice


def test_a_category_that_rows_share_is_fine(made):
    names = pl.Series("produkt", [f"Ding {n // 2}" for n in range(ITEMS)])
    schema = replace(SCHEMA, items={**SCHEMA.items, "produkt": "category"})
    items = clean_items().with_columns(names)
    assert describe(made(items=items, schema=schema), NOW_MS).warnings == ()

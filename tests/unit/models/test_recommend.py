from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from grapevine.errors import ConfigError
from grapevine.models import MODELS, recommend
from grapevine.models.evidence import evidence
from grapevine.models.reasons import NO_REASON
from grapevine.models.run import Run
from grapevine.testing.worlds import checkerboard, world

RECORD = {"seed": 0, "train_seconds": 0.1, "events": 66, "split": {}}


@pytest.fixture
def run():
    data = world(checkerboard())
    table = data.item_table.with_columns(
        title=pl.format("Item {}", "item_id"),
        price=pl.col("item_id") * 2.5,
        kind=pl.when(pl.col("item_id") < 6).then(pl.lit("low")).otherwise(pl.lit("high")),
        new=pl.col("item_id") > 8,
        tags=pl.Series([["even"] if i % 2 == 0 else ["odd", "rare"] for i in range(12)]),
    )
    made = Run.of("item-knn", MODELS["item-knn"].config.fit(data, seed=0), data, RECORD, None)
    schema = replace(data.schema, items={"title": "title"})
    return replace(made, item_table=table, schema=schema)


def test_the_held_out_item_comes_first_and_the_seen_ones_never(run):
    for user in range(12):
        table = run.recommend(users=[user], k=12)
        assert table["item_id"][0] == user
        seen = {item for who, item in checkerboard() if who == user}
        assert not seen & set(table["item_id"])
        assert table["rank"].to_list() == list(range(1, len(table) + 1))
        assert (np.diff(table["score"]) <= 0).all()


def test_a_stranger_with_the_same_history_gets_the_same_list(run):
    history = [item for who, item in checkerboard() if who == 4]
    known = run.recommend(users=[4], k=5)
    stranger = run.recommend(histories=[history], k=5)
    assert known["item_id"].to_list() == stranger["item_id"].to_list()
    assert known["score"].to_list() == stranger["score"].to_list()


def test_what_goes_with_an_item_is_a_history_of_one_and_never_the_item(run):
    beside = run.recommend(items=[3], k=4)
    assert beside["item_id"].to_list() == run.recommend(histories=[[3]], k=4)["item_id"].to_list()
    assert 3 not in run.recommend(items=[3], k=12, exclude_seen=False)["item_id"].to_list()
    assert all(item % 2 for item in beside["item_id"].to_list())


def test_seen_items_may_be_asked_for(run):
    table = run.recommend(users=[2], k=12, exclude_seen=False)
    assert len(table) == 12


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ("price<7.5", {0, 1, 2}),
        ("price >= 25", {10, 11}),
        ("kind=low", {0, 1, 2, 3, 4, 5}),
        ("kind!=low", {6, 7, 8, 9, 10, 11}),
        ("new=true", {9, 10, 11}),
        ("tags=rare", {1, 3, 5, 7, 9, 11}),
        ("tags!=rare", {0, 2, 4, 6, 8, 10}),
        (("kind=low", "tags=rare"), {1, 3, 5}),
        (pl.col("price") == 5, {2}),
    ],
)
def test_conditions_on_item_columns(run, where, wanted):
    table = run.recommend(users=[0], k=12, exclude_seen=False, where=where)
    assert set(table["item_id"]) == wanted


def test_candidates_are_the_only_items_shown(run):
    table = run.recommend(users=["0"], k=12, exclude_seen=False, candidates=["7", "2"])
    assert set(table["item_id"]) == {2, 7}


def test_reasons_name_the_history_and_add_up(run):
    table = run.recommend(users=[4], k=1, why=True)
    assert table["title"].to_list() == ["Item 4"]
    assert "Item 0" in table["why"][0]
    batch = run.questions([4])
    shares = evidence(run.model, batch, [4], most=100)[0]
    assert sum(share for _, share in shares) == pytest.approx(1)
    # item-knn adds up over the history, so the shares are those of the score itself
    alone = {row: run.recommend(histories=[[row]], k=12, exclude_seen=False) for row, _ in shares}
    for row, share in shares:
        part = alone[row].filter(pl.col("item_id") == 4)["score"][0]
        whole = run.recommend(users=[4], k=1)["score"][0]
        assert share == pytest.approx(part / whole, rel=1e-5)


def test_taking_the_strongest_reason_away_lowers_the_score(run):
    history = [item for who, item in checkerboard() if who == 4]
    strongest = evidence(run.model, run.questions([4]), [4])[0][0][0]
    rest = [item for item in history if item != strongest]
    scores = [
        run.recommend(histories=[one], k=12).filter(pl.col("item_id") == 4)["score"][0]
        for one in (history, rest)
    ]
    assert scores[1] < scores[0]


def test_everybody_at_once_gets_what_each_gets_alone(run, tmp_path, monkeypatch):
    monkeypatch.setattr(recommend, "BLOCK_BYTES", 4 * 12 * 5)  # five users a block, twelve in all
    out = tmp_path / "lists" / "all.parquet"
    assert run.recommend_all(out, k=3) == 12
    table = pl.read_parquet(out)
    for user in range(12):
        alone = run.recommend(users=[user], k=3).drop("title")
        assert table.filter(pl.col("user_id") == user).equals(alone)
    assert [path.name for path in out.parent.iterdir()] == ["all.parquet"]


def test_what_the_model_does_not_listen_to_is_never_a_reason():
    clicks = [("u", "x", "click"), ("u", "y", "click"), ("u", "a", "buy")]
    others = [(who, item, "buy") for who in "vwz" for item in "ab"] + [("v", "x", "click")]
    data = world([*clicks, *others], behaviours=("click", "buy"))
    for name in ("item-knn", "ease", "markov", "als"):
        run = Run.of(name, MODELS[name].config.fit(data, seed=0), data, RECORD, None)
        table = run.recommend(users=["u"], k=1, why=True)
        assert table["item_id"].to_list() == ["b"]
        why = "goes with a (100% of the case; 3 people took both)"
        assert table["why"].to_list() == [why], name


@pytest.mark.parametrize("name", ["popularity", "random"])
def test_a_model_that_looks_at_no_history_gives_no_reason_from_it(name):
    data = world(checkerboard())
    run = Run.of(name, MODELS[name].config.fit(data, seed=0), data, RECORD, None)
    assert set(run.recommend(users=[0, 1], k=3, why=True)["why"]) == {NO_REASON}


def test_whoever_says_nothing_to_the_model_gets_what_is_popular():
    takers = {"zebra": "uvwx", "yak": "uvw", "ant": "uv", "bee": "u", "cat": ""}
    events = [(who, item) for item, crowd in takers.items() for who in crowd]
    data = world([*events, ("nobody", "dog")], items=["cat"])
    model = MODELS["item-knn"].config.fit(data, seed=0)
    run = Run.of("item-knn", model, data, RECORD, None)
    table = run.recommend(histories=[[]], k=6, why=True)
    assert table["item_id"].to_list() == ["zebra", "yak", "ant", "bee", "dog", "cat"]
    assert set(table["why"]) == {NO_REASON}
    assert run.recommend(histories=[[]], k=1)["item_id"].to_list() == ["zebra"]
    few = run.recommend(histories=[[]], k=3, candidates=["cat", "yak", "ant"])
    assert few["item_id"].to_list() == ["yak", "ant", "cat"]
    # What goes with something that nobody else took: what is popular, and not the thing itself.
    assert run.recommend(items=["dog"], k=2)["item_id"].to_list() == ["zebra", "yak"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "exactly one"),
        ({"users": [1], "items": [2]}, "exactly one"),
        ({"users": ["nobody"]}, "knows no user `nobody`\nhint: for somebody new"),
        ({"items": ["007"]}, "knows no item `007`"),
        ({"histories": [[0, 77]]}, "knows no item `77`"),
        ({"users": [1], "where": "price"}, "`price` is not a condition"),
        ({"users": [1], "where": "prise<3"}, "no item column is called `prise`"),
        ({"users": [1], "where": "price<cheap"}, "price is a number, `cheap` is not"),
        ({"users": [1], "candidates": [500]}, "knows no item `500`"),
        ({"users": [111]}, "did you mean `11`"),
        ({"users": [1], "where": "price<200,50"}, "hint: write a number with a decimal point"),
    ],
)
def test_what_cannot_be_answered_says_why(run, asked, message):
    with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
        run.recommend(**asked)

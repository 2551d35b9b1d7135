from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from grapevine.data.holdout import Holdout
from grapevine.errors import ConfigError
from grapevine.evaluation import rank_model
from grapevine.evaluation.slices import HISTORY, OWN, POPULARITY, slices_of
from grapevine.structs.jagged import Jagged
from grapevine.testing.worlds import world as events_world


def by(slices, name):
    return {one.group: one for one in slices if one.by == name}


def test_every_target_is_in_one_popularity_group(make_world):
    world = make_world(targets=3)
    ranked = rank_model(world.random(0), world.holdout)
    groups = by(slices_of(world.holdout, world.train), POPULARITY)
    assert list(groups) == ["none", "1-4", "5-49", "50-499", "500+"]
    kept = [group.ranks(ranked) for group in groups.values()]
    assert sum(len(one.values) for one in kept) == len(ranked.ranks.values)
    counts = world.train.target_interactions.counts()
    few = groups["5-49"].ranks(ranked)
    expected = [
        rank
        for rank, item in zip(ranked.ranks.values, ranked.targets.values, strict=True)
        if 5 <= counts[item] < 50
    ]
    assert few.values.tolist() == expected


def test_an_unknown_target_was_in_no_training_event(world, with_targets):
    held = with_targets(world, [[-1]] * 60).holdout
    ranked = rank_model(world.random(0), held)
    groups = by(slices_of(held, world.train), POPULARITY)
    assert len(groups["none"].ranks(ranked).values) == 60


def test_histories_in_quarters(world):
    lengths = np.arange(60) % 8 + 1
    history = world.holdout.history
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    size = int(offsets[-1])
    grown = replace(
        history,
        offsets=offsets,
        items=np.zeros(size, np.int32),
        behaviours=np.zeros(size, np.uint8),
        times=np.arange(size),
    )
    groups = by(slices_of(replace(world.holdout, history=grown), world.train), HISTORY)
    assert list(groups) == ["1", "2-3", "4-5", "6-8"]
    covered = np.sum([group.queries for group in groups.values()], axis=0)
    assert covered.tolist() == [1] * 60
    assert groups["2-3"].queries.tolist() == ((lengths == 2) | (lengths == 3)).tolist()


def test_users_are_told_apart_by_how_often_they_did_what_is_asked_for():
    bought = {"a": 0, "b": 1, "c": 2, "d": 3, "e": 6}
    events = [(user, item, "view") for user in bought for item in range(9)]
    events += [(user, item, "buy") for user, count in bought.items() for item in range(count)]
    data = events_world(events, behaviours=("view", "buy"))
    asked = Holdout(
        name="test", users=np.arange(5), targets=Jagged.from_lists([[0]] * 5),
        history=data.interactions, asked_at=np.full(5, 99), target=1,
    )  # fmt: skip
    groups = by(slices_of(asked, data), OWN)
    names = np.array(data.users.ids.to_list())
    assert {name: names[one.queries].tolist() for name, one in groups.items()} == {
        "none": ["a"], "1-2": ["b", "c"], "3-5": ["d"], "6+": ["e"]
    }  # fmt: skip


def test_one_behaviour_alone_is_not_told_apart_from_the_history(world):
    assert not by(slices_of(world.holdout, world.train), OWN)


def test_equal_histories_are_one_group(world):
    assert list(by(slices_of(world.holdout, world.train), HISTORY)) == ["6"]


def test_columns_of_users_and_of_items(world):
    slices = slices_of(world.holdout, world.train, ["gender", "category", "tags", "price"])
    assert by(slices, "gender")["m"].queries.tolist() == [u % 3 == 0 for u in range(60)]
    assert by(slices, "category")["c1"].items.tolist() == [i % 4 == 1 for i in range(40)] + [False]
    assert by(slices, "tags")["all"].items.sum() == 40
    assert list(by(slices, "price")) == ["0-8", "9-18", "19-28", "29-39"]


def test_rare_values_are_told_apart_no_further(world):
    names = [f"v{i}" if i < 30 else None for i in range(40)]
    table = world.train.item_table.with_columns(pl.Series("brand", names))
    train = replace(world.train, item_table=table)
    groups = by(slices_of(world.holdout, train, ["brand"]), "brand")
    assert len(groups) == 13
    assert groups["other"].items.sum() == 19
    assert groups["not given"].items[:40].tolist() == [i >= 30 for i in range(40)]


def test_an_unknown_column_names_the_nearest(world):
    with pytest.raises(ConfigError, match="did you mean `gender`"):
        slices_of(world.holdout, world.train, ["gendre"])


def with_column(world, values):
    return replace(world.train, item_table=world.train.item_table.with_columns(x=values))


def sizes(world, values):
    slices = slices_of(world.holdout, with_column(world, values), ["x"])
    return {one.group: int(one.items.sum()) for one in slices if one.by == "x"}


@pytest.mark.parametrize(
    "values",
    [
        pl.Series([b"\xff\xd8"] * 40),
        pl.Series([[0.5, 1.5]] * 40),
        pl.Series([[0.5, 1.5]] * 40, dtype=pl.Array(pl.Float32, 2)),
        pl.Series([[[1]]] * 40),
        pl.Series([{"a": 1}] * 40),
    ],
    ids=lambda values: str(values.dtype),
)
def test_a_column_without_names_is_refused_with_those_that_will_do(world, values):
    with pytest.raises(ConfigError, match="no groups can be made of `x`") as caught:
        sizes(world, values)
    assert caught.value.hint == "columns that will do: category, tags, price, gender"


def test_a_query_is_in_the_group_of_each_member_of_its_list(world):
    lists = [[1, 2], [2], [], None] * 15
    table = world.train.user_table.with_columns(pl.Series("clubs", lists))
    slices = slices_of(world.holdout, replace(world.train, user_table=table), ["clubs"])
    groups = {one.group: one.queries.tolist() for one in slices if one.by == "clubs"}
    assert groups == {
        "1": [True, False, False, False] * 15,
        "2": [True, True, False, False] * 15,
        "not given": [False, False, True, True] * 15,
    }


def test_numbers_in_quarters_and_those_not_given(world):
    values = pl.Series([None, float("nan"), float("inf"), *map(float, range(37))])
    assert sizes(world, values) == {"0-8": 9, "9-17": 9, "18-26": 9, "27-36": 10, "not given": 3}
    assert sizes(world, pl.Series([0.5, 1.0] * 20)) == {"0.5": 20, "1.0": 20}

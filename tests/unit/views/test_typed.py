from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grapevine.errors import ConfigError
from grapevine.testing.worlds import world
from grapevine.views.attributes import Buckets, Names
from grapevine.views.typed import TypedView

EVENTS = [
    ("ann", "tea", "click", 10),
    ("ann", "tea", "click", 20),
    ("ann", "tea", "buy", 30),
    ("ann", "jam", "click", 40),
    ("bob", "jam", "click", 15),
    ("bob", "jam", "buy", 35),
    ("bob", "tea", "buy", 50),
]


@pytest.fixture
def train():
    """Items jam, oil, which nobody met, and tea; users ann and bob, whose age is not known."""
    data = world(EVENTS, items=["oil"], behaviours=["click", "buy"])
    items = data.item_table.with_columns(
        kind=pl.Series(["sweet", "hot", None]),
        price=pl.Series([2.0, 4.0, 8.0]),
        tags=pl.Series([["a", "b", "z"], [], None], dtype=pl.List(pl.String)),
        title=pl.Series(["Jam", "Tea", "Oil"]),
    )
    users = pl.DataFrame({"user_id": data.users.ids, "age": [34, None]})
    roles = {"kind": "category", "price": "number", "tags": "tags", "title": "title"}
    schema = replace(data.schema, items=roles, users={"age": "number"})
    return replace(data, schema=schema, item_table=items, user_table=users)


def edges(view, graph):
    """Names of both ends of each edge, with its weight to three places, relation by relation."""
    names = ["ann", "bob", "jam", "oil", "tea"]
    for one in view.attributes:
        names += [f"{one.column}={label}" for label in one.kind.labels]
    out = {}
    for relation, one in zip(view.relations, graph.relations):
        ends = one.edges.senders.tolist(), one.edges.receivers.tolist()
        weights = [1.0] * len(ends[0]) if one.edges.weights is None else one.edges.weights.tolist()
        out[relation] = {
            (names[a], names[b]): round(w, 3) for a, b, w in zip(*ends, weights, strict=True)
        }
    return out


def test_a_shop_of_three_items_whole(train):
    view = TypedView.of(train, use=["kind", "age"], rare=1)
    assert view.types == ("user", "item", "user.age", "item.kind")
    # unknown and 30 to 40; unknown, other, hot and sweet.
    assert view.offsets == (0, 2, 5, 7, 11)
    once, twice = round(np.log(2), 3), round(np.log(3), 3)
    clicks = {("ann", "tea"): twice, ("ann", "jam"): once, ("bob", "jam"): once}
    buys = {("ann", "tea"): once, ("bob", "jam"): once, ("bob", "tea"): once}
    ages = {("ann", "age=any"): 1, ("bob", "age=unknown"): 1}
    kinds = {("jam", "kind=sweet"): 1, ("oil", "kind=hot"): 1, ("tea", "kind=unknown"): 1}

    def back(pairs):
        return {(b, a): weight for (a, b), weight in pairs.items()}

    assert edges(view, view.snapshot(before=None)) == {
        ("user", "click", "item"): clicks,
        ("item", "click back", "user"): back(clicks),
        ("user", "buy", "item"): buys,
        ("item", "buy back", "user"): back(buys),
        ("user", "has", "user.age"): ages,
        ("user.age", "has back", "user"): back(ages),
        ("item", "has", "item.kind"): kinds,
        ("item.kind", "has back", "item"): back(kinds),
    }


def test_four_behaviours_are_eight_relations():
    names = ["click", "collect", "cart", "buy"]
    data = world([("u", "i", name) for name in names], behaviours=names)
    view = TypedView.of(data)
    assert len(view.relations) == len(view.snapshot(before=None).relations) == 8
    assert view.types == ("user", "item")


def test_titles_are_no_attributes_and_what_is_not_there_is_refused(train):
    assert [one.column for one in TypedView.of(train).attributes] == [
        "age", "kind", "price", "tags",
    ]  # fmt: skip
    assert [one.column for one in TypedView.of(train, use=["number"]).attributes] == [
        "age", "price",
    ]  # fmt: skip
    assert TypedView.of(train, use=()).types == ("user", "item")
    with pytest.raises(ConfigError, match="no role or column of users or items is called `brand`"):
        TypedView.of(train, use=["brand"])


def test_a_name_that_is_a_role_too_is_the_column(train):
    table = train.item_table.rename({"kind": "category"}).with_columns(brand=pl.lit("b"))
    roles = {"category": "category", "brand": "category", "price": "number"}
    train = replace(train, item_table=table, schema=replace(train.schema, items=roles))
    for use, wanted in (
        (["category"], {"category"}),
        (["number"], {"age", "price"}),
        (None, {"age", "category", "brand", "price"}),
    ):
        assert {one.column for one in TypedView.of(train, use=use).attributes} == wanted


def test_snapshots_hold_what_came_before_and_only_grow(train):
    view = TypedView.of(train)
    assert edges(view, view.snapshot(before=10))[("user", "click", "item")] == {}
    at_20 = edges(view, view.snapshot(before=20))
    assert at_20[("user", "click", "item")] == {("ann", "tea"): 0.693, ("bob", "jam"): 0.693}
    earlier = at_20
    for before in range(20, 60, 5):
        later = edges(view, view.snapshot(before=before))
        for relation, pairs in earlier.items():
            assert all(later[relation].get(pair, 0) >= weight for pair, weight in pairs.items())
        earlier = later
    assert earlier == edges(view, view.snapshot(before=None))


def test_a_snapshot_sees_nothing_of_what_comes_after(train):
    view = TypedView.of(train)
    past = TypedView.of(
        replace(train, interactions=train.interactions.where(train.interactions.times < 35))
    )
    assert edges(view, view.snapshot(before=35)) == edges(past, past.snapshot(before=None))


def test_asked_pairs_go_both_ways_and_nothing_else(train):
    view = TypedView.of(train)
    graph = view.snapshot(before=None)
    before = edges(view, graph)
    after = edges(view, view.without(graph, np.array([0, 1, 1]), np.array([2, 2, 1])))
    assert after[("user", "buy", "item")] == {("bob", "jam"): 0.693}
    assert after[("item", "buy back", "user")] == {("jam", "bob"): 0.693}
    assert all(after[name] == before[name] for name in after if "buy" not in name[1])
    strict = view.without(graph, np.array([0]), np.array([2]), behaviours=view.behaviours)
    for name, pairs in edges(view, strict).items():
        assert not {("ann", "tea"), ("tea", "ann")} & {*pairs}
        assert len(before[name]) - len(pairs) == ({name[0], name[2]} == {"user", "item"})
    with pytest.raises(ConfigError, match="no behaviour is called `by`"):
        view.without(graph, np.array([0]), np.array([2]), behaviours=["by"])


@given(st.integers(0, 2**32 - 1))
def test_what_is_left_is_what_was_not_asked(seed):
    draw = np.random.default_rng(seed)
    events = [(f"u{u}", f"i{i}") for u, i in draw.integers(0, 6, (12, 2))]
    view = TypedView.of(world(events))
    graph = view.snapshot(before=None)
    users, items = draw.integers(-1, view.events.num_items, (2, 8))
    users = np.minimum(users, view.events.num_users - 1)
    left = view.without(graph, users, items)
    asked = set(zip(users.tolist(), (items + view.offsets[1]).tolist()))

    def pairs(edges, turned):
        one, two = (edges.receivers, edges.senders) if turned else (edges.senders, edges.receivers)
        return list(zip(one.tolist(), two.tolist()))

    for turned, (before, after) in enumerate(zip(graph.relations, left.relations)):
        kept = pairs(after.edges, turned)
        assert kept == [pair for pair in pairs(before.edges, turned) if pair not in asked]
        assert len(after.edges.weights) == len(kept)


def test_nobody_is_asked_of_an_empty_graph(train):
    view = TypedView.of(train)
    graph = view.snapshot(before=0)
    left = view.without(graph, np.array([-1, 0, 1]), np.array([2, -1, 1]))
    assert edges(view, left) == edges(view, graph)


def test_links_lead_where_the_edges_do(train):
    view = TypedView.of(train)
    links = view.links(view.snapshot(before=None))
    clicks, back = links[("user", "click", "item")], links[("item", "click back", "user")]
    assert (clicks.source, clicks.target, back.source, back.target) == (0, 1, 1, 0)
    assert sorted(clicks.ends[0].tolist()) == [2, 4]
    assert back.ends[4].tolist() == [0]
    top = clicks.draw(np.array([0]), 1, "top", key=np.uint64(0))
    assert top.tolist() == [[4]]


def test_rare_names_share_a_value_and_unknown_is_its_own():
    column = pl.Series(["a"] * 5 + ["b"] * 4 + ["c", None])
    names = Names.fit(column)
    assert names.labels == ("unknown", "other", "a")
    assert names.values(column).values.tolist() == [2] * 5 + [1] * 5 + [0]
    # A name that comes later is other, too.
    assert names.values(pl.Series(["a", "new"])).values.tolist() == [2, 1]


def test_tags_are_any_number_and_a_rare_one_twice_is_one_edge(train):
    column = pl.Series([["a", "x", "y"], ["a"], [], None, ["a", "a"]])
    names = Names.fit(column, rare=3)
    assert [one.tolist() for one in names.values(column)] == [[2, 1, 1], [2], [0], [0], [2, 2]]
    view = TypedView.of(train, use=["tags"])
    assert edges(view, view.snapshot(before=None))[("item", "has", "item.tags")] == {
        ("jam", "tags=other"): 1, ("oil", "tags=unknown"): 1, ("tea", "tags=unknown"): 1,
    }  # fmt: skip


def test_a_name_twice_in_a_line_is_met_once():
    assert Names.fit(pl.Series([["a", "a"], ["a"]]), rare=3).labels == ("unknown", "other")


def test_prices_are_cut_where_their_logarithms_would_be():
    draw = np.random.default_rng(0)
    price = pl.Series(np.exp(draw.normal(size=1000)))
    buckets, logs = Buckets.even(price), Buckets.even(price.log())
    np.testing.assert_array_equal(buckets.values(price).values, logs.values(price.log()).values)
    counts = np.bincount(buckets.values(price).values)
    assert counts[0] == 0
    assert counts[1:].tolist() == [100] * 10


def test_ages_by_ten_years_and_what_is_unknown():
    ages = pl.Series([19, 20, 29, 30, 54, None])
    bands = Buckets.bands(ages, 10)
    assert bands.labels == (
        "unknown", "below 20", "20 to 30", "30 to 40", "40 to 50", "50 and above",
    )  # fmt: skip
    assert bands.values(ages).values.tolist() == [1, 2, 2, 3, 5, 0]
    assert bands.values(pl.Series([3, 99])).values.tolist() == [1, 5]


@pytest.mark.parametrize("values", [[], [None, None], [7.0, 7.0, None]])
def test_columns_that_tell_little(values):
    column = pl.Series(values, dtype=pl.Float64)
    for kind in (
        Buckets.even(column),
        Buckets.bands(column, 10),
        Names.fit(column.cast(pl.String)),
    ):
        assert kind.labels[0] == "unknown"
        found = kind.values(column if isinstance(kind, Buckets) else column.cast(pl.String)).values
        assert [value == 0 for value in found] == [value is None for value in values]
        assert found.max(initial=0) < len(kind.labels)


def test_the_layers_of_the_core_take_it(train):
    from grapevine.core.typed import HGT, RGCN

    view = TypedView.of(train)
    graph = view.snapshot(before=None)
    held = torch.randn(graph.num_nodes, 4)
    rgcn = RGCN(4, 3, len(graph.relations))
    assert rgcn(held, [one.edges for one in graph.relations]).shape == (graph.num_nodes, 3)
    types = [(one.source, one.target) for one in graph.relations]
    assert HGT(4, types, graph.num_types)(held, graph).shape == held.shape

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from torch.nn.functional import relu

from grapevine import training
from grapevine.core.typed import speakers
from grapevine.data.vocabulary import Vocabulary
from grapevine.errors import ConfigError
from grapevine.models.base import Trained
from grapevine.models.cascade import HGT, NMTR, RGCN
from grapevine.models.cascade import typed as typed_module
from grapevine.models.cascade.typed import Heard, Hiding
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged
from grapevine.testing.worlds import world

ROWS = {"rgcn": RGCN, "hgt": HGT}
NAMES = ("view", "buy")


def tasting(users=30, items=20, more=4):
    """Even users take even items and odd ones odd ones, all that is even being of one kind.

    Nobody meets some more items, which are of a kind all the same; of the last nothing is known.
    """
    draw, events = np.random.default_rng(3), []
    for user in range(users):
        for item in range(user % 2, items, 2):
            if draw.random() < 0.6:
                events.append((user, item, "view"))
                if draw.random() < 0.5:
                    events.append((user, item, "buy"))
    found = world(events, items=range(items + more + 1), behaviours=NAMES)
    ids = found.items.ids.to_list()
    kinds = [None if one == items + more else ("even", "odd")[one % 2] for one in ids]
    table = found.item_table.with_columns(pl.Series("kind", kinds, dtype=pl.String))
    return replace(
        found, item_table=table, schema=replace(found.schema, items={"kind": "category"})
    )


def with_users(data, towns):
    """The same, in which users have a town."""
    table = pl.DataFrame({"user_id": data.users.ids, "town": towns})
    schema = replace(data.schema, users={"town": "category"})
    return replace(data, user_table=table, schema=schema)


def learner(name, data, **options):
    config = ROWS[name].Config(width=8, batch=64, **options)
    assert isinstance(config, Trained)
    return config.learner(data, seed=1)


def edges(relation, num_items, first):
    """The pairs of a relation from users to items."""
    ends = relation.edges.senders.numpy(), relation.edges.receivers.numpy() - first
    return ends[0] * num_items + ends[1]


def test_what_is_asked_for_is_not_heard_nor_what_came_after_it():
    data = tasting()
    pairs = learner("rgcn", data).pairs
    config = RGCN.Config(hidden=0.4)
    hiding = Hiding(config, data, pairs, [0, 1], seed=5)
    num_items, first = len(data.items), len(data.users)
    keys = [one.users * num_items + one.items for one in pairs.values()]
    asked, heard = hiding.drawn(3, [0, 1])
    wanted = [asked[place].users * num_items + asked[place].items for place in (0, 1)]
    for place in (0, 1):
        there, back = heard.graph.relations[2 * place : 2 * place + 2]
        left = edges(there, num_items, first)
        # What is heard and what is asked for are all there is, and nothing is both.
        np.testing.assert_array_equal(np.sort(np.r_[left, wanted[place]]), keys[place])
        torch.testing.assert_close(back.edges.senders, there.edges.receivers)
        torch.testing.assert_close(back.edges.receivers, there.edges.senders)
    # Whoever is asked about a view is not told of the purchase; many a purchase is asked for by
    # its view, which is heard.
    bought = np.intersect1d(wanted[0], keys[1])
    assert np.isin(bought, wanted[1]).all()
    assert 0 < np.isin(wanted[1], wanted[0]).mean() < 1
    share = len(np.union1d(*wanted)) / len(np.union1d(*keys))
    assert share == pytest.approx(0.4, abs=0.1)
    # It is what the layers are given.
    for relation, told in zip(heard.graph.relations, heard.relations, strict=True):
        found = told.edges(heard.graph.num_nodes)
        wanted = {*zip(relation.edges.senders.tolist(), relation.edges.receivers.tolist())}
        assert {*zip(found.senders.tolist(), found.receivers.tolist())} == wanted
    _, attended = Hiding(replace(config, encoder="hgt"), data, pairs, [0, 1], seed=5).drawn(
        3, [0, 1]
    )
    np.testing.assert_array_equal(attended.edges.senders, speakers(heard.graph).senders)
    np.testing.assert_array_equal(attended.edges.receivers, speakers(heard.graph).receivers)
    # Attributes stay.
    assert len(heard.graph.relations[4].edges.senders) == num_items
    again, _ = hiding.drawn(3, [0, 1])
    np.testing.assert_array_equal(again[1].items, asked[1].items)
    other, _ = hiding.drawn(4, [0, 1])
    assert not np.array_equal(other[0].items, asked[0].items)


@pytest.mark.parametrize("name", ROWS)
def test_users_and_items_hold_the_mean_of_all_rounds_over_the_whole_graph(name):
    data = tasting()
    made = learner(name, data, layers=2)
    for step in range(2):
        made.step(made.batches(0)[step], 0.01)
    model, network = made.model(), made.network.eval()
    whole, users = made.hiding.whole, len(data.users)
    met = np.r_[np.diff(data.interactions.offsets) > 0, data.interactions.counts() > 0]
    with torch.no_grad():
        h = torch.cat([network.held.weight * torch.from_numpy(met)[:, None],
                       network.typed.values.weight])  # fmt: skip
        total = h
        for place, layer in enumerate(network.typed.layers):
            if name == "hgt":
                h = layer(h, whole, speakers(whole))
            else:
                h = layer(h, [one.edges for one in whole.relations])
                h = relu(h) if place == 0 else h
            total = total + h
    known = users + data.items.rows([0, 5, 20, 21])
    np.testing.assert_allclose(model.items[known - users], total[known] / 3, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model.users, total[:users] / 3, rtol=1e-4, atol=1e-6)
    # Of an item that nobody met and that has no kind nothing is known.
    assert not model.items[data.items.rows([24])].any()


@pytest.mark.parametrize("name", ROWS)
def test_an_item_that_nobody_met_is_known_by_its_attributes(name):
    data = tasting()
    config = ROWS[name].Config(width=16, epochs=30, patience=0, batch=64, learning_rate=0.02)
    model = training.fit(config, data, seed=0)
    users = np.array(data.users.ids.to_list())
    scores = np.asarray(model.score(data.interactions.batch(np.arange(len(users)))))
    even, odd = (scores[:, data.items.rows(rows)].mean(1) for rows in ([20, 22], [21, 23]))
    assert ((even > odd) == (users % 2 == 0)).mean() > 0.9
    # And so by somebody new.
    rows = [data.items.rows([0, 4]), data.items.rows([3, 7])]
    found = np.asarray(model.score(Batch.of_histories(Jagged.from_lists(rows))))
    sides = found[:, data.items.rows([20, 22])].mean(1) > found[:, data.items.rows([21])].mean(1)
    assert sides.tolist() == [True, False]
    # And what nobody met says something in a history, too.
    rows = [data.items.rows([20]), data.items.rows([21])]
    found = np.asarray(model.score(Batch.of_histories(Jagged.from_lists(rows))))
    sides = found[:, data.items.rows([22])[0]] > found[:, data.items.rows([23])[0]]
    assert sides.tolist() == [True, False]


@pytest.mark.parametrize("name", ROWS)
def test_without_attributes_there_are_users_and_items_alone(name):
    made = learner(name, tasting(), attributes=())
    assert made.hiding.whole.num_nodes == made.network.num_users + len(tasting().items)
    assert len(made.hiding.whole.relations) == 4
    alone = learner(name, tasting(), behaviours="target")
    assert len(alone.hiding.whole.relations) == 4  # purchases and kinds, either way
    heard = Heard.of(alone.hiding.whole, name)
    assert len(alone.network.views(heard)) == 1


def test_of_a_view_after_the_purchase_nothing_is_heard():
    """Time counts where there is one: later steps of a pair tell of what is asked for."""
    events = [(user, item, "buy", 1000) for user in range(20) for item in range(10)]
    early = [(user, item, "view", 10) for user in range(20) for item in range(0, 10, 2)]
    late = [(user, item, "view", 2000) for user in range(20) for item in range(1, 10, 2)]
    data = world([*events, *early, *late], behaviours=NAMES)
    pairs = learner("rgcn", data).pairs
    for clock, told in (("exact", False), ("none", True)):
        dated = replace(data, schema=replace(data.schema, clock=clock))
        hiding = Hiding(RGCN.Config(), dated, pairs, [0, 1], seed=2)
        asked, heard = hiding.drawn(0, [0, 1])
        bought = asked[1].users * 10 + asked[1].items
        viewed = edges(heard.graph.relations[0], 10, 20)
        left = bought[np.isin(bought, viewed)]
        assert (left % 2 == 0).any()  # those viewed before
        assert (left % 2 == 1).any() == told


def test_of_three_behaviours_none_is_heard_that_came_after_what_is_asked():
    names, draw = ("fav", "cart", "buy"), np.random.default_rng(0)
    when = {
        (user, item, name): int(draw.integers(1_000_000))
        for user in range(30) for item in range(15) for name in names if draw.random() < 0.6
    }  # fmt: skip
    data = world([(*event, time) for event, time in when.items()], behaviours=names)
    asks = 0
    hiding = Hiding(RGCN.Config(), data, learner("rgcn", data).pairs, [0, 1, 2], seed=2)
    asked, heard = hiding.drawn(0, [0, 1, 2])
    users, items = data.users.ids.to_list(), data.items.ids.to_list()
    left = {
        (users[key // 15], items[key % 15], name)
        for place, name in enumerate(names)
        for key in edges(heard.graph.relations[2 * place], 15, 30).tolist()
    }
    for place, one in asked.items():
        for user, item in zip(one.users.tolist(), one.items.tolist(), strict=True):
            pair = users[user], items[item]
            there = [name for name in names if (*pair, name) in left]
            asks += len(there)
            assert all(when[*pair, name] < when[*pair, names[place]] for name in there)
    assert asks > 20


def test_what_stands_before_it_at_the_same_time_is_heard():
    """Many logs have dates and no more; their events stand in the order of arrival."""
    events = [
        (user, item, name, 1000) for user in range(20) for item in range(10) for name in NAMES
    ]
    data = world(events, behaviours=NAMES)
    asked, heard = learner("rgcn", data).hiding.drawn(0, [0, 1])
    bought = asked[1].users * 10 + asked[1].items
    assert np.isin(bought, edges(heard.graph.relations[0], 10, 20)).any()


def test_of_views_no_more_is_asked_than_of_purchases_and_nothing_is_hidden_for_nothing(monkeypatch):
    monkeypatch.setattr(typed_module, "FEW", 5)
    data = tasting()
    made = learner("rgcn", data)
    asked, heard = made.hiding.drawn(0, [0, 1])
    assert 5 < len(asked[0].users) == len(asked[1].users)
    hidden = len(made.pairs[0].users) - len(heard.graph.relations[0].edges.senders)
    assert hidden > len(asked[0].users)
    num_items = len(data.items)
    keys = [one.users * num_items + one.items for one in made.pairs.values()]
    _, heard = made.hiding.drawn(0, [1])  # nobody asks for views
    left = edges(heard.graph.relations[0], num_items, len(data.users))
    assert np.isin(np.setdiff1d(keys[0], left), keys[1]).all()


def test_columns_are_named_by_themselves_or_by_role_and_a_wrong_name_is_told():
    data = tasting()
    brands = data.item_table.with_columns(
        pl.Series("category", ["a", "b"] * 12 + ["a"]), pl.Series("text", ["x"] * 25)
    )
    roles = {"kind": "category", "category": "category", "text": "text"}
    data = replace(data, item_table=brands, schema=replace(data.schema, items=roles))

    def names(*attributes):
        made = learner("rgcn", with_users(data, ["up", "down"] * 15), attributes=attributes)
        return [one.name for one in made.hiding.view.attributes]

    # A column that is called like a role is no reason to leave out the others of that role.
    assert names("category") == ["user.town", "item.kind", "item.category"]
    assert names("town", "kind") == ["user.town", "item.kind"]
    for wrong in ("brnd", "text"):
        with pytest.raises(ConfigError, match=wrong):
            names("kind", wrong)


@pytest.mark.parametrize("name", ROWS)
def test_a_user_without_an_event_is_known_by_its_attributes(name):
    data = tasting()
    towns = ["even" if one % 2 == 0 else "odd" for one in data.users.ids.to_list()]
    # Two more users, who have a town and nothing else.
    more = replace(
        with_users(data, towns),
        users=Vocabulary.of([*data.users.ids.to_list(), 100, 101]),
        interactions=replace(
            data.interactions,
            offsets=np.r_[data.interactions.offsets, [len(data.interactions)] * 2],
        ),
        user_table=pl.DataFrame({
            "user_id": [*data.users.ids.to_list(), 100, 101], "town": [*towns, "even", "odd"],
        }),
    )  # fmt: skip
    config = ROWS[name].Config(width=16, epochs=30, patience=0, batch=64, learning_rate=0.02)
    model = training.fit(config, more, seed=0)
    scores = np.asarray(model.score(more.interactions.batch(np.array([30, 31]))))
    met = data.items.rows(list(range(20)))
    best = np.argsort(-scores[:, met], 1)[:, :5] % 2
    assert (best == [[0], [1]]).mean() > 0.9
    # Once it has done something, that is heard.
    odd = Batch.of_histories(Jagged.from_lists([data.items.rows([3, 7]), data.items.rows([5])]))
    known = replace(odd, users=np.array([30, 31]))
    np.testing.assert_array_equal(model.score(known), model.score(odd))
    again = ROWS[name].restore(config, model.state())
    np.testing.assert_array_equal(again.score(known), model.score(known))


def test_another_table_is_another_training_and_other_values_start_anew(tmp_path):
    data = tasting()
    one, other = (
        learner("hgt", with_users(data, towns))
        for towns in (["m", "n"] * 15, ["a", "n"] * 15)
    )  # fmt: skip
    same = learner("hgt", with_users(data, ["m", "n"] * 15))
    moved = learner("hgt", with_users(data, ["n", "m"] * 15))
    assert one.identity == same.identity != moved.identity
    assert one.identity != other.identity
    state = one.state()
    assert one.parameters(state).keys() == same.parameters(state).keys()
    assert moved.parameters(state).keys() == same.parameters(state).keys()
    left = same.parameters(state).keys() - other.parameters(state).keys()
    assert left
    assert all(key.startswith("network.typed.") for key in left)


def test_a_tower_is_told_nothing_of_who_has_no_event():
    data = tasting()
    config = NMTR.Config(width=8, batch=64, encoder="rgcn")
    made = config.learner(data, seed=1)
    for step in range(2):
        made.step(made.batches(0)[step], 0.01)
    model = made.model()
    cold = len(data.users) + data.items.rows([20, 21])
    assert not model.tables["deep"][cold].any()
    assert model.tables["held"][cold].any(1).all()
    with pytest.raises(ValueError, match="hears a typed graph"):
        made.network.views()


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize(
    "events",
    [[(0, 1, "buy"), (1, 2, "buy")], [(0, 1, "view")], [], [(0, 1, "view"), (0, 1, "buy")]],
    ids=["nobody viewed", "nobody bought", "nothing", "one pair"],
)
def test_a_behaviour_that_nobody_did_is_no_fault(name, events):
    data = world(events, items=range(4), behaviours=NAMES)
    model = training.fit(ROWS[name].Config(width=8, epochs=2), data, seed=0)
    met = np.isin(data.items.ids.to_list(), [item for _, item, _ in events])
    np.testing.assert_array_equal(model.known, met)

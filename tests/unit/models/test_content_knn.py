from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from grapevine.data import split
from grapevine.models import MODELS
from grapevine.models.content_knn import ContentKNN
from grapevine.structs import Batch, Jagged
from grapevine.testing.worlds import world

ROLES = {"title": "title", "kind": "category", "tags": "tags", "price": "number", "look": "vector"}


def catalogue(events, titles, roles=("title",), **columns):
    data = world(events, items=range(len(titles)))
    table = data.item_table.with_columns(title=pl.Series(titles, dtype=pl.String), **columns)
    schema = replace(data.schema, items={name: ROLES[name] for name in roles})
    return replace(data, item_table=table, schema=schema)


def ask(model, *history):
    return model.score(Batch.of_histories(Jagged.from_lists([list(history)])))[0]


TITLES = ["red tea", "green tea", "red wine", "white wine", "iron nails", None]


def test_an_item_is_near_those_that_share_its_rare_words():
    model = ContentKNN.Config().fit(catalogue([("u", 0)], TITLES))
    near = ask(model, 0)
    assert near[0] == pytest.approx(1, abs=1e-5)
    assert near[1] > 0.1
    assert near[2] > 0.1
    assert max(near[4], near[5]) < 0.1
    assert ask(model, 5).tolist() == [0] * 6


def test_scores_are_the_cosines_added_up():
    titles = [f"{'abcdefgh'[n]}{n} word{n % 3}" for n in range(8)]
    look = pl.Series(np.random.default_rng(0).standard_normal((8, 3)).tolist())
    data = catalogue(
        [("u", 0)],
        titles,
        roles=ROLES,
        kind=pl.Series(list("xxyyxxyy")),
        tags=pl.Series([["p", "q"], [], ["p"], None, ["q"], ["r"], ["r", "p"], ["q"]]),
        price=pl.Series([1.0, 2.0, 3.0, None, 5.0, 6.0, 7.0, 8.0]),
        look=look,
    )
    model = ContentKNN.Config(numbers=0.5).fit(data)
    each = np.stack([ask(model, row) for row in range(8)])
    np.testing.assert_allclose(each, each.T, atol=1e-6)
    # Four kinds of length one together, and half of the numbers beside them.
    full = [row for row in range(8) if row not in {1, 3}]
    np.testing.assert_allclose(np.diag(each)[full], 1 + 0.25, rtol=1e-5)
    np.testing.assert_allclose(ask(model, 2, 5, 7), each[[2, 5, 7]].sum(0), rtol=1e-5)
    np.testing.assert_allclose(ask(model, 2, 2), each[2], rtol=1e-5)


def test_near_numbers_are_alike():
    price = pl.Series(np.arange(20.0))
    data = catalogue([("u", 0)], [None] * 20, roles=["price"], price=price)
    near = ask(ContentKNN.Config().fit(data), 4)
    assert np.argsort(-near)[:3].tolist() == [4, *sorted([3, 5], key=lambda row: -near[row])]
    assert near[8] > near[15]
    assert not ask(ContentKNN.Config(numbers=0.0).fit(data), 4).any()


def test_it_is_the_same_however_many_are_asked_at_once(monkeypatch):
    data = catalogue([("u", 0)], TITLES)
    model = ContentKNN.Config().fit(data)
    batch = Batch.of_histories(Jagged.from_lists([[0], [], [1, 2], [4], [5, 0]]))
    whole = model.score(batch)
    monkeypatch.setattr("grapevine.models.content_knn.WORK_BYTES", 1)
    np.testing.assert_allclose(model.score(batch), whole, rtol=1e-6)


def test_nobodys_events_count():
    few = ContentKNN.Config().fit(catalogue([("u", 0)], TITLES))
    many = ContentKNN.Config().fit(catalogue([(u, i) for u in "uvw" for i in range(4)], TITLES))
    for name, part in few.state().items():
        np.testing.assert_array_equal(part, many.state()[name])


def test_cold_items_are_found_by_their_words():
    """Ten users have all there is of their flavour, but for items that were held out whole."""
    flavours = ["tea", "wine", "soup", "bread", "cheese"]
    titles = [f"{flavours[n % 5]} number {n}" for n in range(60)]
    events = [(u, n) for u in range(10) for n in range(60) if n % 5 == u % 5]
    parts = split.cold_items(catalogue(events, titles))
    batch = parts.test.questions(0, len(parts.test))
    scores = np.array(MODELS["content-knn"].config.fit(parts.train).score(batch))
    by_events = MODELS["item-knn"].config.fit(parts.train).score(batch)
    for query, (seen, targets) in enumerate(zip(batch.history, parts.test.targets)):
        scores[query, seen] = -np.inf
        same = np.flatnonzero(np.arange(60) % 5 == seen[0] % 5)
        unseen = np.setdiff1d(same, seen)
        assert set(np.argsort(-scores[query])[: len(unseen)]) == set(unseen)
        assert set(targets) <= set(unseen)
        assert (by_events[query, targets] == 0).all()

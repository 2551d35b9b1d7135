import numpy as np
import pytest

from grapevine.errors import ConfigError
from grapevine.models.funnel import Funnel
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged
from grapevine.testing.worlds import world

NAMES = ("view", "cart", "buy")


def log():
    """Of what was only viewed 1 in 4 was bought, of what was viewed and carted 2 in 4."""
    viewed = [(f"u{user}", item, "view") for user in range(4) for item in "ab"]
    carted = [("u0", "a", "cart"), ("u1", "a", "cart"), ("u2", "a", "cart"), ("u3", "b", "cart")]
    bought = [("u0", "a", "buy"), ("u1", "a", "buy"), ("u2", "b", "buy")]
    return world([*viewed, *carted, *bought], items="abc", behaviours=NAMES)


def fitted(**options):
    return Funnel.Config(**{"popularity": 0.0, "smoothing": 1e-9, **options}).fit(log())


def test_chances_are_counted_by_what_pairs_have_behind_them():
    model = fitted()
    assert model.done.tolist() == [0b00, 0b01, 0b11]
    assert model.chance == pytest.approx([0, 1 / 4, 2 / 4], abs=1e-6)


def test_an_item_scores_by_what_was_done_with_it_and_else_by_popularity():
    data, model = log(), fitted()
    histories = Jagged.from_lists([data.items.rows(["a"]), data.items.rows(["b", "b"])])
    asked = Batch.of_histories(histories)  # views
    scores = model.score(asked)
    a, b, c = data.items.rows(["a", "b", "c"])
    assert scores[0, a] == pytest.approx(0.25)
    assert scores[1, b] == pytest.approx(0.25)
    assert scores[0, [b, c]] == pytest.approx([0, 0], abs=1e-6)
    known = model.score(data.interactions.batch(data.users.rows(["u3"])))[0]
    assert known[b] == pytest.approx(0.5)
    assert known[a] == pytest.approx(0.25)


def test_popularity_orders_what_was_begun_alike():
    data, model = log(), fitted(popularity=1.0, smoothing=0.01)
    asked = Batch.of_histories(Jagged.from_lists([data.items.rows(["a", "b"])]))
    scores = model.score(asked)[0]
    a, b, _ = data.items.rows(["a", "b", "c"])
    assert scores[a] / scores[b] == pytest.approx(2.01 / 1.01, rel=1e-4)


def test_what_nobody_did_before_counts_as_what_is_usual():
    data, model = log(), fitted()
    asked = Batch.of_histories(Jagged.from_lists([data.items.rows(["a"])]), behaviour=1)  # a cart
    assert model.score(asked)[0, data.items.rows(["a"])[0]] == pytest.approx(3 / 8)


def test_with_one_behaviour_it_is_popularity():
    data = world([("u", "a"), ("v", "a"), ("v", "b")])
    scores = Funnel.Config().fit(data).score(data.interactions.batch(np.array([0, 1])))
    np.testing.assert_array_equal(np.argsort(-scores, axis=1), [[0, 1], [0, 1]])


def test_with_the_target_alone_nothing_is_begun():
    data, model = log(), fitted(behaviours="target")
    scores = model.score(data.interactions.batch(np.arange(4)))
    assert model.done.tolist() == [0]
    a, b, c = data.items.rows(["a", "b", "c"])
    assert (scores[:, a] == 2 * scores[:, b]).all()
    assert not scores[:, c].any()


def test_more_behaviours_than_bits_are_refused():
    names = [f"b{place}" for place in range(64)]
    with pytest.raises(ConfigError, match="at most 62"):
        Funnel.Config().fit(world([("u", "a", "b0")], behaviours=names))

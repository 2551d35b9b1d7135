"""Each rule by hand, and by trying everything on small cases."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapevine.errors import ConfigError
from grapevine.serving.engine import Asked, Filters, Pin, Rules, Weight, rules

SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=7)


def test_maximal_marginal_relevance_by_hand():
    # Half and half: after the first, its twin (0.9, similar 1) loses to the other (0.5, similar 0).
    vectors = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    chosen = rules.rearranged(
        np.array([1.0, 0.9, 0.5]), 3, similar=rules.by_vectors(vectors), diversity=0.5
    )
    assert chosen.tolist() == [0, 2, 1]


def test_without_diversity_and_calibration_the_order_is_that_of_relevance():
    assert rules.rearranged(np.array([0.1, 0.9, 0.9, 0.5]), 3).tolist() == [1, 2, 3]


@given(SHARES, st.integers(0, 2**31), st.floats(0, 1))
def test_each_choice_is_the_best_beside_those_before_it(relevance, seed, diversity):
    draw = np.random.default_rng(seed)
    value = np.array(relevance)
    vectors = draw.standard_normal((len(value), 3))
    similar = rules.by_vectors(vectors)
    chosen = rules.rearranged(value, len(value), similar=similar, diversity=diversity).tolist()
    assert sorted(chosen) == list(range(len(value)))
    for place, one in enumerate(chosen):
        before = chosen[:place]

        def worth(item, before=before):
            near = max((similar(other)[item] for other in before), default=0.0)
            return (1 - diversity) * value[item] - diversity * near

        left = set(range(len(value))) - set(before)
        assert worth(one) >= max(worth(item) for item in left) - 1e-9


def test_divergence_by_hand():
    wished, shares = np.array([0.5, 0.5]), np.array([1.0, 0.0])
    told = [0.99 * 1 + 0.01 * 0.5, 0.01 * 0.5]
    by_hand = sum(0.5 * math.log(0.5 / one) for one in told)
    assert rules.off(wished, shares) == pytest.approx(by_hand)
    assert rules.off(wished, wished) == pytest.approx(0)


def test_calibrated_lists_hold_what_the_history_held():
    """Steck's example: 70 % of one kind, 30 % of another, and scores that know the first alone."""
    codes = np.array([0] * 10 + [1] * 10)
    relevance = np.concatenate([np.linspace(1, 0.9, 10), np.linspace(0.5, 0.4, 10)])
    wished = np.array([0.7, 0.3])
    chosen = rules.rearranged(relevance, 10, codes=codes, wished=wished, calibration=0.99)
    assert (codes[chosen] == 0).sum() == 7
    plain = rules.rearranged(relevance, 10, codes=codes, wished=wished, calibration=0.0)
    assert (codes[plain] == 0).sum() == 10


@given(st.integers(0, 2**31), st.floats(0, 1))
def test_the_greedy_choice_is_near_the_best_of_all_sets(seed, calibration):
    """Steck: the aim is submodular, so that greed gives at least 1 - 1/e of it, above the least."""
    draw = np.random.default_rng(seed)
    relevance, codes = draw.random(7), draw.integers(-1, 3, 7)
    wished = draw.dirichlet(np.ones(3))

    def aim(chosen):
        shares = rules.shares_of(codes[list(chosen)], 3)
        gained = (1 - calibration) * relevance[list(chosen)].sum()
        return gained - calibration * rules.off(wished, shares)

    chosen = rules.rearranged(relevance, 3, codes=codes, wished=wished, calibration=calibration)
    every = [aim(one) for one in itertools.combinations(range(7), 3)]
    least = -calibration * math.log(1 / rules.SMOOTHED)
    assert aim(chosen) - least >= (1 - 1 / math.e) * (max(every) - least) - 1e-9


@given(st.integers(0, 2**31))
def test_each_calibrated_step_is_the_best_one(seed):
    draw = np.random.default_rng(seed)
    relevance, codes = draw.random(6), draw.integers(-1, 3, 6)
    wished = draw.dirichlet(np.ones(3)) if seed % 3 else np.array([1.0, 0.0, 0.0])
    chosen = rules.rearranged(relevance, 6, codes=codes, wished=wished, calibration=0.4).tolist()
    for place, one in enumerate(chosen):
        before = chosen[:place]

        def worth(item, before=before):
            shares = rules.shares_of(codes[[*before, item]], 3)
            return 0.6 * relevance[item] - 0.4 * rules.off(wished, shares)

        assert worth(one) >= max(worth(item) for item in set(range(6)) - set(before)) - 1e-9


@given(st.permutations(list(range(6))), st.dictionaries(st.integers(0, 8), st.integers(1, 9)))
def test_pinned_items_stand_where_they_are_pinned(rows, wanted):
    ranks = dict.fromkeys(wanted.values())
    pins = list(zip(wanted, ranks))
    found = rules.pinned(rows, pins, 6)
    others = [row for row in rows if row not in dict(pins)]
    assert [row for row in found if row not in dict(pins)] == others[: len(found)][
        : len([row for row in found if row not in dict(pins)])
    ]
    assert len(found) == len(set(found)) == min(6, len(others) + len(pins))
    for item, rank in pins:
        if rank <= len(others):
            assert found[rank - 1 : rank] == [item] or rank > 6


def test_scores_are_weighed_alike_whatever_their_sign():
    scores = np.array([3.0, 1.0, 2.0])
    up = rules.standard(scores, scores.mean(), scores.std())
    down = rules.standard(scores - 100, scores.mean() - 100, scores.std())
    np.testing.assert_allclose(up, down)
    assert rules.standard(scores, 0.0, 0.0).tolist() == [0, 0, 0]


def brute_force(served, asked):
    """The list that boosts and buries ask for, out of all items, without any shortcut."""
    side = served.sides[served.run.schema.target]
    heard = served.histories.of(asked, side.behaviour)
    scores = side.way.question(heard).whole().astype(np.float64)
    value = (scores - scores.mean()) / scores.std()
    for one in (*asked.rules.boost, *asked.rules.bury):
        value[served.catalogue.where(one.where)] += math.log(one.factor) + one.offset
    gone = served.histories.seen(heard, side.behaviour)
    value[gone] = -np.inf
    return [served.catalogue.ids[row] for row in np.argsort(-value, kind="stable")[: asked.k]]


@pytest.mark.parametrize("name", ["ease", "als", "sasrec"])
def test_boosts_and_buries_move_items_as_they_say(name, served_of):
    served = served_of(name)
    for user in ("u03", "u10", "u21"):
        wants = Rules(
            boost=(Weight(where=("category=c2",), factor=3.0),),
            bury=(Weight(where=("price>20",), factor=0.5), Weight(where=("price<5",), offset=-1)),
        )
        asked = Asked(user_id=user, k=12, rules=wants)
        assert [one.item_id for one in served.answer(asked).items] == brute_force(served, asked)


def test_strangers_are_shown_by_the_same_rules(served_of):
    served = served_of("als")
    lifted = Rules(boost=(Weight(where=("category=c3",), offset=50.0),), diversity=0.2)
    answer = served.answer(Asked(user_id="nobody", k=5, rules=lifted))
    assert answer.fallback == "popular"
    assert {served.catalogue.categories[c] for c in codes(served, answer)} == {"c3"}


def test_a_strong_boost_comes_first_though_nothing_else_speaks_for_it(served_of):
    served = served_of("als")
    lifted = Rules(boost=(Weight(where=("category=c3",), offset=50.0),))
    answer = served.answer(Asked(user_id="u00", k=5, rules=lifted))
    assert {served.catalogue.categories[c] for c in codes(served, answer)} == {"c3"}


def codes(served, answer):
    rows = served.catalogue.rows(one.item_id for one in answer.items)
    return served.catalogue.category[rows].tolist()


@pytest.mark.parametrize("name", ["sasrec", "ease"])
def test_diversity_spreads_a_list_and_keeps_its_first(name, served_of):
    """EASE has no vectors, so that items of one category are alike."""
    served = served_of(name)
    plain = served.answer(Asked(user_id="u05", k=6))
    spread = served.answer(Asked(user_id="u05", k=6, rules=Rules(diversity=0.9)))
    assert spread.items[0].item_id == plain.items[0].item_id
    assert len({*codes(served, spread)}) >= len({*codes(served, plain)})
    assert [one.rank for one in spread.items] == [1, 2, 3, 4, 5, 6]


def test_calibration_brings_the_categories_of_the_history(served_of):
    served = served_of("als")
    side = served.sides["buy"]
    for user in ("u01", "u14"):
        asked = Asked(user_id=user, k=10, rules=Rules(calibration=0.99))
        heard = served.histories.of(asked, side.behaviour)
        wished = rules.shares_of(served.catalogue.category[heard.items], 4)

        def away(answer, wished=wished):
            return rules.off(wished, rules.shares_of(np.array(codes(served, answer)), 4))

        plain = served.answer(Asked(user_id=user, k=10))
        assert away(served.answer(asked)) <= away(plain) + 1e-9


def test_pins_stand_at_their_ranks_and_give_way_to_filters(served_of):
    served = served_of("ease")
    pinned = Rules(pin=(Pin("i30", 1), Pin("i31", 3)))
    ids = [one.item_id for one in served.answer(Asked(user_id="u02", rules=pinned)).items]
    assert (ids[0], ids[2], len(ids)) == ("i30", "i31", 10)
    no_stock = Asked(user_id="u02", rules=pinned, filters=Filters(in_stock=True))
    assert "i30" not in [one.item_id for one in served.answer(no_stock).items]


def test_what_was_shown_often_is_not_shown_again(served_of):
    served = served_of("markov")
    first = served.answer(Asked(user_id="u02")).items
    shown = {first[0].item_id: 3, first[1].item_id: 2}
    again = served.answer(Asked(user_id="u02", rules=Rules(most_shown=3), shown=shown)).items
    assert first[0].item_id not in [one.item_id for one in again]
    assert again[0].item_id == first[1].item_id


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Rules(diversity=1.5), "diversity lies between 0 and 1"),
        (lambda: Rules(pin=(Pin("a", 1), Pin("b", 1))), "pinned to the ranks"),
        (lambda: Rules(pin=(Pin("a", 0),)), "pinned to the ranks"),
        (lambda: Weight(where=("a=b",), factor=0), "weigh nothing"),
        (lambda: Weight(where=("a=b",), offset=math.nan), "weigh nothing"),
        (lambda: Rules(boost=(Weight(where=(), factor=0.5),)), "would lower"),
        (lambda: Rules(bury=(Weight(where=(), factor=2),)), "would lift"),
        (lambda: Rules(most_shown=0), "never shown"),
        (lambda: Asked(k=0), "k lies between"),
        (lambda: Asked(item_id="a", user_id="b"), "same for everybody"),
    ],
)
def test_rules_that_cannot_be_are_refused(make, said):
    with pytest.raises(ConfigError, match=said):
        make()

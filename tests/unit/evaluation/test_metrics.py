import math

import ir_measures
import numpy as np
import pytest
from ir_measures import AP, RR, P, R, Success, nDCG

from grapevine.evaluation import metrics
from grapevine.structs import Jagged


def ranks(*lists):
    return Jagged.from_lists(lists, np.float64)


def test_gain_by_rank():
    one_each = ranks([1], [2], [3], [4], [5], [10], [11], [math.inf])
    expected = [1, 0.630930, 0.5, 0.430677, 0.386853, 0.289065, 0, 0]
    np.testing.assert_allclose(metrics.ndcg(one_each, 10), expected, atol=5e-7)


def test_two_hits_by_hand():
    # Relevance (1, 0, 1, 0, 0): gain 1 + 1/2, of the best 1 + 1/log2(3).
    hits = ranks([1, 3])
    assert metrics.ndcg(hits, 5)[0] == pytest.approx(1.5 / (1 + 1 / math.log2(3)))
    assert metrics.ndcg(hits, 5)[0] == pytest.approx(0.919721, abs=5e-7)
    assert metrics.average_precision(hits, 5)[0] == pytest.approx((1 + 2 / 3) / 2)
    assert metrics.average_precision(hits, 5)[0] == pytest.approx(0.833333, abs=5e-7)
    assert metrics.precision(hits, 5)[0] == 2 / 5
    assert metrics.recall(hits, 2)[0] == 1 / 2
    assert metrics.hr(hits, 2)[0] == 1
    assert metrics.mrr(hits)[0] == 1


def test_recall_and_its_capped_kin():
    many = ranks([1, 2, 30, 40, 50])
    assert metrics.recall(many, 2)[0] == 2 / 5
    assert metrics.recall_capped(many, 2)[0] == 1
    assert metrics.average_precision(many, 2)[0] == 1
    assert metrics.ndcg(many, 2)[0] == 1


def test_reciprocal_rank_with_and_without_a_cut():
    one = ranks([11], [4, 20], [math.inf])
    np.testing.assert_array_equal(metrics.mrr(one), [1 / 11, 1 / 4, 0])
    np.testing.assert_array_equal(metrics.mrr(one, 10), [0, 1 / 4, 0])


def test_scaled_reciprocal_rank():
    np.testing.assert_array_equal(
        metrics.scaled_mrr(ranks([1, 100, 101, 250])), [(1 + 1 + 0.5 + 1 / 3) / 4]
    )


def test_a_half_place_is_between_its_neighbours():
    assert metrics.ndcg(ranks([1.5]), 10)[0] == pytest.approx(1 / math.log2(2.5))
    assert metrics.hr(ranks([10.5]), 10)[0] == 0


def test_auc_by_hand():
    # Five candidates, targets at 1 and 4: of 2 x 3 pairs the second target loses two.
    assert metrics.auc(ranks([1, 4]), np.array([5], np.int32))[0] == pytest.approx(4 / 6)
    # A missed target loses to all three others.
    assert metrics.auc(ranks([1, math.inf]), np.array([4], np.int32))[0] == pytest.approx(1 / 2)
    assert math.isnan(metrics.auc(ranks([1]), np.array([1], np.int32))[0])


@pytest.mark.parametrize("name", metrics.CUT)
def test_a_perfect_list_is_worth_one_and_an_empty_question_nothing(name):
    k = 3
    values = metrics.CUT[name](ranks([1, 2, 3], [], [4, 5]), k)
    assert values[0] == pytest.approx(1)
    assert math.isnan(values[1])
    assert values[2] == 0


def independent(lists, scores, measures):
    qrels = [ir_measures.Qrel(str(q), str(i), 1) for q, items in enumerate(lists) for i in items]
    run = [
        ir_measures.ScoredDoc(str(q), str(i), float(score))
        for q, row in enumerate(scores)
        for i, score in enumerate(row)
    ]
    found = {measure: np.full(len(lists), np.nan) for measure in measures}
    for value in ir_measures.iter_calc(measures, qrels, run):
        found[value.measure][int(value.query_id)] = value.value
    return found


def test_an_independent_implementation_agrees():
    rng = np.random.default_rng(7)
    queries, items, k = 40, 60, 10
    lists = [rng.choice(items, rng.integers(1, 15), replace=False) for _ in range(queries)]
    # Whole numbers, since the other implementation rounds scores; all different within a row.
    scores = np.stack([rng.permutation(items) for _ in range(queries)])
    places = items - scores
    mine = ranks(*[np.sort(row[one]) for row, one in zip(places, lists, strict=True)])
    theirs = independent(lists, scores, [nDCG @ k, R @ k, P @ k, Success @ k, RR, RR @ k, AP])
    relevant = np.array([len(one) for one in lists])
    pairs = [
        (metrics.ndcg(mine, k), nDCG @ k),
        (metrics.recall(mine, k), R @ k),
        (metrics.recall_capped(mine, k) * np.minimum(k, relevant) / relevant, R @ k),
        (metrics.precision(mine, k), P @ k),
        (metrics.hr(mine, k), Success @ k),
        (metrics.mrr(mine), RR),
        (metrics.mrr(mine, k), RR @ k),
        (metrics.average_precision(mine, items), AP),
    ]
    for values, measure in pairs:
        np.testing.assert_allclose(values, theirs[measure], atol=1e-12, err_msg=str(measure))


def test_auc_is_the_share_of_pairs_won():
    rng = np.random.default_rng(3)
    for _ in range(50):
        scores = rng.integers(0, 5, 12).astype(float)
        wanted = rng.choice(12, 4, replace=False)
        others = np.delete(scores, wanted)
        won = (scores[wanted][:, None] > others).mean() + (
            scores[wanted][:, None] == others
        ).mean() / 2
        places = [1 + (scores > s).sum() + ((scores == s).sum() - 1) / 2 for s in scores[wanted]]
        found = metrics.auc(ranks(sorted(places)), np.array([12], np.int32))
        assert found[0] == pytest.approx(won, abs=1e-12)

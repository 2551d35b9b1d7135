import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapevine.graph.incremental import update
from grapevine.graph.neighbourhoods import importance_table

WALKS = {"walks": 8, "length": 3, "restart": 0.3, "seed": 5}


def same(one, other) -> None:
    np.testing.assert_array_equal(one.nodes, other.nodes)
    np.testing.assert_array_equal(one.weights, other.weights)


@pytest.mark.parametrize("weighted", [False, True])
@given(
    seed=st.integers(0, 10**6),
    changes=st.integers(0, 3),
    more=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    most_degree=st.sampled_from([0, 3]),
)
def test_an_update_is_a_rebuild(made, weighted, seed, changes, more, most_degree):
    rng = np.random.default_rng(seed)
    before = rng.uniform(0.5, 2, (25, 20)) * (rng.random((25, 20)) < 0.08)
    after = np.pad(before, [(0, more[0]), (0, more[1])])
    for _ in range(changes):
        place = rng.integers(after.shape[0]), rng.integers(after.shape[1])
        after[place] = rng.choice([0, 1, 3])
    old, new = made(before, weighted=weighted), made(after, weighted=weighted)
    options = WALKS | {"most_degree": most_degree}
    table, touched = update(importance_table(old, width=4, **options), old, new, **options)
    same(table, importance_table(new, width=4, **options))
    if changes == 0:
        assert (touched >= 25).all()


def test_a_change_stays_in_its_cluster(made):
    # 50 clusters of 6 items and 4 contexts, and nothing between them.
    rng = np.random.default_rng(0)
    before = np.zeros((300, 200))
    for cluster in range(50):
        part = before[6 * cluster : 6 * cluster + 6, 4 * cluster : 4 * cluster + 4]
        part[:] = rng.random((6, 4)) < 0.6
    after = before.copy()
    after[6:12, 4:8] = 1
    old, new = made(before), made(after)
    table, touched = update(importance_table(old, **WALKS), old, new, **WALKS)
    same(table, importance_table(new, **WALKS))
    assert set(touched.tolist()) <= set(range(6, 12))


def test_a_change_reaches_as_far_as_walks_do_and_no_further(made):
    # A chain: item n has contexts n and n + 1. A change at its end reaches `length` items back.
    before = np.eye(20, 21) + np.eye(20, 21, 1)
    after = before.copy()
    after[19, 5:] = after[19, 5:] * 0
    old, new = made(before), made(after)
    _, touched = update(importance_table(old, **WALKS), old, new, **WALKS)
    assert touched.tolist() == [16, 17, 18, 19]


def test_what_is_not_an_update_is_refused(made):
    old = made(np.eye(3))
    table = importance_table(old, **WALKS)
    with pytest.raises(ValueError, match="may come, but not go"):
        update(table, old, made(np.eye(2)), **WALKS)
    with pytest.raises(ValueError, match="3 rows for 2 items"):
        update(table, made(np.eye(2)), old, **WALKS)

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapevine.core.kernels.rescore import rescore
from grapevine.random import stream


@given(st.integers(0, 10**6), st.integers(1, 700), st.integers(1, 12), st.integers(1, 15))
def test_it_sorts_the_candidates_by_their_products(seed, asked, candidates, k):
    draw = stream(seed, "rescore")
    # Whole numbers: products are exact, and many are equal.
    vectors = draw.integers(-2, 3, (30, 3)).astype(np.float32)
    queries = draw.integers(-2, 3, (asked, 3)).astype(np.float32)
    rows = np.array([draw.permutation(31)[:candidates] - 1 for _ in range(asked)])
    found = rescore(queries, vectors, rows, k, threads=1)
    scores = np.where(rows >= 0, np.einsum("qw,qmw->qm", queries, vectors[rows]), -np.inf)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(scores, order, axis=1)
    width = best.shape[1]
    assert (found.scores[:, :width] == best).all()
    expected = np.where(best > -np.inf, np.take_along_axis(rows, order, axis=1), -1)
    assert (found.items[:, :width] == expected).all()
    assert (found.items[:, width:] == -1).all()
    threaded = rescore(queries, vectors, rows, k, threads=3)
    assert (threaded.items == found.items).all()


def test_rows_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"\[-1, 2\)"):
        rescore(np.ones((1, 2), "f4"), np.ones((2, 2), "f4"), np.array([[2]]), 1)

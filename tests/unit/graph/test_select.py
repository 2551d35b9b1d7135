import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from grapevine.graph.select import best, key_of, row_of, score_of


@given(st.lists(st.tuples(st.sampled_from([0.0, 1e-30, 0.5, 0.75, 3.0]), st.integers(0, 50))),
       st.integers(1, 20))  # fmt: skip
def test_best_sorts_by_score_then_row(pairs, most):
    keys = np.array([key_of(np.float32(score), row) for score, row in pairs], np.uint64)
    kept = best(keys, len(keys), most)
    got = [(score_of(key), row_of(key)) for key in keys[:kept]]
    wanted = sorted(((np.float32(s), r) for s, r in pairs), key=lambda pair: (-pair[0], pair[1]))
    assert got == wanted[:most]

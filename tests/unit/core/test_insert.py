import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from grapevine.core.kernels.insert import insert


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 5), max_size=12), st.integers(1, 5), st.booleans())
def test_what_is_kept_is_the_best_and_of_equals_the_first(came, k, grows):
    items, scores = np.full(k, -1, np.int32), np.full(k, -np.inf, np.float32)
    for item, score in enumerate(came):
        if score > scores[-1]:
            # A list that is not full yet has nothing to look at beyond what came.
            insert(items, scores, item, np.float32(score), min(item, k - 1) if grows else k - 1)
    wanted = sorted(range(len(came)), key=lambda item: (-came[item], item))[:k]
    assert items.tolist() == wanted + [-1] * (k - len(wanted))
    assert scores[: len(wanted)].tolist() == [came[item] for item in wanted]

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapevine.index.wand import Postings
from grapevine.random import stream
from grapevine.structs import Jagged


def test_by_hand():
    # Token 0 in rows 0, 2; token 1 in rows 1, 2; token 2 nowhere.
    postings = Postings.weighted(
        Jagged.from_lists([[0, 2], [1, 2], []]), np.array([1, 2, 4, 0.5], np.float32), 3
    )
    assert postings.bounds.tolist() == [2, 4, 0]
    found, _ = postings.search(np.array([[0, 1, 2]], np.int32), 3)
    assert found.items.tolist() == [[1, 2, 0]]  # 4; 2 + 0.5; 1
    assert found.scores.tolist() == [[4, 2.5, 1]]
    found, scored = postings.search(np.array([[2]], np.int32), 2)
    assert (found.items.tolist(), scored.tolist()) == ([[-1, -1]], [0])


def drawn(seed, rows, tokens, most):
    """Posting lists of random length, weights of which many are equal."""
    draw = stream(seed, "postings", rows, tokens)
    lists = [np.sort(draw.permutation(rows)[: draw.integers(0, most)]) for _ in range(tokens)]
    jagged = Jagged.from_lists(lists)
    weights = draw.integers(1, 5, len(jagged.values)) / np.float32(3)
    return Postings.weighted(jagged, weights.astype(np.float32), rows), draw


@given(st.integers(0, 10**6), st.integers(1, 80), st.integers(1, 12), st.integers(1, 20))
def test_it_returns_what_scoring_everything_returns(seed, rows, tokens, k):
    postings, draw = drawn(seed, rows, tokens, rows + 1)
    asked = np.array([draw.permutation(tokens)[: max(1, tokens // 2)] for _ in range(5)], np.int32)
    found, scored = postings.search(asked, k)
    truth = postings.search_all(asked, k)
    assert found.items.tolist() == truth.items.tolist()
    assert found.scores.tolist() == truth.scores.tolist()
    assert (scored <= rows).all()


def test_most_rows_that_share_a_token_are_never_scored():
    draw = stream(3, "tokens")
    # 20,000 rows, 16 lists of 64 tokens each; queries are rows with a few tokens changed.
    tokens = (draw.integers(0, 64, (20_000, 16)) + 64 * np.arange(16)).astype(np.int32)
    postings = Postings.of(tokens, 64 * 16)
    asked = tokens[:20].copy()
    asked[:, :4] = tokens[100:120, :4]
    found, scored = postings.search(asked, 1)
    assert found.items[:, 0].tolist() == list(range(20))
    sharing = [(tokens == one).any(1).sum() for one in asked]
    assert scored.sum() < 0.5 * np.sum(sharing)


def test_rare_tokens_count_for_more():
    tokens = np.array([[0, 2], [0, 3], [0, 4], [1, 4]], np.int32)
    postings = Postings.of(tokens, 5)
    assert postings.bounds[1] > postings.bounds[4] > postings.bounds[0]
    assert postings.bounds[0] == pytest.approx(np.log1p(4 / 3))


def test_what_compiled_code_would_read_out_of_bounds_is_refused():
    lists = Jagged.from_lists([[0, 5]])
    weights = np.ones(2, np.float32)
    with pytest.raises(ValueError, match=r"\[0, 3\)"):
        Postings.weighted(lists, weights, 3)
    with pytest.raises(ValueError, match="positive"):
        Postings.weighted(lists, weights - 1, 6)
    with pytest.raises(ValueError, match=r"\[0, 1\)"):
        Postings.weighted(lists, weights, 6).search(np.array([[1]], np.int32), 1)
    with pytest.raises(ValueError, match="at least 1: got 0"):
        Postings.weighted(lists, weights, 6).search(np.array([[0]], np.int32), 0)

"""The fast kernel places targets exactly as the plain way does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grapevine.core.kernels import pieces
from grapevine.core.kernels.rank import CHUNK, rank_targets
from grapevine.core.topk import rank_targets_reference
from grapevine.errors import CheckFailed
from grapevine.structs import Jagged, Products

KERNELS = {"reference": rank_targets_reference, "numba": rank_targets}
NOTHING = Jagged.from_lists([[]])


def same(one, other):
    for name in ("greater", "equal", "num_candidates"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    np.testing.assert_array_equal(one.best.items, other.best.items)
    np.testing.assert_array_equal(one.best.scores, other.best.scores)


def world(seed, queries=5, items=40, *, levels=6, targets=4, seen=6):
    rng = np.random.default_rng(seed)
    scores = rng.integers(-levels, levels, (queries, items)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.1] = -np.inf
    wanted = [
        rng.choice(items, rng.integers(0, targets + 1), replace=False) for _ in range(queries)
    ]
    for part in wanted:
        part[rng.random(len(part)) < 0.2] = -1
    met = [rng.integers(0, items, rng.integers(0, seen + 1)) for _ in range(queries)]
    return scores, Jagged.from_lists(wanted), Jagged.from_lists(met)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    items=st.integers(1, 60),
    levels=st.integers(1, 8),
    k=st.integers(0, 70),
    masked=st.booleans(),
    threads=st.integers(1, 5),
)
def test_kernel_equals_the_reference(seed, items, levels, k, masked, threads):
    scores, targets, seen = world(seed, items=items, levels=levels, targets=min(4, items))
    mask = np.random.default_rng(seed).random(items) < 0.5 if masked else None
    fast = rank_targets(scores, targets, seen, k=k, mask=mask, threads=threads)
    same(fast, rank_targets_reference(scores, targets, seen, k=k, mask=mask))


def test_a_row_longer_than_a_chunk():
    scores, targets, seen = world(
        3, queries=7, items=2 * CHUNK + 17, levels=300, targets=30, seen=9
    )
    for threads in (1, 3):
        same(
            rank_targets(scores, targets, seen, k=12, threads=threads),
            rank_targets_reference(scores, targets, seen, k=12),
        )


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
def test_by_hand(kernel):
    scores = np.array([[0.5, 0.9, 0.5, 0.1, 0.5, 0.7]], np.float32)
    targets = Jagged.from_lists([[2, 5, 1, -1]])
    placed = kernel(scores, targets, Jagged.from_lists([[1]]), k=4)
    # Item 1 was seen: it is no competitor, and as a target it is missed.
    assert placed.greater.tolist() == [1, 0, -1, -1]
    assert placed.equal.tolist() == [2, 0, 0, 0]
    assert placed.num_candidates.tolist() == [5]
    assert placed.best.items.tolist() == [[5, 0, 2, 4]]


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
def test_a_target_competes_although_the_mask_leaves_it_out(kernel):
    scores = np.array([[3.0, 2.0, 1.0]], np.float32)
    mask = np.array([False, True, True])
    placed = kernel(scores, Jagged.from_lists([[0]]), NOTHING, k=3, mask=mask)
    assert placed.greater.tolist() == [0]
    assert placed.best.items.tolist() == [[0, 1, 2]]
    without = kernel(scores, Jagged.from_lists([[2]]), NOTHING, k=3, mask=mask)
    assert without.best.items.tolist() == [[1, 2, -1]]
    assert without.best.scores[0, 2] == -np.inf


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
def test_what_scores_minus_infinity_is_never_shown_and_never_found(kernel):
    scores = np.array([[-np.inf, 1.0, -np.inf]], np.float32)
    placed = kernel(scores, Jagged.from_lists([[0, 1]]), NOTHING, k=2)
    assert placed.greater.tolist() == [-1, 0]
    assert placed.best.items.tolist() == [[1, -1]]


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
def test_a_nan_names_the_model_and_the_query(kernel):
    scores = np.zeros((3, 4), np.float32)
    scores[2, 1] = np.nan
    empty = Jagged.from_lists([[], [], []])
    with pytest.raises(CheckFailed, match=r"ease: the score of item row 1 for query 12 is not"):
        kernel(scores, empty, empty, k=2, name="ease", first=10)


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
def test_rows_that_do_not_fit_are_refused(kernel):
    scores = np.zeros((1, 4), np.float32)
    with pytest.raises(ValueError, match=r"targets must lie in \[-1, 4\): got -1 .. 4"):
        kernel(scores, Jagged.from_lists([[-1, 4]]), NOTHING, k=1)
    with pytest.raises(ValueError, match=r"seen must lie in \[0, 4\): got -1 .. -1"):
        kernel(scores, NOTHING, Jagged.from_lists([[-1]]), k=1)
    with pytest.raises(ValueError, match="2 lists of targets for 1 rows"):
        kernel(scores, Jagged.from_lists([[0], [1]]), NOTHING, k=1)


def test_any_layout_of_the_scores_is_read_and_none_is_written():
    scores, targets, seen = world(11)
    expected = rank_targets_reference(scores, targets, seen, k=5)
    wide = np.zeros((10, 120), np.float32)
    wide[::2, ::3] = scores
    for layout in (np.asfortranarray(scores), wide[::2, ::3]):
        before = layout.copy()
        same(rank_targets(layout, targets, seen, k=5), expected)
        np.testing.assert_array_equal(layout, before)
    one = np.broadcast_to(scores[0], scores.shape)
    same(
        rank_targets(one, targets, seen, k=5),
        rank_targets_reference(np.array(one), targets, seen, k=5),
    )


def test_relabelling_the_items_relabels_the_result():
    rng = np.random.default_rng(5)
    scores = rng.permuted(np.tile(np.arange(30, dtype=np.float32), (6, 1)), axis=1)  # no ties
    targets = Jagged.from_lists([rng.choice(30, 3, replace=False) for _ in range(6)])
    seen = Jagged.from_lists([rng.choice(30, 5) for _ in range(6)])
    order = rng.permutation(30)
    place = np.argsort(order).astype(np.int32)
    before = rank_targets(scores, targets, seen, k=8)
    after = rank_targets(
        scores[:, order],
        Jagged(targets.offsets, place[targets.values]),
        Jagged(seen.offsets, place[seen.values]),
        k=8,
    )
    np.testing.assert_array_equal(after.greater, before.greater)
    np.testing.assert_array_equal(after.best.items, place[before.best.items])


def test_an_empty_block():
    placed = rank_targets(
        np.zeros((0, 5), np.float32), Jagged.from_lists([]), Jagged.from_lists([]), k=3
    )
    assert placed.best.items.shape == (0, 3)


def test_the_bits_of_a_product_do_not_depend_on_threads():
    rng = np.random.default_rng(3)
    products = Products(
        rng.standard_normal((300, 33), dtype=np.float32),
        rng.standard_normal((1003, 33), dtype=np.float32),
    )
    targets = Jagged.from_lists(rng.integers(0, 1003, (300, 1)).tolist())
    seen = Jagged.from_lists([[]] * 300)
    one = rank_targets(products, targets, seen, k=10, threads=1)
    for threads in (2, 3, 16):
        same(one, rank_targets(products, targets, seen, k=10, threads=threads))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("rows", [1, 3, 100])
def test_products_are_ranked_as_the_scores_they_make(monkeypatch, threads, rows):
    _, targets, seen = world(7, queries=23, items=50)
    # Whole numbers, so that no order of summing changes a score, and many of them tie.
    rng = np.random.default_rng(7)
    products = Products(
        rng.integers(-3, 3, (23, 5)).astype(np.float32),
        rng.integers(-3, 3, (50, 5)).astype(np.float32),
    )
    monkeypatch.setattr(pieces, "PIECE_QUERIES", rows)
    monkeypatch.setattr(pieces, "TILE_ITEMS", 7 * rows)
    fast = rank_targets(products, targets, seen, k=7, threads=threads)
    same(fast, rank_targets_reference(products, targets, seen, k=7))
    same(fast, rank_targets(np.asarray(products), targets, seen, k=7))

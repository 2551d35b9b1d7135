import numba
import numpy as np
import pytest

from grapevine.graph.als import fold_in, half_sweep, solve_rows, whiten
from grapevine.structs.jagged import Jagged

RIDGE = 0.3


@pytest.fixture(scope="module")
def problem():
    """70 rows that took 0 to 25 of 40 others, and factors of width 6."""
    rng = np.random.default_rng(4)
    taken = [np.sort(rng.permutation(40)[: rng.integers(0, 26)]) for _ in range(70)]
    return Jagged.from_lists(taken), rng.normal(0, 0.5, (40, 6)).astype(np.float32)


def exact(taken, y_MD, confidence):
    """Equation 4 of the paper, solved densely in float64."""
    y = y_MD.astype(np.float64)
    gram = y.T @ y + RIDGE * np.eye(y.shape[1])
    return np.array(
        [
            np.linalg.solve(
                gram + (confidence - 1) * y[row].T @ y[row], confidence * y[row].sum(axis=0)
            )
            for row in taken
        ]
    )


def half(taken, x_ND, y_MD, confidence, steps):
    return half_sweep(taken, x_ND, y_MD, confidence=confidence, regularization=RIDGE, steps=steps)


def test_whitening_by_its_definition(problem):
    _, y_MD = problem
    z_MD, lower_DD = whiten(y_MD, RIDGE)
    np.testing.assert_allclose(
        lower_DD @ lower_DD.T, y_MD.T @ y_MD + RIDGE * np.eye(6), rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(z_MD @ lower_DD.T, y_MD, atol=1e-5)
    # What makes the conditioning: Z'Z < I.
    assert np.linalg.eigvalsh(z_MD.T @ z_MD).max() < 1


@pytest.mark.parametrize("confidence", [0.5, 1.0, 10.0, 40.0])
def test_as_many_steps_as_columns_give_the_exact_solution(problem, confidence):
    taken, y_MD = problem
    start = np.random.default_rng(1).normal(size=(70, 6)).astype(np.float32)
    found = half(taken, start, y_MD, confidence, steps=20)
    np.testing.assert_allclose(found, exact(taken, y_MD, confidence), atol=1e-4)


def test_one_step_is_exact_where_all_pairs_weigh_the_same(problem):
    taken, y_MD = problem
    found = half(taken, np.zeros((70, 6), np.float32), y_MD, 1.0, steps=1)
    np.testing.assert_allclose(found, exact(taken, y_MD, 1.0), atol=1e-5)


def test_three_steps_come_closer_than_one(problem):
    taken, y_MD = problem
    wanted = exact(taken, y_MD, 10.0)
    errors = [
        np.abs(half(taken, np.zeros((70, 6), np.float32), y_MD, 10.0, steps) - wanted).max()
        for steps in (1, 3, 6)
    ]
    assert errors[0] > 4 * errors[1] > 16 * errors[2]


def test_folding_in_gives_the_scores_of_the_exact_solution(problem):
    taken, y_MD = problem
    z_MD, _ = whiten(y_MD, RIDGE)
    scores = fold_in(taken, z_MD, confidence=40.0) @ z_MD.T
    np.testing.assert_allclose(scores, exact(taken, y_MD, 40.0) @ y_MD.T, atol=2e-5)


def test_a_row_that_took_nothing_goes_to_zero(problem):
    _, y_MD = problem
    start = np.ones((2, 6), np.float32)
    found = half(Jagged.from_lists([[], []]), start, y_MD, 10.0, steps=3)
    np.testing.assert_allclose(found, 0, atol=1e-5)


@pytest.mark.usefixtures("all_threads")
def test_the_number_of_threads_changes_no_bit(problem):
    taken, y_MD = problem
    z_MD, _ = whiten(y_MD, RIDGE)
    threads = numba.get_num_threads()
    found = []
    for count in (1, threads):
        numba.set_num_threads(count)
        w_ND = np.zeros((70, 6), np.float32)
        solve_rows(taken.offsets, taken.values, z_MD, np.float32(10), w_ND, 3)
        found.append(w_ND)
    numba.set_num_threads(threads)
    np.testing.assert_array_equal(*found)

import numba
import numpy as np
import pytest

from grapevine.graph.sort import sort_events


def slow(users: list, times: list, keys: list, order: list) -> tuple[list[int], list[bool]]:
    rows = sorted(range(len(users)), key=lambda row: (users[row], times[row], order[row]))
    seen: set[tuple] = set()
    repeated = []
    for row in rows:
        repeated.append((users[row], times[row], keys[row]) in seen)
        seen.add((users[row], times[row], keys[row]))
    return rows, repeated


@pytest.mark.parametrize("spread", [1, 5, 1000])
@pytest.mark.parametrize("with_order", [False, True])
def test_sorting_equals_the_slow_reference(spread: int, with_order: bool):
    generator = np.random.default_rng(spread)
    users = generator.integers(0, 30, 2000).astype(np.int32)
    times, keys = generator.integers(0, spread, 2000), generator.integers(0, 20, 2000)
    order = generator.integers(0, 4, 2000) if with_order else np.zeros(2000, np.int64)
    out = sort_events(users, times, keys, 33, order=order if with_order else None)
    rows, repeated = slow(users.tolist(), times.tolist(), keys.tolist(), order.tolist())
    assert out.rows.tolist() == rows
    assert out.repeated.tolist() == repeated
    assert np.array_equal(out.times, times[rows])
    assert np.array_equal(out.keys, keys[rows])
    assert np.array_equal(np.diff(out.offsets), np.bincount(users, minlength=33))
    assert np.array_equal(out.users(0, 2000), np.sort(users))
    assert np.array_equal(out.users(700, 777), np.sort(users)[700:777])
    kept = [(users[row], times[row]) for row, again in zip(rows, repeated) if not again]
    assert out.ties == sum(one == next_one for one, next_one in zip(kept, kept[1:]))  # noqa: RUF007


def test_counts_by_hand():
    # User 0: at 5, 3, 4, 4: one is earlier than the one before it (3), and one time comes twice.
    out = sort_events(
        np.array([0, 1, 0, 0, 0], np.int32),
        np.array([5, 9, 3, 4, 4]),
        np.array([1, 1, 1, 2, 2]),
        2,
    )
    assert out.rows.tolist() == [2, 3, 4, 0, 1]
    assert out.repeated.tolist() == [False, False, True, False, False]
    assert (out.out_of_order, out.ties) == (1, 0)


def test_a_second_part_of_the_key_tells_events_apart():
    users, times, keys = np.zeros(3, np.int32), np.zeros(3, np.int64), np.full(3, 7)
    out = sort_events(users, times, keys, 1, also=np.array([1, 2, 1]))
    assert out.repeated.tolist() == [False, False, True]
    assert out.keys.tolist() == [7, 7, 7]


@pytest.mark.usefixtures("all_threads")
def test_the_number_of_threads_changes_nothing():
    generator = np.random.default_rng(3)
    users = generator.integers(0, 500, 20_000).astype(np.int32)
    times, keys = generator.integers(0, 50, 20_000), generator.integers(0, 9, 20_000)
    before = numba.get_num_threads()
    results = []
    for threads in (1, before):
        numba.set_num_threads(threads)
        results.append(sort_events(users, times, keys, 500))
    numba.set_num_threads(before)
    one, many = results
    assert np.array_equal(one.rows, many.rows)
    assert np.array_equal(one.repeated, many.repeated)
    assert (one.out_of_order, one.ties) == (many.out_of_order, many.ties)

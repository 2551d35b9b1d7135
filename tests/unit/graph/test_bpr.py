import numba
import numpy as np
import pytest

from grapevine.graph.bpr import _deal, epoch, num_blocks
from grapevine.structs.jagged import Jagged


def pairs(num_users, num_items, seed=0):
    rng = np.random.default_rng(seed)
    return Jagged.from_lists(
        [np.sort(rng.permutation(num_items)[: rng.integers(1, 12)]) for _ in range(num_users)]
    )


def start(num_users, num_items, width=5):
    rng = np.random.default_rng(1)
    users = rng.normal(0, 0.1, (num_users, width)).astype(np.float32)
    items = rng.normal(0, 0.1, (num_items, width)).astype(np.float32)
    return users, items, np.zeros(num_items, np.float32)


def run(taken, arrays, epochs=1, rate=0.05, ridge=0.01):
    for key in range(epochs):
        epoch(taken, *arrays, key=np.uint64(key), learning_rate=rate, regularization=ridge)
    return arrays


def test_dealing_keeps_every_pair_in_the_cell_of_its_user_and_item():
    taken, blocks = pairs(300, 200), 4
    starts, users, items = _deal(taken.offsets, taken.values, 200, np.uint64(7), blocks)
    wanted = np.repeat(np.arange(300), taken.lengths) * 200 + taken.values
    np.testing.assert_array_equal(np.sort(users * 200 + items), wanted)
    assert starts[0] == 0
    assert starts[-1] == len(wanted)
    cells = [slice(starts[cell], starts[cell + 1]) for cell in range(blocks * blocks)]
    for rows, of_cell in ((users, lambda c: c % blocks), (items, lambda c: c // blocks)):
        block_of = {}
        for cell, part in enumerate(cells):
            for row in rows[part]:
                assert block_of.setdefault(row, of_cell(cell)) == of_cell(cell)


def test_one_step_by_hand():
    # One user with item 0 and another with item 1: each step is (own, other) or left out.
    taken = Jagged.from_lists([[0]])
    users, items, bias = np.array([[1.0]], "f4"), np.array([[0.5], [0.2]], "f4"), np.zeros(2, "f4")
    # A single pair meets itself as the other item, which the user holds: left out.
    run(taken, (users, items, bias))
    assert users[0, 0] == 1.0
    assert bias.tolist() == [0, 0]


def test_a_step_climbs_the_published_gradient():
    # User 0 took 0, user 1 took 1; with ridge 0 and a tiny rate the sum of steps of an epoch is
    # rate * n * gradient, where n_u counts the steps of user u that were not left out.
    taken = Jagged.from_lists([[0], [1]])
    users, items, bias = start(2, 2, 3)
    before = users.copy(), items.copy()
    run(taken, (users, items, bias), epochs=1, rate=1e-3, ridge=0.0)
    apart = before[1][0] - before[1][1]
    for user, sign in ((0, 1), (1, -1)):
        pull = 1 / (1 + np.exp(sign * before[0][user] @ apart))
        steps = (users[user] - before[0][user]) / (1e-3 * pull * sign * apart)
        np.testing.assert_allclose(steps, np.round(steps.mean()), atol=0.02)
    np.testing.assert_allclose(items[0] - before[1][0], -(items[1] - before[1][1]), atol=1e-7)
    np.testing.assert_allclose(bias[0], -bias[1])


def test_pairs_come_apart_epoch_by_epoch():
    taken = Jagged.from_lists([range(user % 2, 24, 2) for user in range(24)])
    arrays = start(24, 24)
    losses = []
    for _ in range(4):
        users, items, bias = run(taken, arrays, epochs=20)
        scores = users @ items.T + bias
        own = (np.arange(24)[:, None] + np.arange(24)) % 2 == 0
        gap = scores[own].reshape(24, -1).mean(1) - scores[~own].reshape(24, -1).mean(1)
        losses.append(np.log1p(np.exp(-gap)).mean())
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.2


@pytest.mark.parametrize(("users", "items", "blocks"), [(3, 5, 1), (128, 900, 2), (9999, 9999, 16)])
def test_blocks_follow_the_data_alone(users, items, blocks):
    assert num_blocks(users, items) == blocks


@pytest.mark.usefixtures("all_threads")
def test_the_number_of_threads_changes_no_bit():
    taken = pairs(400, 300)
    assert num_blocks(400, 300) > 1
    threads = numba.get_num_threads()
    found = []
    for count in (1, threads):
        numba.set_num_threads(count)
        found.append(run(taken, start(400, 300), epochs=2))
    numba.set_num_threads(threads)
    for one, other in zip(*found):
        np.testing.assert_array_equal(one, other)

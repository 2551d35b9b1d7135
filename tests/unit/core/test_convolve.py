import numpy as np
import pytest
import torch

from grapevine.core.kernels.convolve import Convolution
from grapevine.core.kernels.rows import slots_of
from grapevine.structs.jagged import Jagged

WIDTH = 5


def ring(nodes=23, seed=0):
    """A symmetric graph in which the last node is alone; its normalised matrix, dense."""
    draw = np.random.default_rng(seed)
    there = np.triu(draw.random((nodes, nodes)) < 0.4, 1)
    there[:, -1] = False
    there |= there.T
    degree = np.maximum(there.sum(1), 1)
    lists = Jagged.from_lists([np.flatnonzero(row) for row in there])
    return lists, there / np.sqrt(np.outer(degree, degree))


def mean_of_powers(matrix, table, layers):
    return sum(np.linalg.matrix_power(matrix, k) @ table for k in range(layers + 1)) / (layers + 1)


@pytest.mark.parametrize("layers", [0, 1, 2, 3])
def test_forth_is_the_mean_of_powers_of_the_matrix(layers):
    lists, dense = ring()
    table = np.random.default_rng(1).normal(size=(23, WIDTH))
    convolution = Convolution(lists, table, layers)
    rows = np.array([22, 0, 7, 8])
    for _ in range(2):  # asking changes nothing
        found = convolution.forward(rows)
        np.testing.assert_allclose(found, mean_of_powers(dense, table, layers)[rows], atol=1e-12)


def test_a_star_passes_on_by_the_root_of_its_degree():
    # He et al., eq. 3: a user of two items of one user each.
    lists = Jagged.from_lists([[1, 2], [0], [0]])
    table = np.array([[8.0], [1.0], [3.0]])
    out = Convolution(lists, table, 1).forward(np.arange(3))
    first = np.array([[(1 + 3) / np.sqrt(2)], [8 / np.sqrt(2)], [8 / np.sqrt(2)]])
    np.testing.assert_allclose(out, (table + first) / 2)


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_steps_are_those_of_adam_along_the_gradient_that_torch_finds(layers):
    lists, dense = ring(seed=2)
    start = np.random.default_rng(3).normal(size=(23, WIDTH))
    ours = Convolution(lists, start.copy(), layers)
    theirs = torch.from_numpy(start.copy()).requires_grad_()
    optimiser = torch.optim.Adam([theirs], lr=0.03)
    powers = torch.from_numpy(mean_of_powers(dense, np.eye(23), layers))
    for step in range(4):
        draw = np.random.default_rng([step, 5])
        rows, slots = slots_of(draw.integers(23, size=9), 23)
        decay = draw.random(23)
        pull = draw.normal(size=(len(rows), WIDTH))
        loss = torch.cos((powers @ theirs)[rows] * torch.from_numpy(pull)).sum()
        loss = loss + (torch.from_numpy(decay)[:, None] * theirs**2).sum() / 2
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        gradient = -np.sin(ours.forward(rows) * pull) * pull
        ours.learn(slots, gradient, decay, rate=0.03, step=step + 1)
        np.testing.assert_allclose(ours.table, theirs.detach().numpy(), atol=1e-12)


def test_rounding_what_is_passed_on_changes_little():
    lists, dense = ring(seed=4)
    table = np.random.default_rng(5).normal(size=(23, 16)).astype(np.float32)
    found = Convolution(lists, table, 3, rounded=True).forward(np.arange(23))
    wanted = mean_of_powers(dense, table, 3)
    assert 0 < np.abs(found - wanted).max() < 0.01


def test_a_state_is_all_there_is():
    lists, _ = ring(seed=6)
    draw = np.random.default_rng(7)
    start = draw.normal(size=(23, WIDTH)).astype(np.float32)
    rows, slots = slots_of(np.array([4, 2, 4]), 23)
    gradient = draw.normal(size=(2, WIDTH)).astype(np.float32)
    decay = np.zeros(23, np.float32)
    one = Convolution(lists, start.copy(), 2, rounded=True)
    one.learn(slots, gradient, decay, rate=0.1, step=1)
    other = Convolution(lists, np.ones_like(start), 2, rounded=True)
    other.load(one.table, one.mean, one.square)
    np.testing.assert_array_equal(one.forward(rows), other.forward(rows))
    for side in (one, other):
        side.learn(slots, gradient, decay, rate=0.1, step=2)
    np.testing.assert_array_equal(one.table, other.table)

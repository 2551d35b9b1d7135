import numpy as np
import pytest
import torch
from torch import nn

from grapevine.core.experts import MMoE
from grapevine.random import stream
from grapevine.testing.correlated import NOISE, WAVES, correlated_tasks


def correlation(p, **options):
    return np.corrcoef(correlated_tasks(20_000, 6, p, **options)[1].T)[0, 1]


def test_labels_are_the_more_correlated_the_nearer_the_directions_are():
    found = [correlation(p) for p in (0.0, 0.5, 0.9, 1.0)]
    assert found == sorted(found)
    # Directions at right angles hear parts of x that know nothing of each other.
    assert found[0] == pytest.approx(0, abs=0.03)
    assert found[-1] > 0.999


def test_labels_are_functions_of_their_directions():
    x, y = correlated_tasks(5000, 6, 0.6, seed=3)
    assert y.mean(0) == pytest.approx(0, abs=1e-5)
    assert y.std(0) == pytest.approx(1, abs=1e-5)
    again, same = correlated_tasks(5000, 6, -0.2, seed=3)
    # The inputs, and the first task, are the same however far the second is from it.
    np.testing.assert_array_equal(x, again)
    np.testing.assert_allclose(y[:, 0], same[:, 0], atol=0.03)
    assert not np.array_equal(x, correlated_tasks(5000, 6, 0.6, seed=4)[0])


@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_labels_are_the_equation_written_out(scale):
    x, y = correlated_tasks(300, 5, 0.3, scale=scale, seed=3)
    draw = stream(3, "correlated tasks")
    u, v = np.linalg.qr(draw.normal(size=(5, 2)))[0].T
    assert [u @ v, u @ u, v @ v] == pytest.approx([0, 1, 1], abs=1e-12)
    slopes, starts = draw.normal(size=(2, WAVES))
    for task, w in enumerate([scale * u, scale * (0.3 * u + np.sqrt(1 - 0.3**2) * v)]):
        told = [
            w @ row + sum(np.sin(a * (w @ row) + b) for a, b in zip(slopes, starts)) for row in x
        ]
        wanted = (np.array(told) - np.mean(told)) / np.std(told)
        assert 0 < np.abs(y[:, task] - wanted).max() < 5 * NOISE


def test_a_cosine_beyond_is_refused():
    with pytest.raises(ValueError, match=r"from -1 to 1: got 1\.5"):
        correlated_tasks(10, 3, 1.5)


def error(experts, correlation, seed):
    """Of both tasks, on new rows; each hears two numbers, whatever there is of experts."""
    x, y = map(torch.from_numpy, correlated_tasks(3000, 8, correlation, seed=seed))
    torch.manual_seed(seed)
    trunk = MMoE(8, 2, 2, experts=experts)
    towers = nn.ModuleList(
        nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1)) for _ in range(2)
    )
    network = nn.ModuleList([trunk, towers])
    optimiser = torch.optim.LBFGS(
        network.parameters(), max_iter=60, history_size=20, line_search_fn="strong_wolfe"
    )

    def lost(rows):
        said = torch.cat([tower(heard) for tower, heard in zip(towers, trunk(x[rows]))], 1)
        return (said - y[rows]).square().mean()

    def learnt():
        optimiser.zero_grad()
        total = lost(slice(1000))
        total.backward()
        return total

    optimiser.step(learnt)
    with torch.no_grad():
        return float(lost(slice(1000, None)))


@pytest.mark.slow
def test_tasks_that_are_apart_are_better_served_by_gates_than_by_one_bottom_as_narrow():
    ratios = [
        np.log(error(4, correlation, seed) / error(1, correlation, seed))
        for correlation in (0.5, 0.0)
        for seed in range(3)
    ]
    assert np.exp(np.mean(ratios)) < 0.8

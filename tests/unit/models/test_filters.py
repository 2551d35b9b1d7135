"""Every row of the graph filters against its formula, written out in dense matrices."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.polynomial import Polynomial

from grapevine.errors import ConfigError
from grapevine.models import MODELS
from grapevine.models.bspm import BSPM, runge_kutta
from grapevine.models.chebycf import ChebyCF
from grapevine.models.filters import slope_below
from grapevine.models.gfcf import GFCF
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged

ROWS = ["gf-cf", "bspm", "chebycf"]
FULL: dict[str, Any] = {"rank": 30}


def matrix_of(histories, num_items):
    x_UI = np.zeros((len(histories), num_items))
    for user, history in enumerate(histories):
        x_UI[user, history] = 1
    return x_UI


def item_graph(x_UI, user_exponent=0.5, item_exponent=0.5):
    users, items = (np.maximum(x_UI.sum(axis), 1) for axis in (1, 0))
    a_UI = users[:, None] ** -user_exponent * x_UI * items**-item_exponent
    return a_UI.T @ a_UI, items


def ideal(g_II, rank):
    _, vectors = np.linalg.eigh(g_II)
    return vectors[:, ::-1][:, :rank] @ vectors[:, ::-1][:, :rank].T


def between(matrix, items, power):
    """`D^-power M D^power`."""
    return items[:, None] ** -power * matrix * items**power


def power_series(coefficients, g_II):
    terms = (c * np.linalg.matrix_power(g_II, n) for n, c in enumerate(coefficients))
    return sum(terms, np.zeros_like(g_II))


def scores(config, train):
    return config.fit(train).score(train.interactions.batch(np.arange(len(train.users))))


@pytest.mark.parametrize("rank", [0, 1, 7, 30, 500])
def test_gf_cf_equals_the_formula(world, random_histories, rank):
    x_UI = matrix_of(random_histories, 30)
    g_II, items = item_graph(x_UI)
    wanted = x_UI @ (g_II + 0.3 * between(ideal(g_II, rank), items, 0.5))
    found = scores(GFCF.Config(rank=rank), world(random_histories, 30))
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("sharpening", "steps"), [(2.5, 1), (0.0, 1), (2.5, 3)])
def test_bspm_equals_blurring_then_sharpening(world, random_histories, sharpening, steps):
    x_UI = matrix_of(random_histories, 30)
    g_II, items = item_graph(x_UI)
    y_UI = x_UI @ (g_II + 0.2 * between(ideal(g_II, 30), items, 0.5))
    h = sharpening / steps
    for _ in range(steps):
        one = -y_UI @ g_II
        two = -(y_UI + h / 2 * one) @ g_II
        three = -(y_UI + h / 2 * two) @ g_II
        four = -(y_UI + h * three) @ g_II
        y_UI += h / 6 * (one + 2 * two + 2 * three + four)
    config = BSPM.Config(**FULL, sharpening=sharpening, steps=steps)
    found = scores(config, world(random_histories, 30))
    np.testing.assert_allclose(found, y_UI, rtol=1e-3, atol=1e-4)


def test_sharpening_is_near_the_exponential_and_nearer_with_more_steps():
    x = np.linspace(0, 1, 50)
    errors = [np.abs(runge_kutta(2.5, steps)(x) - np.exp(-2.5 * x)).max() for steps in (1, 2, 4)]
    assert errors[0] < 0.6
    assert errors[1] < errors[0] / 10
    assert errors[2] < errors[1] / 10


@pytest.mark.parametrize("order", [1, 2, 8])
def test_chebycf_equals_the_matrix_polynomial_but_for_the_item_itself(
    world, random_histories, order
):
    config = ChebyCF.Config(**FULL, order=order)
    x_UI = matrix_of(random_histories, 30)
    g_II, items = item_graph(x_UI)
    # The same polynomial in powers of lambda, fitted where it is exact.
    nodes = (1 - np.cos((np.arange(order + 1) + 0.5) / (order + 1) * np.pi)) / 2
    p = Polynomial.fit(nodes, config.plateau(1 - 2 * nodes), order, domain=(0, 1))
    coefficients = p.convert(domain=(-1, 1), window=(-1, 1)).coef
    passed = power_series(coefficients, g_II) - p(0.0) * np.eye(30)
    wanted = x_UI @ between(passed + 0.2 * ideal(g_II, 30), items, 0.4)
    found = scores(config, world(random_histories, 30))
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=2e-3)


def test_a_flatness_of_one_is_the_linear_filter(world, random_histories):
    config = ChebyCF.Config(rank=0, order=1, flatness=1.0, power=0.0)
    x_UI = matrix_of(random_histories, 30)
    found = scores(config, world(random_histories, 30))
    np.testing.assert_allclose(found, x_UI @ item_graph(x_UI)[0], rtol=1e-3, atol=1e-4)


def test_the_line_is_as_near_as_its_response_says(world):
    rng = np.random.default_rng(2)
    histories = [rng.permutation(120)[: rng.integers(2, 15)].tolist() for _ in range(200)]
    x_UI = matrix_of(histories, 120)
    g_II, items = item_graph(x_UI)
    values = np.linalg.eigvalsh(g_II)[::-1]
    sharpen = runge_kutta(2.5, 1)
    mixed = g_II + 0.2 * between(ideal(g_II, 60), items, 0.5)
    wanted = x_UI @ mixed @ power_series(sharpen.coef, g_II)
    heat = Polynomial([0.0, 1.0]) * sharpen
    tail = values[60:]
    off = np.abs(heat(tail) - slope_below(heat, values[59]) * tail).max()
    found = scores(BSPM.Config(rank=60), world(histories, 120))
    away = np.linalg.norm(found - wanted, axis=1) / np.linalg.norm(x_UI, axis=1)
    assert 0 < off < 0.05
    assert away.max() <= 2 * off


@pytest.mark.parametrize("name", ROWS)
def test_permuted_items_permute_the_scores(world, random_histories, name):
    order = np.random.default_rng(8).permutation(30)
    turned = [order[history].tolist() for history in random_histories]
    plain = scores(MODELS[name].config, world(random_histories, 30))
    other = scores(MODELS[name].config, world(turned, 30))
    np.testing.assert_allclose(other[:, order], plain, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ROWS)
def test_planted_blocks_are_recovered_for_users_and_strangers(world, checkerboard, name):
    train = world(checkerboard, 24)
    model = MODELS[name].config.fit(train)
    known = model.score(train.interactions.batch(np.arange(24)))
    for user in range(24):
        assert known[user, user] > known[user, (user + 1) % 2 :: 2].max()
    strangers = model.score(Batch.of_histories(Jagged.from_lists(checkerboard)))
    np.testing.assert_array_equal(strangers, known)


@pytest.mark.parametrize("name", ROWS)
def test_repeats_count_once_and_an_empty_history_scores_nothing(world, name):
    once, often = (world(h, 3) for h in ([[0, 1], [1, 2]], [[0, 1, 0, 0], [1, 2, 2]]))
    config = MODELS[name].config
    np.testing.assert_allclose(scores(config, once), scores(config, often), atol=1e-6)
    nothing = config.fit(once).score(Batch.of_histories(Jagged.from_lists([[], [-1]])))
    np.testing.assert_array_equal(nothing, 0)


@pytest.mark.parametrize("name", ROWS)
def test_seeds_agree(world, name):
    rng = np.random.default_rng(4)
    blocks = [[8 * int(n) + user % 8 for n in rng.permutation(12)[:6]] for user in range(120)]
    train = world(blocks, 96)
    config = replace(MODELS[name].config, rank=8)
    first, second = (
        config.fit(train, seed=seed).score(train.interactions.batch(np.arange(120)))
        for seed in (0, 1)
    )
    np.testing.assert_allclose(first, second, rtol=1e-2, atol=2e-3)


@pytest.mark.parametrize("name", ROWS)
def test_options_out_of_bounds_are_refused(name):
    config = type(MODELS[name].config)
    with pytest.raises(ConfigError, match=rf"{name} wants model.rank >= 0"):
        config(rank=-1)

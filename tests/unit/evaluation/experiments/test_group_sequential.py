import numpy as np
import pytest

from grapevine.errors import ConfigError
from grapevine.evaluation.experiments.group_sequential import (
    crossing_chances,
    obrien_fleming,
    spending_bounds,
)


def test_obrien_flemings_constants():
    # Jennison & Turnbull, Group Sequential Methods, table 2.3, alpha = 0.05.
    for looks, constant in {1: 1.960, 2: 1.977, 3: 2.004, 4: 2.024, 5: 2.040, 10: 2.087}.items():
        assert obrien_fleming(looks)[-1] == pytest.approx(constant, abs=6e-4)


def test_spending_bounds_are_the_published_ones():
    # Lan & DeMets' spending function like O'Brien and Fleming's: five looks, two-sided 0.05.
    published = [4.8769, 3.3569, 2.6803, 2.2898, 2.0310]
    np.testing.assert_allclose(spending_bounds([0.2, 0.4, 0.6, 0.8, 1.0]), published, atol=2e-4)


def test_early_bounds_do_not_depend_on_later_looks():
    early, late = spending_bounds([0.3, 0.5]), spending_bounds([0.3, 0.5, 0.55, 1.0])
    np.testing.assert_allclose(early, late[:2])
    assert crossing_chances(np.array([0.3, 0.5, 0.55, 1.0]), late).sum() == pytest.approx(0.05)


def test_group_sequential_looks_give_the_false_positives_they_promise():
    steps = np.random.default_rng(2).normal(0, np.sqrt(0.2), (20_000, 5))
    z = steps.cumsum(1) / np.sqrt(np.arange(1, 6) / 5)
    crossed = (np.abs(z) > obrien_fleming(5)).any(1).mean()
    assert crossed == pytest.approx(0.05, abs=0.005)


@pytest.mark.parametrize("times", [[], [0.5, 0.5], [0.0, 1.0], [0.5, 1.1]])
def test_impossible_looks_are_refused(times):
    with pytest.raises(ConfigError, match="rising shares"):
        spending_bounds(times)

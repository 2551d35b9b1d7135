import numpy as np
import pytest

from grapevine.errors import ConfigError
from grapevine.evaluation.experiments.effect import Moments, effect
from grapevine.evaluation.experiments.power import (
    days_needed,
    detectable_effect,
    deviation_of_rate,
    power_of,
    users_per_arm,
)


def test_the_worked_figure():
    assert users_per_arm(deviation_of_rate(0.1), 0.002) == 353_200


def test_users_power_and_effect_are_inverses_of_each_other():
    given = {"correlation": 0.6, "ratio": 2.0, "alpha": 0.01}
    users = users_per_arm(3.0, 0.1, power=0.9, **given)
    assert power_of(users, 3.0, 0.1, **given) == pytest.approx(0.9, abs=1e-4)
    assert detectable_effect(users, 3.0, power=0.9, **given) == pytest.approx(0.1, rel=1e-4)


def test_a_covariate_saves_the_share_of_users_that_it_explains():
    plain, adjusted = (users_per_arm(1.0, 0.01, correlation=rho) for rho in (0.0, 0.7))
    assert adjusted / plain == pytest.approx(0.51, abs=1e-4)


def test_simulated_experiments_have_the_power_that_was_asked_for():
    users = users_per_arm(2.0, 0.5)
    rng = np.random.default_rng(0)
    control, treatment = (
        Moments.of(rng.normal(shift, 2.0, (5_000, users))) for shift in (1.0, 1.5)
    )
    found = (effect(control, treatment).p < 0.05).mean()
    assert found == pytest.approx(0.8, abs=0.02)


def test_days_fill_up_whole_weeks():
    assert days_needed(1_000, 100, share=0.5, whole_weeks=False) == 20
    assert days_needed(1_000, 100, share=0.5) == 21
    # 400 + 200 on the first days, and 100 from then on.
    assert days_needed(400, [800, 400, 200], share=0.5, whole_weeks=False) == 1
    assert days_needed(601, [800, 400, 200], share=0.5, whole_weeks=False) == 3
    assert days_needed(900, [800, 400, 200], share=0.5, whole_weeks=False) == 5
    with pytest.raises(ConfigError, match="only 600 users ever come into the arm"):
        days_needed(1_000, [800, 400, 0])


def test_impossible_questions_are_refused():
    with pytest.raises(ConfigError, match="effect of zero"):
        users_per_arm(1.0, 0.0)
    with pytest.raises(ConfigError, match="between 0 and 1"):
        users_per_arm(1.0, 0.1, power=1.0)

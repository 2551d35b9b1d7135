import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, chisquare

from grapevine.errors import ConfigError
from grapevine.evaluation.experiments.assign import (
    Arm,
    Experiment,
    Plan,
    free_start,
    point,
    points,
)

HALVES = (Arm("control", 0.5), Arm("treatment", 0.5))


def test_points_are_the_same_for_ever():
    # A user who changes arms with a new version spoils every experiment that runs.
    found = [point("layer:main", "u000007"), point("experiment:a", "ünïcode"), point("", 7)]
    assert found == [0.9340780848300745, 0.6353487543680997, 0.8600110886334671]
    by_hand = hashlib.blake2b(b"10:layer:mainu000007", digest_size=8).digest()
    assert found[0] == (int.from_bytes(by_hand, "little") >> 11) / 2**53


@given(st.text(max_size=8), st.lists(st.one_of(st.text(max_size=12), st.integers())))
def test_many_points_are_those_of_each(salt, ids):
    assert points(salt, ids).tolist() == [point(salt, one) for one in ids]


def test_a_number_is_its_text_and_salts_do_not_run_into_ids():
    assert point("s", 7) == point("s", "7")
    assert point("a", "bc") != point("ab", "c")


def test_points_are_even():
    counts = np.histogram(points("even", range(50_000)), bins=100, range=(0, 1))[0]
    assert chisquare(counts).pvalue > 0.001


@pytest.mark.slow
def test_a_million_users_divide_evenly_and_two_experiments_know_nothing_of_each_other():
    ids = [f"u{number}" for number in range(1_000_000)]
    first, second = (Experiment(name=name, arms=HALVES) for name in ("first", "second"))
    a, b = first.arms_of(ids), second.arms_of(ids)
    assert abs(a.mean() - 0.5) < 0.002
    assert abs(b.mean() - 0.5) < 0.002
    table = np.bincount(2 * a + b).reshape(2, 2)
    assert chi2_contingency(table).pvalue > 0.001


@pytest.mark.slow
def test_another_process_gives_the_same_arms():
    code = (
        "from grapevine.evaluation.experiments.assign import Arm, Experiment\n"
        "one = Experiment(name='e', arms=(Arm('a', 0.3), Arm('b', 0.7)), share_of_layer=0.6)\n"
        "print(one.arms_of([f'u{n}' for n in range(500)]).tolist())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "123"}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    one = Experiment(name="e", arms=(Arm("a", 0.3), Arm("b", 0.7)), share_of_layer=0.6)
    assert ran.stdout.strip() == str(one.arms_of([f"u{n}" for n in range(500)]).tolist())


@given(
    st.floats(0.05, 0.95),
    st.floats(0.1, 1.0),
    st.lists(st.text(max_size=9), min_size=1, max_size=50),
)
def test_one_user_and_many_are_assigned_alike(share, part, ids):
    one = Experiment(name="e", arms=(Arm("a", share), Arm("b", 1 - share)), share_of_layer=part)
    arms = [one.arm_of(user) for user in ids]
    assert one.arms_of(ids).tolist() == [-1 if arm is None else one.arms.index(arm) for arm in arms]


def test_shares_hold_for_uneven_arms():
    arms = (Arm("a", 0.1), Arm("b", 0.2), Arm("c", 0.7))
    found = np.bincount(Experiment(name="three", arms=arms).arms_of(range(60_000)))
    assert chisquare(found, [6_000, 12_000, 42_000]).pvalue > 0.001


def test_experiments_of_a_layer_never_share_a_user_and_those_of_two_are_independent():
    ids = [f"u{number}" for number in range(40_000)]
    one = Experiment(name="one", arms=HALVES, layer="page", share_of_layer=0.3)
    two = Experiment(name="two", arms=HALVES, layer="page", share_of_layer=0.5, start=0.3)
    other = Experiment(name="other", arms=HALVES, layer="model", share_of_layer=0.5)
    a, b, c = (each.arms_of(ids) >= 0 for each in (one, two, other))
    assert not (a & b).any()
    assert abs(a.mean() - 0.3) < 0.01
    assert abs(b.mean() - 0.5) < 0.01
    assert chi2_contingency(np.bincount(2 * b + c).reshape(2, 2)).pvalue > 0.001


def test_widening_an_experiment_keeps_everybody_in_their_arm():
    narrow = Experiment(name="ramp", arms=HALVES, share_of_layer=0.05)
    wide = Experiment(name="ramp", arms=HALVES, share_of_layer=0.5)
    before, after = narrow.arms_of(range(20_000)), wide.arms_of(range(20_000))
    assert (after[before >= 0] == before[before >= 0]).all()


def test_a_plan_tells_each_arm_of_a_user():
    plan = Plan((
        Experiment(name="one", arms=HALVES, layer="a"),
        Experiment(name="two", arms=HALVES, layer="b", share_of_layer=0.5),
    ))  # fmt: skip
    told = [plan.arms_of(user) for user in range(200)]
    for user, arms in enumerate(told):
        for one in plan.experiments:
            arm = one.arm_of(user)
            assert arms.get(one.name) == (arm.name if arm else None)
    assert {len(arms) for arms in told} == {1, 2}


def test_free_start_finds_the_first_gap():
    def part(start: float, share: float) -> Experiment:
        name = f"e{start}"
        return Experiment(name=name, arms=HALVES, layer="a", start=start, share_of_layer=share)

    running = [part(0.5, 0.25), part(0.0, 0.2)]
    assert free_start(running, "a", 0.3) == 0.2
    assert free_start(running, "a", 0.25) == 0.2
    assert free_start(running, "b", 1.0) == 0.0
    with pytest.raises(ConfigError, match=r"no part of 0\.4 left; its largest is 0\.3"):
        free_start(running, "a", 0.4)


def test_an_experiment_comes_back_from_json():
    one = Experiment(name="e", arms=(Arm("a", 0.5, "runs/a"), Arm("b", 0.5)), salt="x", start=0.1,
                     share_of_layer=0.2)  # fmt: skip
    assert Experiment.from_json(one.to_json()) == one
    with pytest.raises(ConfigError, match="hint: it takes name, arms"):
        Experiment.from_json({**one.to_json(), "colour": "red"})
    with pytest.raises(ConfigError, match="'arms'"):
        Experiment.from_json({"name": "e"})


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"arms": (Arm("a", 1.0),)}, "two or more"),
        ({"arms": (Arm("a", 0.5), Arm("a", 0.5))}, "names of their own"),
        ({"arms": (Arm("a", 0.5), Arm("b", 0.4))}, "sum to 1"),
        ({"arms": (Arm("a", 1.5), Arm("b", -0.5))}, "must be positive"),
        ({"start": 0.6, "share_of_layer": 0.5}, "does not lie in it"),
        ({"share_of_layer": 0.0}, "does not lie in it"),
    ],
)
def test_an_impossible_experiment_is_refused(wrong, words):
    with pytest.raises(ConfigError, match=words):
        Experiment(**{"name": "e", "arms": HALVES, **wrong})


def test_a_plan_refuses_experiments_that_share_users_names_or_salts():
    one = Experiment(name="one", arms=HALVES)
    with pytest.raises(ConfigError, match=r"`two` and `one` share the users from 0\.5 to 1"):
        Plan((one, Experiment(name="two", arms=HALVES, start=0.5, share_of_layer=0.5)))
    with pytest.raises(ConfigError, match="two experiments have the name `one`"):
        Plan((one, Experiment(name="one", arms=HALVES, layer="b")))
    with pytest.raises(ConfigError, match="two experiments have the salt `one`"):
        Plan((one, Experiment(name="two", salt="one", arms=HALVES, layer="b")))

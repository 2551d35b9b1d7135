import json
from xml.etree import ElementTree

import numpy as np
import pytest

from grapevine.errors import DataError
from grapevine.evaluation.experiments.assign import Arm, Experiment
from grapevine.evaluation.experiments.effect import Moments, effect
from grapevine.evaluation.experiments.judge import report_of
from grapevine.evaluation.experiments.outcomes import Outcomes

THREE = Experiment(
    name="page", arms=(Arm("old", 0.5), Arm("new <b>", 0.25), Arm("same", 0.25)), metric="clicks"
)


@pytest.fixture(scope="module")
def outcomes():
    rng = np.random.default_rng(0)
    users = 6_000
    arm = THREE.arms_of(range(users))
    before = rng.poisson(3, users)
    clicks = rng.poisson(0.5 * before + 1) + rng.binomial(1, 0.4, users) * (arm == 1)
    return Outcomes(arm=arm, day=rng.integers(0, 14, users), outcome=clicks, before=before)


@pytest.fixture(scope="module")
def report(outcomes):
    return report_of(THREE, outcomes, planned_users=6_000)


def test_the_last_day_is_the_whole_experiment(outcomes, report):
    for place, one in enumerate(report.contrasts, start=1):
        arms = [
            Moments.of(outcomes.outcome[here], before=outcomes.before[here])
            for here in (outcomes.arm == 0, outcomes.arm == place)
        ]
        assert one.adjusted.to_json() == pytest.approx(effect(*arms).to_json())
        assert one.unadjusted.to_json() == pytest.approx(effect(*arms, adjust=False).to_json())
        assert one.adjusted.error < one.unadjusted.error
        assert one.control_users[-1] == report.arms[0].users


def test_each_day_is_the_experiment_so_far(outcomes, report):
    day = outcomes.day <= 4
    so_far = Outcomes(
        arm=outcomes.arm[day],
        day=outcomes.day[day],
        outcome=outcomes.outcome[day],
        before=outcomes.before[day],
    )
    early = report_of(THREE, so_far, planned_users=6_000)
    for then, now in zip(early.contrasts, report.contrasts, strict=True):
        np.testing.assert_allclose(then.by_day.difference, now.by_day.difference[:5])
        np.testing.assert_allclose(then.always_low, now.always_low[:5])
        np.testing.assert_allclose(then.always_p, now.always_p[:5])


def test_it_finds_what_was_planted_and_nothing_else(report):
    assert report.trusted
    new, same = report.contrasts
    assert new.adjusted.low < 0.4 < new.adjusted.high
    assert new.always_low[-1] > 0
    assert new.p_holm < 0.001
    assert same.p_holm > 0.05
    assert "new <b> is better than old, since day " in report.verdict
    assert "same cannot be told from old yet." in report.verdict


def test_always_valid_intervals_are_wider_and_the_more_arms_the_wider(outcomes, report):
    for one in report.contrasts:
        assert (one.always_low[1:] < one.by_day.low[1:]).all()
        assert (one.always_high[1:] > one.by_day.high[1:]).all()
    assert report.watched_level == pytest.approx(0.975)


def test_planned_looks_are_narrower_at_the_end_and_end_with_the_plan(outcomes, report):
    for one in report.contrasts:
        last = one.planned_high[-1] - one.planned_low[-1]
        assert one.by_day.high[-1] - one.by_day.low[-1] < last
        assert last < one.always_high[-1] - one.always_low[-1]
        assert one.planned_high[1] - one.planned_low[1] > one.always_high[1] - one.always_low[1]
    short = report_of(THREE, outcomes, planned_users=3_000).contrasts[0]
    users = (short.control_users + short.treatment_users) / (3_000 * 0.75)
    beyond = np.concatenate([[False], users[:-1] >= 1])
    assert (np.isfinite(short.planned_low) == ~beyond).all()
    assert np.isnan(report_of(THREE, outcomes).contrasts[0].planned_low).all()


def test_it_is_json(report):
    told = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert [arm["name"] for arm in told["arms"]] == ["old", "new <b>", "same"]
    assert sum(told["sample_ratio"]["counts"]) == 6_000
    assert told["sample_ratio"]["alarm"] is False
    first = told["contrasts"][0]
    assert len(first["by_day"]) == 14
    assert first["always_valid"]["decided_on"] is not None
    last = first["by_day"][-1]
    assert last["difference"] == first["adjusted"]["difference"]
    assert last["always_low"] == first["always_valid"]["low"]


def test_pictures_are_well_formed_and_escaped(report):
    drawings = report.pictures()
    assert len(drawings) == 2
    for one in drawings:
        tree = ElementTree.fromstring(str(one.drawing))
        bars = [line for line in tree.iter("line") if "bar" in line.get("class", "")]
        assert len(bars) == 14
        for bar in bars:
            ends = float(bar.get("y2")), float(bar.get("y1"))
            assert 0 <= ends[0] <= ends[1] <= 260
        assert len([line for line in tree.iter("line") if line.get("class") == "grid"]) >= 3
    assert "new &lt;b&gt; against old" in str(drawings[0].drawing)


def test_users_lost_on_the_way_stop_everything(outcomes):
    kept = (outcomes.arm != 1) | (np.arange(len(outcomes)) % 5 > 0)
    lossy = Outcomes(arm=outcomes.arm[kept], day=outcomes.day[kept], outcome=outcomes.outcome[kept])
    found = report_of(THREE, lossy)
    assert found.ratio.alarm
    assert not found.trusted
    assert found.verdict.startswith("The arms did not get the users that they should: stop")


def test_warnings_say_when_to_wait(outcomes):
    early = outcomes.day <= 2
    few = Outcomes(
        arm=outcomes.arm[early], day=outcomes.day[early], outcome=outcomes.outcome[early]
    )
    said = " ".join(report_of(THREE, few, planned_users=6_000).warnings)
    assert "3 days are not whole weeks" in said
    assert "of 6,000 planned users" in said
    said = " ".join(report_of(THREE, few).warnings)
    assert "no number of users was planned" in said


def test_before_there_are_enough_users_nothing_is_claimed():
    tiny = Outcomes(
        arm=np.array([0, 1, 2, 0]), day=np.array([0, 0, 1, 2]), outcome=np.array([1, 2, 3, 4])
    )
    told = report_of(THREE, tiny).to_json()
    assert "an arm has fewer than 100 users" in " ".join(told["warnings"])
    for one in told["contrasts"]:
        assert one["always_valid"] == {
            "low": None, "high": None, "p": 1.0, "decided_on": None, "tau": None
        }  # fmt: skip
    json.dumps(told, allow_nan=False)
    assert report_of(THREE, tiny).pictures()[0].drawing.startswith("<svg")


def test_what_is_no_outcome_is_refused():
    nobody = np.empty(0, np.int64)
    with pytest.raises(DataError, match="nobody was exposed yet"):
        Outcomes(arm=nobody, day=nobody, outcome=nobody)
    one = np.zeros(1, np.int64)
    with pytest.raises(DataError, match="outside the experiment"):
        Outcomes(arm=one - 1, day=one, outcome=one)
    with pytest.raises(DataError, match="outcomes of arm 3, and `page` has 3 arms"):
        report_of(THREE, Outcomes(arm=one + 3, day=one, outcome=one))

"""Coverage, drift, calibration: by hand, and as a service tells them."""

import math
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from grapevine.serving.engine.asked import Answer, Shown
from grapevine.serving.quality import Calibration, Coverage, Drift, Quality, softmax, stability


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_stability_by_hand():
    # (0.75 - 0.5) ln(1.5) + (0.25 - 0.5) ln(0.5) = 0.25 ln 3
    found = stability(np.array([0.5, 0.5]), np.array([0.75, 0.25]))
    assert found == pytest.approx(0.25 * math.log(3))
    assert stability(np.array([0.5, 0.5]), np.array([1.0, 0.0])) == pytest.approx(
        0.5 * math.log(2) + (1e-4 - 0.5) * math.log(1e-4 / 0.5)
    )


shares = arrays(float, 5, elements=st.floats(0.01, 1)).map(lambda one: one / one.sum())


@given(shares, shares)
def test_stability_is_a_distance(one, other):
    assert stability(one, one) == 0
    assert stability(one, other) >= 0
    assert stability(one, other) == pytest.approx(stability(other, one))


def test_drift_is_told_from_the_first_hour():
    clock, draw = Clock(), np.random.default_rng(0)
    drift = Drift(clock)
    for value in draw.normal(size=5_000):
        drift.add(value)
        clock.now += 1
    assert math.isnan(Drift(clock).index())
    for value in draw.normal(size=3_000):
        drift.add(value)
        clock.now += 0.5
    assert drift.index() < 0.1
    for value in draw.normal(1.0, size=6_000):
        drift.add(value)
        clock.now += 1
    assert drift.index() > 0.25
    # It comes back, and what was long ago is forgotten.
    for value in draw.normal(size=8_000):
        drift.add(value)
        clock.now += 1
    assert drift.index() < 0.1


def test_values_that_are_all_the_same_are_no_drift_until_they_change():
    clock = Clock()
    drift = Drift(clock)
    for step in range(4_000):
        drift.add(50.0)
        clock.now = step
    assert drift.index() == pytest.approx(0, abs=1e-6)
    for step in range(4_000, 8_000):
        drift.add(0.0)
        clock.now = step
    assert drift.index() > 0.25


def test_coverage_is_of_the_last_hour():
    clock = Clock()
    coverage = Coverage(clock, window_s=100)
    coverage.shown(["a", "b"])
    coverage.shown(["b", "c"])
    assert coverage.items() == 3
    clock.now = 60
    coverage.shown(["d"])
    assert coverage.items() == 4
    clock.now = 120
    assert coverage.items() == 1
    clock.now = 1_000
    assert coverage.items() == 0


def test_calibration_by_hand():
    seen = Calibration(lists=2)
    scores = tuple(math.log(one) for one in (6, 3, 1))
    assert softmax(scores) == pytest.approx([0.6, 0.3, 0.1])
    seen.listed("r1", ("a", "b", "c"), scores)
    seen.happened("r1", "nothing of it")
    seen.happened("r2", "a")
    assert seen.shown.sum() == 0
    seen.happened("r1", "b")
    seen.happened("r1", "a")
    # Buckets: up to 0.05, 0.1, 0.2, 0.4 and 1.
    assert seen.told == pytest.approx([0, 0.1, 0, 0.3, 0.6])
    assert seen.chosen.tolist() == [0, 0, 0, 1, 0]
    assert seen.shown.tolist() == [0, 1, 0, 1, 1]
    for name in ("r3", "r4", "r5"):
        seen.listed(name, ("a",), (0.0,))
    seen.happened("r3", "a")
    assert seen.chosen.sum() == 1
    seen.happened("r5", "a")
    assert seen.chosen.tolist() == [0, 0, 0, 1, 1]


def test_choices_by_the_told_chances_are_calibrated():
    seen, draw = Calibration(), np.random.default_rng(0)
    for n in range(4_000):
        scores = tuple(draw.normal(0, 1.5, size=6).tolist())
        seen.listed(str(n), tuple("abcdef"), scores)
        seen.happened(str(n), draw.choice(list("abcdef"), p=softmax(scores)))
    assert seen.chosen.sum() == 4_000
    assert seen.told == pytest.approx(seen.chosen, rel=0.15)


def answer(version, item="a"):
    return Answer(
        items=(Shown(item, 1, 0.0),), fallback="", version=version, heard=1, took={}
    )  # fmt: skip


def test_lists_of_an_arm_are_no_measure_of_the_model_in_service():
    quality = Quality()
    quality.answered("now", answer("now"))
    quality.shown("r1", answer("now"))
    quality.shown("r2", answer("arm", "b"))
    quality.happened("r2", "b")
    assert quality.told().items == 1
    assert sum(quality.told().calibration["chosen"]) == 0


class Pushed:
    """An item, and while its name is looked at another list comes, in a thread of its own."""

    def __init__(self, quality):
        self.quality = quality

    def __str__(self):
        other = threading.Thread(target=self.quality.shown, args=("r2", answer("v")))
        other.start()
        other.join(0.1)
        return "a"


def test_a_list_that_is_pushed_out_meanwhile_ends_no_request():
    quality = Quality()
    quality.answered("v", answer("v"))
    quality.calibration = Calibration(lists=1)
    quality.shown("r1", answer("v", Pushed(quality)))
    quality.happened("r1", "a")
    assert sum(quality.told().calibration["chosen"]) == 1


def value(text, name):
    (line,) = [one for one in text.splitlines() if one.startswith(name + " ")]
    return float(line.rsplit(" ", 1)[1])


def test_a_service_tells_them(client, send):
    user = str(client.app.state.service.host.current().run.users.ids[0])
    told = client.get(f"/v1/users/{user}/recommendations?k=4").json()
    assert not told["fallback"]
    first = told["items"][0]["item_id"]
    event = {
        "event_id": "e1", "user_id": user, "item_id": first, "behaviour": "buy",
        "request_id": told["request_id"],
    }  # fmt: skip
    assert client.post("/v1/events", json={"events": [event]}).status_code == 202
    client.get(f"/v1/users/{user}/recommendations?k=1")
    text = client.get("/metrics").text
    items = len(client.app.state.service.host.current().catalogue)
    assert 4 <= round(value(text, "grapevine_coverage") * items) <= 5
    assert value(text, "grapevine_answers_total") == 2
    assert 0 <= value(text, "grapevine_newest_event_used_age_seconds") < 60
    assert value(text, "grapevine_model_newest_event_age_seconds") > 0
    assert math.isnan(value(text, 'grapevine_drift_psi{of="score"}'))
    chosen = [one for one in text.splitlines() if 'what="chosen"' in one]
    assert sum(float(one.rsplit(" ", 1)[1]) for one in chosen) == 1

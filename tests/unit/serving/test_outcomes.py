"""What a report counts of an experiment, and from when on."""

import pytest

from grapevine.errors import ConfigError
from grapevine.evaluation.experiments import Arm, Experiment
from grapevine.serving import outcomes
from grapevine.serving.store import Event, Exposure, open_store

DAY = 86_400_000
T0 = 1_800_000_000_000


class Clock:
    now = T0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path, clock):
    """Twelve users of two arms, the later half a day after the others; each buys every day."""
    with open_store(f"sqlite:///{tmp_path / 'store.db'}", clock=clock) as found:
        for day in range(6):
            for user in range(12):
                if day == user // 6:
                    shown = Exposure(f"r{user}", f"u{user}", "i", 1, 1.0, 0.5, "x", "ab"[user % 2])
                    found.expose([shown]).result()
            clock.now = T0 + day * DAY + 1000
            found.append(
                [Event(f"e{day}.{user}", f"u{user}", "i", "buy") for user in range(12)]
            ).result()
            clock.now = T0 + (day + 1) * DAY
        yield found


def experiment(window_days):
    return Experiment(
        name="x", arms=(Arm("a", 0.5), Arm("b", 0.5)), metric="buy", window_days=window_days
    )


def test_without_a_window_all_that_was_done_since_counts(store):
    report = outcomes.report(store, experiment(0))
    assert report["window"] == {"days": None, "users": 12, "waiting": 0}
    # Six purchases of those who came first, five of the others.
    assert [arm["value"] for arm in report["arms"]] == [5.5, 5.5]


def test_within_a_window_everybody_counts_for_as_long_and_once(store, clock):
    report = outcomes.report(store, experiment(2))
    assert report["window"] == {"days": 2, "users": 12, "waiting": 0}
    assert [arm["value"] for arm in report["arms"]] == [2.0, 2.0]
    # On the day when the window of each is over.
    assert [one["at"] for one in report["over_time"]] == [T0 + 2 * DAY, T0 + 3 * DAY]
    assert [one["users"] for one in report["over_time"]] == [6, 12]
    clock.now = T0 + 2 * DAY
    report = outcomes.report(store, experiment(2))
    assert report["window"] == {"days": 2, "users": 6, "waiting": 6}
    assert sum(arm["users"] for arm in report["arms"]) == 6


def test_a_window_that_is_over_for_nobody_is_said(store, clock):
    clock.now = T0 + DAY
    report = outcomes.report(store, experiment(2))
    assert report["verdict"].startswith("12 users were shown something, and the 2 days")
    assert report["window"] == {"days": 2, "users": 0, "waiting": 12}
    assert report["contrasts"] == []
    with pytest.raises(ConfigError, match="a window of -1"):
        experiment(-1)


def test_after_its_end_nothing_counts_and_whose_window_was_open_is_left_out(store, clock):
    end = T0 + 2 * DAY
    # Two purchases of those who came first, one of the others, whatever was done later.
    report = outcomes.report(store, experiment(0), end)
    assert report["ended"] == end
    assert [arm["value"] for arm in report["arms"]] == [1.5, 1.5]
    report = outcomes.report(store, experiment(2), end)
    assert report["window"] == {"days": 2, "users": 6, "waiting": 6}
    report = outcomes.report(store, experiment(2), T0 + DAY)
    assert "were not, when it ended, over" in report["verdict"]
    # Who was first shown something after the end was never in it.
    assert outcomes.report(store, experiment(0), T0 + DAY)["window"]["users"] == 6
    assert outcomes.report(store, experiment(0), T0)["verdict"] == "it ended, and nobody was in it"

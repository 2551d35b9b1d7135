import math

import pytest

from grapevine.models.schedules import Schedule, noam


def path(schedule, steps):
    return [
        schedule(epoch, step, steps) for epoch in range(schedule.epochs) for step in range(steps)
    ]


def test_noam_by_hand():
    # Vaswani et al., eq. 3, at width 512 and 4,000 steps of warm-up.
    assert noam(1, width=512) == pytest.approx(1.746928e-7, rel=1e-6)
    assert noam(4000, width=512) == pytest.approx(6.987712e-4, rel=1e-6)
    assert noam(16_000, width=512) == pytest.approx(3.493856e-4, rel=1e-6)
    assert max(range(1, 9000), key=lambda step: noam(step, width=512)) == 4000


def test_a_warm_up_is_a_straight_line_that_ends_at_the_peak():
    rate = Schedule(peak=0.8, epochs=3, warm_up=0.5)
    assert path(rate, 8)[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert set(path(rate, 8)[4:]) == {0.8}


@pytest.mark.parametrize(
    ("decay", "quarters"),
    [
        # Shares of the peak after 0, 1/4, 1/2 and 3/4 of the way down to a tenth, by hand.
        ("constant", [1, 1, 1, 1]),
        ("linear", [1, 0.775, 0.55, 0.325]),
        ("exponential", [1, 10**-0.25, 10**-0.5, 10**-0.75]),
        ("cosine", [1, 0.1 + 0.45 * (1 + math.sqrt(0.5)), 0.55, 0.1 + 0.45 * (1 - math.sqrt(0.5))]),
    ],
)
def test_each_way_down_by_hand(decay, quarters):
    rate = Schedule(peak=2.0, epochs=5, warm_up=1, decay=decay, last=0.1)
    assert [rate(epoch, 0, 7) / 2 for epoch in range(1, 5)] == pytest.approx(quarters)


@pytest.mark.parametrize("decay", ["constant", "linear", "exponential", "cosine"])
@pytest.mark.parametrize("warm_up", [0, 0.3, 1, 2, 3])
def test_no_step_is_wasted_and_none_is_above_the_peak(decay, warm_up):
    rates = path(Schedule(peak=0.1, epochs=3, warm_up=warm_up, decay=decay, last=0.0), 5)
    assert all(0 < rate <= 0.1 for rate in rates) or decay == "exponential"
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)


def test_the_number_of_steps_does_not_change_the_shape():
    rate = Schedule(peak=0.1, epochs=4, warm_up=1, decay="cosine")
    assert rate(2, 3, 6) == rate(2, 50, 100)

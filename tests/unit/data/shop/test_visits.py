"""What was planted in the behaviour must be found in it again."""

import numpy as np
import pytest

from grapevine.data.shop import truth
from grapevine.data.shop import visits as v
from grapevine.data.shop import world as w
from grapevine.data.shop.shoppers import BLOCK, Shoppers
from grapevine.data.shop.world import World


@pytest.fixture(scope="module")
def world():
    return World.draw(0, 1_000)


@pytest.fixture(scope="module")
def shoppers():
    return Shoppers.draw(0, 0)


@pytest.fixture(scope="module")
def visits(world, shoppers):
    return v.behave(world, v.shelves(world), shoppers, seed=0, block=0, clicks=40)


def within(found, chances, sigmas=4.5):
    """Whether so many successes are plausible for trials with these chances."""
    return abs(found - chances.sum()) < sigmas * np.sqrt((chances * (1 - chances)).sum())


def drives(world, shoppers, visits):
    """Taste, quality and excess of each event."""
    who = shoppers.take(visits.user)
    mix = truth.mix_of(who, truth.share_of_year(visits.time))
    excess = truth.excess_of(who, world.dearness[visits.item][:, None])[:, 0]
    return (mix * world.affinity[visits.item]).sum(1), world.quality[visits.item], excess


def test_events_are_in_order_and_no_two_of_a_user_coincide(visits):
    same = np.diff(visits.user) == 0
    assert (np.diff(visits.user) >= 0).all()
    assert (np.diff(visits.time)[same] > 0).all()
    assert visits.time.min() >= w.START_MS
    assert visits.time.max() < w.START_MS + w.YEAR_MS + 1_000


def test_every_user_visits(visits):
    assert len(np.unique(visits.user)) == BLOCK


def test_the_cascade_runs_from_click_to_purchase(visits):
    pair = visits.user * 1_000 + visits.item
    first = {}
    for stage in range(4):
        of = visits.behaviour == stage
        first[stage] = dict(zip(pair[of][::-1].tolist(), visits.time[of][::-1].tolist()))
    for stage, before in ((v.COLLECT, v.CLICK), (v.CART, v.CLICK), (v.BUY, v.CART)):
        assert first[stage]
        for one, time in first[stage].items():
            assert first[before][one] < time


def test_a_cart_decides_and_nothing_is_bought_twice(visits):
    pair = visits.user * 1_000 + visits.item
    for stage in (v.CART, v.BUY):
        of = pair[visits.behaviour == stage]
        assert len(np.unique(of)) == len(of)
    carted = dict(zip(pair[visits.behaviour == v.CART], visits.time[visits.behaviour == v.CART]))
    clicks = visits.behaviour == v.CLICK
    late = [time > carted.get(one, np.inf) for one, time in zip(pair[clicks], visits.time[clicks])]
    assert not any(late)


def test_rates_of_the_cascade_equal_the_truth(world, shoppers, visits):
    clicks = visits.take(visits.behaviour == v.CLICK)
    known = drives(world, shoppers, clicks)
    count = np.bincount(visits.behaviour)
    assert within(count[v.COLLECT], truth.collect_chance(*known))
    assert within(count[v.CART], truth.cart_chance(*known))
    # Only carts that cannot reach over the end of the year tell of the purchase.
    settled = w.START_MS + w.YEAR_MS - 10 * v.DELAY_MS
    carts = visits.take((visits.behaviour == v.CART) & (visits.time < settled))
    pair = visits.user * 1_000 + visits.item
    bought = np.isin(carts.user * 1_000 + carts.item, pair[visits.behaviour == v.BUY])
    chance = truth.buy_chance(*drives(world, shoppers, carts))
    assert within(bought.sum(), chance)
    # The same within those that were likely and those that were not.
    likely = chance > np.median(chance)
    assert within(bought[likely].sum(), chance[likely])
    assert within(bought[~likely].sum(), chance[~likely])


def test_purchases_come_at_once_or_days_later(visits):
    pair = visits.user * 1_000 + visits.item
    settled = w.START_MS + w.YEAR_MS - 10 * v.DELAY_MS
    early = pair[(visits.behaviour == v.CART) & (visits.time < settled)]
    bought = (visits.behaviour == v.BUY) & np.isin(pair, early)
    at_once = visits.session[bought] >= 0
    assert within(at_once.sum(), np.full(len(at_once), v.RULES.at_once))
    assert (visits.session[visits.behaviour < v.BUY] >= 0).all()


def steps(world, visits):
    """Category before and after each step within a session, and the sessions."""
    clicks = visits.take(visits.behaviour == v.CLICK)
    visit = clicks.user * 10_000 + clicks.session
    category = world.category[clicks.item].astype(int)
    inside = visit[1:] == visit[:-1]
    return category[:-1][inside], category[1:][inside], visit, category


def completing(before, after):
    follows = np.array([w.CATEGORIES.index(w.NEXT[name]) for name in w.CATEGORIES])
    return (follows[before] == after).mean()


def test_the_order_within_a_session_means_something(world, visits):
    before, after, visit, category = steps(world, visits)
    ahead, back = completing(before, after), completing(after, before)
    assert ahead > 0.3
    assert ahead > 2 * back
    shuffled = category[np.lexsort([np.random.default_rng(0).random(len(visit)), visit])]
    inside = visit[1:] == visit[:-1]
    ahead = completing(shuffled[:-1][inside], shuffled[1:][inside])
    back = completing(shuffled[1:][inside], shuffled[:-1][inside])
    assert abs(ahead - back) < 4 * np.sqrt(2 * ahead / inside.sum())


def test_colours_looked_at_together_are_in_harmony(world, visits):
    clicks = visits.take(visits.behaviour == v.CLICK)
    visit = clicks.user * 10_000 + clicks.session
    colour = world.colour[clicks.item]
    inside = visit[1:] == visit[:-1]
    fits = w.harmonious(colour[:-1], colour[1:])
    assert fits[inside].mean() > fits[~inside].mean() + 0.1


def test_the_power_law_of_popularity_is_found_again(world, visits):
    clicks = np.bincount(visits.item[visits.behaviour == v.CLICK], minlength=1_000)
    # Items listed from the first day, so that all had the same time.
    there = world.listed == 0
    slope = np.polyfit(np.log(world.popularity[there]), np.log(clicks[there] + 0.5), 1)[0]
    assert 0.8 < slope < 1.2


def test_nothing_is_clicked_before_it_is_listed(world, visits):
    # A session's share of the year is that of its start, to a 32-bit float's precision.
    assert (visits.time >= world.listed_ms[visits.item] - 5_000).all()


def test_tastes_and_demand_move_over_the_year(world, visits):
    clicks = visits.take(visits.behaviour == v.CLICK)
    share = truth.share_of_year(clicks.time)
    rising = world.trend[clicks.item]
    there = world.listed[clicks.item] == 0
    early, late = rising[there & (share < 0.25)].mean(), rising[there & (share > 0.75)].mean()
    assert late > early + 0.1
    coats = world.category[clicks.item] == w.CATEGORIES.index("coat")
    week = (share * 52).astype(int)
    winter, summer = coats[(week > 46) | (week < 4)].mean(), coats[(week > 22) & (week < 32)].mean()
    assert winter > 2 * summer


def test_sessions_do_not_overlap(visits):
    clicks = visits.take(visits.behaviour < v.BUY)
    same = np.diff(clicks.user) == 0
    assert (np.diff(clicks.session)[same] >= 0).all()


def test_a_block_s_visits_do_not_depend_on_other_blocks(world, visits):
    other = v.behave(world, v.shelves(world), Shoppers.draw(0, 1), seed=0, block=1, clicks=40)
    again = v.behave(world, v.shelves(world), Shoppers.draw(0, 0), seed=0, block=0, clicks=40)
    np.testing.assert_array_equal(again.time, visits.time)
    np.testing.assert_array_equal(again.item, visits.item)
    assert len(other) != len(visits)

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from grapevine.errors import ConfigError
from grapevine.models.base import Batches
from grapevine.tasks.mixture import Mixture

SIZES = {"large": 60, "middle": 30, "small": 10}


@given(st.dictionaries(st.sampled_from("abcde"), st.integers(0, 20)), st.integers(0, 9))
def test_each_mini_batch_comes_once_in_an_epoch(sizes, epoch):
    mixture = Mixture(sizes, seed=3, epoch=epoch)
    found = [mixture[step] for step in range(len(mixture))]
    assert sorted(found) == sorted((task, n) for task, size in sizes.items() for n in range(size))


def test_a_step_depends_on_seed_and_epoch_and_on_nothing_else():
    first = Mixture(SIZES, seed=1, epoch=4)
    assert isinstance(first, Batches)
    again = Mixture(SIZES, seed=1, epoch=4)
    # From the last to the first: what came before does not matter.
    steps = list(range(len(again)))
    assert [again[step] for step in reversed(steps)][::-1] == [first[step] for step in steps]
    orders = {
        tuple(Mixture(SIZES, seed=seed, epoch=epoch)[step] for step in steps)
        for seed in (1, 2)
        for epoch in (3, 4)
    }
    assert len(orders) == 4


@pytest.mark.parametrize("temper", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("step", [0, 50, 99])
def test_in_every_step_tasks_come_in_proportion(temper, step):
    shares = np.array(list(SIZES.values())) ** temper
    counts = Counter(
        Mixture(SIZES, seed=5, epoch=epoch, temper=temper)[step][0] for epoch in range(1000)
    )
    turns = Mixture(SIZES, seed=5, temper=temper).turns()
    assert list(turns.values()) == pytest.approx(100 * shares / shares.sum(), abs=1)
    wanted = 1000 * np.array(list(turns.values())) / 100
    assert chisquare([counts[task] for task in SIZES], wanted).pvalue > 0.001


def test_a_step_says_nothing_of_the_next():
    pairs = Counter()
    for epoch in range(40):
        mixture = Mixture(SIZES, seed=6, epoch=epoch)
        pairs.update((mixture[step][0], mixture[step + 1][0]) for step in range(0, 100, 2))
    shares = {task: size / 100 for task, size in SIZES.items()}
    # Without replacement: a task comes a little less often after itself.
    wanted = {(a, b): shares[a] * (SIZES[b] - (a == b)) / 99 * 2000 for a in SIZES for b in SIZES}
    assert chisquare([pairs[pair] for pair in wanted], list(wanted.values())).pvalue > 0.001


def test_a_small_task_starts_over_and_a_large_one_takes_others_next():
    epochs = [Mixture(SIZES, seed=0, epoch=epoch, temper=0.0) for epoch in range(4)]
    taken = [Counter(one[step] for step in range(len(one))) for one in epochs]
    for one in taken:
        times = [one["small", n] for n in range(10)]
        assert sum(times) in (33, 34)
        assert set(times) <= {3, 4}
        assert max(one["large", n] for n in range(60)) == 1
    large = [{n for task, n in one if task == "large"} for one in taken]
    assert large[0] != large[1]
    assert len(set.union(*large)) > 45


@given(st.dictionaries(st.sampled_from("abcde"), st.integers(0, 500)), st.floats(0, 1))
def test_turns_are_as_many_as_mini_batches_and_each_task_has_some(sizes, temper):
    turns = Mixture(sizes, seed=0, temper=temper).turns()
    assert sum(turns.values()) == sum(sizes.values())
    assert all((turns[task] > 0) == (size > 0) for task, size in sizes.items())
    ordered = sorted(sizes, key=lambda task: sizes[task])
    assert all(turns[a] <= turns[b] + 1 for a, b in pairwise(ordered))


def test_nothing_to_learn_is_an_epoch_of_no_steps():
    assert len(Mixture({}, seed=0)) == len(Mixture({"a": 0}, seed=0, temper=0.5)) == 0


@pytest.mark.parametrize("temper", [-0.1, 1.1, float("nan")])
def test_a_temper_beyond_is_refused(temper):
    with pytest.raises(ConfigError, match="`temper` is from 0 to 1"):
        Mixture(SIZES, seed=0, temper=temper)

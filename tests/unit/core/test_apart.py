"""Work in parts: in order, each on one thread, and no count of threads is left changed."""

import threading
import time

import numba
import numpy as np
import pytest
import torch

from grapevine.core.kernels import apart as module
from grapevine.core.kernels.apart import apart


@pytest.fixture
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


both = pytest.mark.parametrize("threads", [1, 2], indirect=True)


@both
def test_answers_come_in_order_and_each_part_is_alone(threads):
    def part(number):
        time.sleep(0.002 * (5 - number))
        return number, torch.get_num_threads(), numba.get_num_threads()

    of_numba = numba.get_num_threads()
    found = apart([lambda number=number: part(number) for number in range(5)])
    assert found == [(number, 1, 1) for number in range(5)]
    assert torch.get_num_threads() == threads
    assert numba.get_num_threads() == of_numba
    # What begins later has as many threads as it would have had.
    seen = []
    later = threading.Thread(target=lambda: seen.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert seen == [threads]


@both
def test_a_fault_is_raised_when_all_parts_have_ended(threads):
    done = []

    def slow():
        time.sleep(0.05)
        done.append(True)

    def bad():
        raise KeyError("this one")

    with pytest.raises(KeyError, match="this one"):
        apart([bad, slow] if threads > 1 else [slow, bad])
    assert done == [True]
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("threads", [2], indirect=True)
def test_two_parts_run_at_the_same_time(threads):
    met = threading.Barrier(2)
    apart([lambda: met.wait(20), lambda: met.wait(20)])


@pytest.mark.parametrize("threads", [2], indirect=True)
def test_where_loops_must_not_meet_parts_take_turns(threads, monkeypatch):
    monkeypatch.setattr(module, "loops_may_meet", lambda: False)
    where = apart([threading.get_ident, threading.get_ident])
    assert where == [threading.get_ident()] * 2


def test_nothing_and_one_part_need_no_other_thread():
    assert apart([]) == []
    assert apart([threading.get_ident]) == [threading.get_ident()]


@both
def test_no_bit_depends_on_the_threads(threads):
    generator = torch.Generator().manual_seed(1)
    left = [torch.randn(300, 64, generator=generator) for _ in range(4)]
    right = torch.randn(64, 500, generator=generator)
    found = apart([lambda one=one: (one @ right).sum(1).numpy() for one in left])
    torch.set_num_threads(1)
    wanted = [(one @ right).sum(1).numpy() for one in left]
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("threads", [2], indirect=True)
@pytest.mark.parametrize("small", [False, True])
def test_a_small_task_has_no_other_threads_to_wait_for(threads, small):
    assert apart([torch.get_num_threads], small=small) == [1 if small else 2]
    assert torch.get_num_threads() == threads

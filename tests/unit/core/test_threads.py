import numba

from grapevine.core.kernels.threads import WORTH, threads_for


def test_little_work_wakes_nobody_and_leaves_no_trace():
    before = numba.get_num_threads()
    with threads_for(WORTH - 1):
        assert numba.get_num_threads() == 1
    with threads_for(WORTH):
        assert numba.get_num_threads() == before
    assert numba.get_num_threads() == before

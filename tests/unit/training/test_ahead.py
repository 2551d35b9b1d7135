import os
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from grapevine.training.ahead import DEPTH, ahead


class Squares:
    """Batches that remember which were made."""

    def __init__(self, steps, bad=-1):
        self.steps, self.bad, self.made = steps, bad, []

    def __len__(self):
        return self.steps

    def __getitem__(self, step):
        if step == self.bad:
            raise ValueError(f"batch {step} cannot be made")
        self.made.append((step, threading.current_thread()))
        return step * step


def workers():
    return [one for one in threading.enumerate() if one.name == "grapevine-batches"]


@pytest.mark.parametrize(("steps", "start"), [(0, 0), (1, 0), (7, 0), (7, 3), (7, 7)])
def test_batches_come_in_order_made_by_one_other_thread(steps, start):
    batches = Squares(steps)
    with ahead(batches, start) as ready:
        assert list(ready) == [step * step for step in range(start, steps)]
    assert [step for step, _ in batches.made] == list(range(start, steps))
    assert {thread for _, thread in batches.made}.isdisjoint({threading.current_thread()})
    assert not workers()


def test_only_so_many_are_made_ahead():
    batches = Squares(100)
    with ahead(batches) as ready:
        next(ready)
        deadline = time.monotonic() + 5
        while len(batches.made) < DEPTH + 2 and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.02)
        # One is in use, two wait, and one is in the hand of the thread.
        assert len(batches.made) == DEPTH + 2
    assert len(batches.made) <= 2 * DEPTH + 3
    assert not workers()


def test_what_goes_wrong_is_raised_when_its_turn_comes():
    with ahead(Squares(9, 3)) as ready:
        assert [next(ready) for _ in range(3)] == [0, 1, 4]
        with pytest.raises(ValueError, match="batch 3 cannot be made"):
            next(ready)
    assert not workers()


def use(batches, then):
    with ahead(batches) as ready:
        next(ready)
        then()


def test_whoever_stops_early_leaves_no_thread_behind():
    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        use(Squares(50), stop)
    use(Squares(50), lambda: None)
    use(Squares(50, 1), lambda: None)
    assert not workers()


def test_without_a_pool_that_threads_may_share_batches_are_made_in_turn(monkeypatch):
    monkeypatch.setattr("grapevine.core.kernels.threads.loops_may_meet", lambda: False)
    batches = Squares(7, 5)
    with ahead(batches, 2) as ready:
        assert not batches.made
        assert [next(ready) for _ in range(3)] == [4, 9, 16]
        assert batches.made == [(step, threading.current_thread()) for step in (2, 3, 4)]
        assert not workers()
        with pytest.raises(ValueError, match="batch 5 cannot be made"):
            next(ready)


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["workqueue", "default"])
def test_batches_and_steps_may_both_run_parallel_loops(layer):
    """In the pool that a Mac may have alone, two loops at once would end the process."""
    script = """
        import numpy as np
        from grapevine.graph.counter import uniform_block
        from grapevine.training.ahead import ahead

        def loops():
            for _ in range(20):
                uniform_block(np.arange(2000, dtype=np.uint64), 100)

        class Batches:
            def __len__(self):
                return 20

            def __getitem__(self, step):
                loops()
                return step

        with ahead(Batches()) as ready:
            print(sum(step for step in ready if loops() is None))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={**os.environ, "NUMBA_THREADING_LAYER": layer},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "190\n"), done.stderr

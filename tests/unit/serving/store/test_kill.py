"""A writing process is killed at any moment: what it had acknowledged is there, and counts once."""

import subprocess
import sys
import time

import pytest

from grapevine.random import stream
from grapevine.serving.store import Event, open_store

ROUNDS = 3

WRITER = """
import sys
from grapevine.serving.store import Event, open_store

def said(future):
    # One write of one line: a reader sees all of it or nothing.
    names = " ".join(future.names)
    sys.stdout.write(f"{names}\\n")
    sys.stdout.flush()

store = open_store(sys.argv[1])
round = sys.argv[2]
print("open", flush=True)
for call in range(10**9):
    events = [Event(f"{round}-{call}-{n}", f"u{n}", "i", "view") for n in range(call % 7 + 1)]
    future = store.append(events)
    future.names = [event.event_id for event in events]
    future.add_done_callback(said)
    if call % 20 == 0:
        future.result()
"""


@pytest.mark.slow
def test_no_kill_loses_what_was_acknowledged(url):
    drawn = stream(0, "kill")
    acknowledged: set[str] = set()
    for number in range(ROUNDS):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, url, str(number)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        time.sleep(float(drawn.uniform(0.1, 0.6)))
        process.kill()
        said, _ = process.communicate()
        # The last line may have been cut off in the middle of an ID.
        whole = said[: said.rfind("\n") + 1]
        acknowledged |= set(whole.split())
        began = time.monotonic()
        with open_store(url) as store:
            assert time.monotonic() - began < 5
            before = store.counts()["events"]
            ids = sorted(acknowledged)
            again = [Event(name, "u0", "i", "view") for name in ids]
            pieces = [again[start : start + 1000] for start in range(0, len(again), 1000)]
            answers = [store.append(piece).result() for piece in pieces]
            # None is new: all of them were there.
            assert sum(answer.new for answer in answers) == 0
            assert sum(answer.repeated for answer in answers) == len(ids)
            assert store.counts()["events"] == before
    assert len(acknowledged) > 10

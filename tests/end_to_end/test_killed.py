"""A training that is killed ten times ends where one that is not ends, to the bit."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from grapevine import manifest
from grapevine.cli.app import run as grapevine
from grapevine.testing.worlds import checkerboard

STEPS = 54
ALONE = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS"), "1")


@pytest.mark.slow
def test_killed_at_ten_random_steps_and_resumed_gives_the_weights_to_the_bit(tmp_path):
    events = tmp_path / "events.csv"
    lines = [f"{u},{i},{1_700_000_000 + u * 100 + i}" for u, i in checkerboard()]
    events.write_text("\n".join(["user_id,item_id,timestamp", *lines]) + "\n")
    data, whole, pieces = (tmp_path / name for name in ("data", "whole", "pieces"))
    assert grapevine(["data", "import", str(events), "--out", str(data)]) == 0
    killed_at = sorted(random.Random(5).sample(range(1, STEPS - 2), 10))
    script = Path(__file__).with_name("killed.py")
    command = [sys.executable, script, data, whole, pieces, *map(str, killed_at)]
    done = subprocess.run(
        command, env={**os.environ, **ALONE}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("going on after") == 10
    for name in ("model.safetensors", "history.safetensors"):
        assert (whole / name).read_bytes() == (pieces / name).read_bytes(), name
    one, other = (
        [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
        for out in (whole, pieces)
    )
    for line in one + other:
        del line["seconds"], line["examples_per_second"]
    assert [line["epoch"] for line in one] == [1, 2, 3, 4, 5, 6]
    assert one == other
    manifest.verify(pieces)
    assert len(list(pieces.glob("checkpoints/step-*"))) == 2
    # What the killed processes were writing has gone.
    assert not [*tmp_path.glob(".*"), *pieces.glob("checkpoints/.*")]

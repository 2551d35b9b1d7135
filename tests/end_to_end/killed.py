"""Train, and be killed: `python killed.py DATA WHOLE PIECES STEP...` (see test_killed.py).

WHOLE is trained by `grapevine train` in a process that nobody disturbs, PIECES by a process that is
killed by SIGKILL once a checkpoint of each STEP is there, and resumed. The processes are forks of
this one, so that importing is paid for once.
"""

import os
import signal
import sys
import time
import traceback
from functools import partial
from pathlib import Path

import torch._dynamo  # noqa: F401  # the optimiser loads it

from grapevine import pipeline
from grapevine.cli.app import run as grapevine
from grapevine.models import MODELS, ModelRow
from grapevine.testing.learners import Tiny


def main(data: str, whole: str, pieces: str, *steps: str) -> None:
    MODELS["tiny"] = ModelRow(
        model=Tiny,
        config=Tiny.Config(epochs=6),
        neighbourhood="item <- the items beside it",
        merge="difference",
        update="gradient step",
    )
    # Every step, so that none of them is safe.
    pipeline.training.Session = partial(pipeline.training.Session, checkpoint_every=0.0)
    train = ["train", "tiny", "--data", data, "--out"]
    assert ended(begun([*train, whole])) == 0
    for number, step in enumerate(steps):
        child = begun([*train, pieces, *(["--resume"] if number else [])])
        while reached(Path(pieces)) < int(step):
            assert os.waitpid(child, os.WNOHANG) == (0, 0), f"done before step {step}"
            time.sleep(0.001)
        os.kill(child, signal.SIGKILL)
        assert ended(child) == -signal.SIGKILL
    assert ended(begun([*train, pieces, "--resume"])) == 0


def begun(command: list[str]) -> int:
    """A process of its own for a command."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        code = grapevine(command)
    except BaseException:
        traceback.print_exc()
    os._exit(code)


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def reached(out: Path) -> int:
    """The last step that there is a checkpoint of."""
    return max((int(path.name[5:]) for path in out.glob("checkpoints/step-*")), default=-1)


if __name__ == "__main__":
    main(*sys.argv[1:])

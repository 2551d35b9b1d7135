"""A service to be asked: a run of random weights, a store with histories, a process on one core."""

import argparse
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import numpy as np
import orjson

import serving_engine

CLIENT = Path(__file__).with_name("load_client.py")
SERVER_CORE, CLIENT_CORE = 0, 1


def prepared(folder: Path, *, items: int, users: int, events: int, seed: int = 0) -> Path:
    """A run folder with its user side as ONNX beside it, made unless it is there."""
    run = folder / f"run-{items}-{users}-{events}-{seed}"
    if not run.with_suffix(".onnx").exists():
        # Half of what each user did is known to the run, the other half came since.
        wanted = argparse.Namespace(
            items=items, users=users, events=events // 2, length=events, width=64, seed=seed
        )
        serving_engine.made(wanted).save(run)
        serving_engine.exported(run, run.with_suffix(".onnx"))
    return run


def filled(folder: Path, *, items: int, users: int, events: int) -> Path:
    """A store with the newer half of each user's history, made unless it is there."""
    from grapevine.serving.store import Event, open_store

    path = folder / f"store-{items}-{users}-{events}.db"
    if path.with_suffix(".done").exists():
        return path
    draw = np.random.default_rng(1)
    now = serving_engine.NOW + 60_000 * users * events
    events //= 2
    with open_store(f"sqlite:///{path}") as store:
        for start in range(0, users * events, 1000):
            some = range(start, min(start + 1000, users * events))
            rows = draw.integers(items, size=len(some)).tolist()
            # Arrivals of all users are mixed, as they are in life.
            store.append(
                [
                    Event(f"e{n}", f"u{n % users:06d}", f"i{row:06d}", "buy", now + 1000 * n)
                    for n, row in zip(some, rows)
                ]
            ).result()
    path.with_suffix(".done").touch()
    return path


class Service:
    """A service under way.

    Attributes:
        port: where it listens.
        proc: what the system says of its process (Linux).
    """

    def __init__(self, process: subprocess.Popen, port: int) -> None:
        self.proc, self.port = Path(f"/proc/{process.pid}"), port

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of a plain question."""
        return self._ask(urllib.request.Request(f"http://127.0.0.1:{self.port}{path}"))

    def post(self, path: str, body: dict) -> tuple[int, bytes]:
        """The same with a body."""
        return self._ask(
            urllib.request.Request(
                f"http://127.0.0.1:{self.port}{path}",
                orjson.dumps(body),
                {"content-type": "application/json"},
            )
        )

    def _ask(self, request: urllib.request.Request) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def counters(self) -> dict[str, float]:
        """What Prometheus would read."""
        text = self.get("/metrics")[1].decode()
        pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def processor(self) -> float:
        """Seconds of the processor that it has used."""
        # User and system, the 14th and 15th field; the name before them may have blanks.
        fields = (self.proc / "stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def files(self) -> int:
        """Files and connections that are open."""
        return len(os.listdir(self.proc / "fd"))

    def megabytes(self) -> float:
        """Of memory that is its own."""
        pages = int((self.proc / "statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def service(command: list[str], log: Path, *, core: int | None = SERVER_CORE) -> Iterator[Service]:
    """A server process on one core, until the end of the block.

    Args:
        command: that starts it; it writes where it listens.
        log: where what it writes is kept.
        core: to run on; any if None.
    """
    env = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    with log.open("wb") as file:
        process = subprocess.Popen(command, stderr=file, env=env)
    try:
        if core is not None:
            os.sched_setaffinity(process.pid, {core})
        found = Service(process, _port(process, log))
        while True:
            with suppress(OSError):
                if found.get("/readyz")[0] == 200:
                    break
            time.sleep(0.1)
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def served(run: Path, store: Path, log: Path) -> AbstractContextManager[Service]:
    """`grapevine serve` of a run."""
    program = Path(sys.executable).with_name("grapevine")
    return service(
        [str(program), "serve", str(run), "--port", "0", "--store", f"sqlite:///{store}"], log
    )


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    while process.poll() is None:
        found = re.search(rb"http://127.0.0.1:(\d+)", log.read_bytes())
        if found:
            return int(found[1])
        time.sleep(0.05)
    raise SystemExit(f"the service did not start: see {log}")


def asked(port: int, core: int | None = CLIENT_CORE, **how) -> dict:
    """What the client found."""
    command = [sys.executable, str(CLIENT), "--port", str(port)]
    for name, value in how.items():
        if value is False:
            command.append(f"--no-{name}")
        else:
            command += [f"--{name}", str(value)]
    if core is not None:
        command += ["--core", str(core)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return orjson.loads(done.stdout)

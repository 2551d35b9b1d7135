"""A service under load: its rate and its times, far too much load, models swapped, long runs.

`grapevine serve` with a SASRec of random weights over a generated catalogue, whose users have half
of their history in the run and half in the store (SQLite). A client in a process of its own asks
and looks at every answer: `load_client.py`. Server and client have a core each. Parts that are
done are kept in the folder; `--only` does some of them again.

    python benchmarks/serving_load.py --folder /tmp/load
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from load_page import page
from load_service import CLIENT_CORE, SERVER_CORE, asked, filled, prepared, served, service

USERS, EVENTS, ITEMS, FEW_ITEMS = 2_000, 50, 100_000, 20_000
CONNECTIONS = 8
SWAPS, WARM_SWAPS = 50, 5
OUT = Path(__file__).parent / "results" / "serving_load.md"


class Bench:
    """The parts, each of which gives its figures.

    Args:
        folder: for runs, stores and figures.
        seconds: of the main part.
        soak: minutes of the long run.
    """

    def __init__(self, folder: Path, seconds: float, soak: float) -> None:
        self.folder, self.seconds, self.minutes = folder, seconds, soak
        self.rate = 800.0

    def start(self, items: int = ITEMS, seed: int = 0) -> Any:
        """A service with a store that nobody has written to yet."""
        size = {"items": items, "users": USERS, "events": EVENTS}
        run, before = prepared(self.folder, **size, seed=seed), filled(self.folder, **size)
        store = self.folder / "now.db"
        for one in self.folder.glob("now.db*"):
            one.unlink()
        shutil.copy(before, store)
        return served(run, store, self.folder / "service.log")

    def ceiling(self) -> dict[str, Any]:
        """What the framework does by itself."""
        command = [sys.executable, str(Path(__file__).with_name("load_ceiling.py"))]
        with service(command, self.folder / "ceiling.log") as bare:
            return {
                kind: asked(
                    bare.port, path=f"/{kind}/USER", users=USERS, connections=CONNECTIONS,
                    seconds=8, check=False,
                )
                for kind in ("dict", "bytes")
            }  # fmt: skip

    def load(self) -> dict[str, Any]:
        """As fast as it goes for a minute, the bare framework before and after."""
        before = self.ceiling()
        with self.start() as one:
            # Every history was asked for once, and every page of the model touched.
            asked(one.port, users=USERS, connections=CONNECTIONS, seconds=6)
            began, counted = one.processor(), one.counters()
            full = asked(one.port, users=USERS, connections=CONNECTIONS, seconds=self.seconds)
            used = one.processor() - began
            stages = stages_of(counted, one.counters())
            many = asked(one.port, users=USERS, connections=32, seconds=10)
            queue = one.counters()["grapevine_queue"]
        return {
            "full": full, "many": many, "stages": stages, "queue": queue,
            "processor_ms": 1e3 * used / sum(full["status"].values()),
            "ceiling": [before, self.ceiling()],
        }  # fmt: skip

    def low(self) -> dict[str, Any]:
        """Asked little: caches of the processor are cold between two questions."""
        with self.start() as one:
            asked(one.port, users=USERS, connections=CONNECTIONS, seconds=4)
            return {
                str(rate): asked(one.port, users=USERS, connections=4, seconds=8, rate=rate)
                for rate in (20, 100, 400)
            }

    def overload(self) -> dict[str, Any]:
        """Five times what it can, then a third of it."""
        with self.start() as one:
            most = asked(one.port, users=USERS, connections=CONNECTIONS, seconds=8)["per_second"]
            long = 10
            found = asked(
                one.port, users=USERS, connections=512, warm=0, seconds=long + 8, rate=5 * most,
                after=long, then=most / 3,
            )  # fmt: skip
            ready = one.get("/readyz")[0]
        return {"capacity": most, "seconds": long, "found": found, "ready": ready}

    def swaps(self) -> dict[str, Any]:
        """Two runs that take turns under load."""
        size = {"items": FEW_ITEMS, "users": USERS, "events": EVENTS}
        runs = [prepared(self.folder, **size, seed=seed).name for seed in (0, 1)]
        with self.start(FEW_ITEMS) as one:
            found: dict[str, Any] = {}
            ended = threading.Event()
            rounds: list[dict[str, Any]] = []

            def ask() -> None:
                while not ended.is_set():
                    rounds.append(
                        asked(one.port, users=200, connections=16, warm=0, seconds=20, rate=150)
                    )

            asking = threading.Thread(target=ask)
            asking.start()
            took, memory = [], []
            for number in range(WARM_SWAPS + SWAPS):
                began = time.perf_counter()
                status, body = one.post("/v1/model", {"run": runs[1 - number % 2]})
                assert status == 200, body
                took.append(time.perf_counter() - began)
                memory.append(one.megabytes())
            ended.set()
            asking.join()
            for name in ("status", "faults", "versions"):
                found[name] = {}
                for part in rounds:
                    for key, count in part[name].items():
                        found[name][key] = found[name].get(key, 0) + count
            found |= {
                "p50_ms": float(np.median([part["p50_ms"] for part in rounds])),
                "p99_ms": max(part["p99_ms"] for part in rounds),
                "swap_s": float(np.median(took)), "memory": memory[WARM_SWAPS - 1 :],
            }  # fmt: skip
        return found

    def events(self) -> dict[str, Any]:
        """Events over HTTP, acknowledged when they are durable."""
        found = {}
        with self.start(FEW_ITEMS) as one:
            for seed, (events, connections) in enumerate(((1, 1), (1, 32), (100, 4), (1000, 2))):
                found[f"{events} x {connections}"] = asked(
                    one.port, users=USERS, connections=connections, seconds=8, events=events,
                    seed=seed, check=False,
                ) | {"events": events, "connections": connections}  # fmt: skip
        return found

    def soak(self) -> dict[str, Any]:
        """Reads and writes at half of what it can, for as long as is asked for."""
        every, told = 5.0, []
        with self.start() as one:
            port = one.port
            ended = threading.Event()
            writes: list[dict[str, Any]] = []

            def write() -> None:
                while not ended.is_set():
                    writes.append(
                        asked(
                            port, users=USERS, connections=4, warm=0, seconds=20, rate=20, events=1,
                            seed=100 + len(writes), check=False,
                        )
                    )  # fmt: skip

            writing = threading.Thread(target=write)
            writing.start()
            reading = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("load_client.py")), "--port",
                 str(port), "--users", str(USERS), "--connections", "16", "--rate", "400",
                 "--seconds", str(60 * self.minutes), "--warm", "0", "--no-repeats",
                 "--core", str(CLIENT_CORE)],
                stdout=subprocess.PIPE,
            )  # fmt: skip
            began = time.monotonic()
            while reading.poll() is None:
                time.sleep(every)
                told.append((time.monotonic() - began, one.megabytes(), one.files()))
            ended.set()
            writing.join()
            found = orjson.loads(reading.communicate()[0] or b"{}")
        return {
            "minutes": self.minutes, "reads": found, "told": told,
            "writes": sum(sum(part["status"].values()) for part in writes),
            "write_faults": sum(sum(part["faults"].values()) for part in writes),
        }  # fmt: skip


def stages_of(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """Milliseconds of each stage between two looks at the counters."""
    found = {}
    for name, total in after.items():
        if "stage_seconds_sum" in name:
            counted = name.replace("_sum", "_count")
            times = after[counted] - before.get(counted, 0)
            if times:
                stage = name.split('"')[1]
                found[stage] = 1e3 * (total - before.get(name, 0)) / times
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = ("load", "low", "overload", "swaps", "events")
    parser.add_argument("--folder", type=Path, required=True, help="runs and figures are kept here")
    parser.add_argument("--seconds", type=float, default=60.0, help="of the main part")
    parser.add_argument("--only", nargs="*", choices=(*names, "soak"), help="do these again")
    parser.add_argument("--soak", type=float, default=0.0, help="minutes of the long run")
    parser.add_argument("--note", help="to be said on the page: of the machine, of earlier figures")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    kept = given.folder / "figures.json"
    figures = orjson.loads(kept.read_bytes()) if kept.is_file() else {}
    bench = Bench(given.folder, given.seconds, given.soak)
    wanted = given.only
    if wanted is None:
        wanted = [name for name in names if name not in figures]
        wanted += ["soak"] if given.soak else []
    for name in wanted:
        print(f"{name} ...", flush=True)
        part: Callable[[], dict[str, Any]] = getattr(bench, name)
        figures[name] = part() | {"machine_load": os.getloadavg()[0]}
        kept.write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2))
    if given.note is not None:
        figures["note"] = given.note
    given.out.write_text(page(figures, about()))


def about() -> str:
    """On what, and when."""
    return (
        f"{date.today()}, `python benchmarks/serving_load.py`, {os.cpu_count()} cores, "
        f"{platform.system()}, Python {platform.python_version()}. The server has core "
        f"{SERVER_CORE}, the client core {CLIENT_CORE}."
    )


if __name__ == "__main__":
    main()

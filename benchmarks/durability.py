"""What the event store loses when it is killed (nothing), and how many events a second it keeps.

    python benchmarks/durability.py [--rounds 10] [--seconds 5] [--postgres-bin FOLDER] \
        --out benchmarks/results/durability.md

Each round a process of its own sends 10,000 events in calls of ten, fifty calls in flight, and is
killed (SIGKILL) after as many acknowledgements as are drawn. A new process then sends all 10,000
again, as a client would that does not know what got through. An event is lost if it was
acknowledged and is new to the second process; it is doubled if there are more rows than events.
With `--postgres-bin` (initdb, pg_ctl) the same on a PostgreSQL server of its own, and once more
with the server killed instead, while the writing process lives on.
"""

import argparse
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from grapevine.random import stream
from grapevine.serving.store import Event, Store, open_store

CALLS, SIZE, IN_FLIGHT = 1_000, 10, 50
CALLERS = (1, 10, 100)
HISTORY = 50


def events_of(round_: int, call: int) -> list[Event]:
    first = call * SIZE
    return [
        Event(f"r{round_}-{n}", f"u{n % 500}", f"i{n % 2_000}", "view", 1_700_000_000_000 + n)
        for n in range(first, first + SIZE)
    ]


def write(url: str, round_: int) -> None:
    """The process that is killed: says each acknowledged call in a line of its own."""
    slots = threading.Semaphore(IN_FLIGHT)
    with open_store(url) as store:
        print("open", flush=True)
        for call in range(CALLS):
            slots.acquire()
            future = store.append(events_of(round_, call))

            def said(done, call=call):
                answer = done.result()
                sys.stdout.write(f"{call} {answer.new} {answer.repeated}\n")
                sys.stdout.flush()
                slots.release()

            future.add_done_callback(said)


class Writing:
    """A process that writes a round, and what it has said so far."""

    def __init__(self, url: str, round_: int) -> None:
        began = time.perf_counter()
        command = [sys.executable, __file__, "--write", url, str(round_)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.said: dict[int, int] = {}
        if self._line() != "open\n":
            raise SystemExit("the writing process did not open the store")
        self.open_s = time.perf_counter() - began

    def read(self, calls: int) -> None:
        """Read until so many calls are acknowledged, or the process has ended."""
        while len(self.said) < calls and (line := self._line()):
            # The very last line may be cut in the middle by the kill.
            if line.endswith("\n"):
                call, new, _ = map(int, line.split())
                self.said[call] = new

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def kill(self) -> None:
        """Kill it, and read what it had still said."""
        self.process.kill()
        self.read(CALLS + 1)
        self.process.wait()

    def finish(self) -> None:
        """Read until it ends by itself."""
        self.read(CALLS + 1)
        if self.process.wait():
            raise SystemExit("the writing process failed")


def killed(url: str, rounds: int, server: "Cluster | None") -> str:
    """Rounds of killing; the line of the table.

    Args:
        url: the store.
        rounds: how many.
        server: what is killed instead of the writing process.
    """
    drawn = stream(0, "benchmark", "durability", "server" if server else "client")
    acknowledged = lost = doubled = 0
    restarts: list[float] = []
    for round_ in range(rounds):
        first = Writing(url, round_)
        first.read(int(drawn.integers(1, CALLS)))
        if server is None:
            first.kill()
        else:
            restarts.append(server.crash())
            first.finish()
        acknowledged += SIZE * len(first.said)
        again = Writing(url, round_)
        if server is None:
            restarts.append(again.open_s)
        again.finish()
        lost += sum(again.said[call] for call in first.said)
        with open_store(url, read_only=True) as store:
            found = store.counts()["events"]
            doubled += max(0, found - (round_ + 1) * CALLS * SIZE)
            lost += max(0, (round_ + 1) * CALLS * SIZE - found)
        print(f"round {round_}: {len(first.said) * SIZE:,} acknowledged, {lost} lost", flush=True)
    return (
        f"{rounds} | {rounds * CALLS * SIZE:,} | {acknowledged:,} | {lost} | {doubled} | "
        f"{statistics.median(restarts):.1f} | {max(restarts):.1f} |"
    )


def throughput(
    store: Store, callers: int, seconds: float, run: str
) -> tuple[float, float, float, float]:
    """Acknowledged events a second, microseconds of processor for each, and the waits.

    The waits are the median and the 99th percentile, in ms.
    """
    waits: list[list[float]] = [[] for _ in range(callers)]
    until = time.perf_counter() + seconds

    def call(caller: int) -> None:
        number = 0
        while (began := time.perf_counter()) < until:
            event = Event(f"{run}-{caller}-{number}", f"u{caller}", f"i{number % 2000}", "view")
            store.append([event]).result()
            waits[caller].append(1000 * (time.perf_counter() - began))
            number += 1

    busy = time.process_time()
    threads = [threading.Thread(target=call, args=(caller,)) for caller in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    every = sorted(wait for one in waits for wait in one)
    busy = 1e6 * (time.process_time() - busy) / len(every)
    return len(every) / seconds, busy, every[len(every) // 2], every[int(0.99 * len(every))]


def batches(store: Store, seconds: float, run: str) -> tuple[float, float]:
    """Events a second in calls of 1,000 by one caller, and microseconds of processor for each."""
    busy = time.process_time()
    count, until = 0, time.perf_counter() + seconds
    while time.perf_counter() < until:
        store.append(
            [Event(f"{run}-{count + n}", f"u{n}", f"i{n}", "view") for n in range(1000)]
        ).result()
        count += 1000
    return count / seconds, 1e6 * (time.process_time() - busy) / count


def reads(store: Store, seconds: float) -> tuple[float, float]:
    """Median and 99th percentile of reading a history of 50 for a model, in ms."""
    sent = [Event(f"h{n}", "reader", f"i{n}", "view") for n in range(HISTORY)]
    store.append(sent).result()
    waits, until = [], time.perf_counter() + seconds
    while (began := time.perf_counter()) < until:
        store.brief_history("reader", HISTORY)
        waits.append(1000 * (time.perf_counter() - began))
    waits.sort()
    return waits[len(waits) // 2], waits[int(0.99 * len(waits))]


def sync_ms(folder: Path) -> float:
    """Median of writing and syncing 4 KiB at the end of a file: what one commit costs at least."""
    waits = []
    with (folder / "sync").open("wb", buffering=0) as file:
        for _ in range(300):
            began = time.perf_counter()
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            waits.append(1000 * (time.perf_counter() - began))
    return statistics.median(waits)


class Cluster:
    """A PostgreSQL server of our own, with its own folder and port, as the package sets it up."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs, self.data = programs, folder / "data"
        # The server refuses to run as root.
        self.user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        if self.user:
            subprocess.run(["chown", "postgres", str(folder)], check=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._run("initdb", "-A", "trust", "-U", "postgres")
        self.start()
        self.url = f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.data.parent}"
        self._run("pg_ctl", "-w", "-l", str(self.data.parent / "log"), "-o", options, "start")

    def stop(self) -> None:
        """Stop it, its data kept."""
        self._run("pg_ctl", "-w", "-m", "fast", "stop")

    def crash(self) -> float:
        """Kill the server and start it again; seconds until it answers."""
        began = time.perf_counter()
        os.kill(int((self.data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        while True:
            # Its children hold on to its memory until they have noticed.
            with suppress(subprocess.CalledProcessError):
                self.start()
                return time.perf_counter() - began
            time.sleep(0.1)

    def _run(self, program: str, *options: str) -> None:
        command = [*self.user, str(self.programs / program), "-D", str(self.data), *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextmanager
def stores(programs: Path | None) -> Iterator[dict[str, tuple[str, Cluster | None]]]:
    """Addresses of empty stores by name."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        folder.chmod(0o755)
        found: dict[str, tuple[str, Cluster | None]] = {
            "SQLite": (f"sqlite:///{folder}/store.db", None)
        }
        if programs is None:
            yield found
            return
        (folder / "postgres").mkdir()
        server = Cluster(programs, folder / "postgres")
        try:
            yield {**found, "PostgreSQL": (server.url, server)}
        finally:
            server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10, help="of killing, at least 1")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--postgres-bin", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--write", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.write:
        write(args.write[0], int(args.write[1]))
        return
    kills = [
        "| store | killed | rounds | events | acknowledged | lost | doubled | restart s, "
        "median | worst |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    rates = [
        "| store | callers | events in a call | events/s | processor us/event | "
        "wait ms, median | p99 |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    with stores(args.postgres_bin) as found:
        for name, (url, server) in found.items():
            kills.append(f"| {name} | the writer | {killed(url, args.rounds, None)}")
            print(kills[-1], flush=True)
            if server is not None:
                with open_store(url) as store:
                    store.retain(store.clock() + 1)
                kills.append(f"| {name} | the server | {killed(url, args.rounds, server)}")
                print(kills[-1], flush=True)
            with open_store(url) as store:
                for callers in CALLERS:
                    rate, busy, *waits = throughput(store, callers, args.seconds, f"t{callers}")
                    middle, late = waits
                    rates.append(
                        f"| {name} | {callers} | 1 | {rate:,.0f} | {busy:,.0f} | {middle:.2f} | "
                        f"{late:.2f} |"
                    )
                rate, busy = batches(store, args.seconds, "b")
                rates.append(f"| {name} | 1 | 1,000 | {rate:,.0f} | {busy:,.0f} | | |")
                middle, late = reads(store, args.seconds)
                rates.append(
                    f"| {name} | 1, reading {HISTORY} events | | | | {middle:.2f} | {late:.2f} |"
                )
                print("\n".join(rates[-5:]), flush=True)
        with tempfile.TemporaryDirectory() as folder:
            synced = sync_ms(Path(folder))
    if args.out:
        given = " ".join(part for part in sys.argv[1:] if part not in {"--out", str(args.out)})
        lines = [
            "# Durability of the event store",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}, `python benchmarks/durability.py {given}`; "
            f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}; "
            f"load at the end {os.getloadavg()[0]:.1f}; writing and syncing 4 KiB takes "
            f"{synced:.2f} ms here (median), and a commit cannot take less.",
            "",
            "Each round a process sends 10,000 events in calls of ten, fifty calls in flight. It, "
            "or the server under it, is killed (SIGKILL) after as many acknowledgements as are "
            "drawn; "
            "then a new process sends all 10,000 again. Lost: acknowledged, and new to the second "
            "process. Doubled: more rows than events. Restart: from the start of the new process "
            "to its open store, imports included; of a server, from the kill until it answers, "
            "its own recovery included.",
            "",
            *kills,
            "",
            "Acknowledged events a second, each durable (SQLite: WAL, `synchronous=FULL`; "
            "PostgreSQL: `synchronous_commit=on`), callers being threads that wait for each "
            "acknowledgement; the last line of each store reads what a model is asked with.",
            "",
            *rates,
            "",
            "Loss of power at 200 points, simulated by dropping and tearing what was written and "
            "not yet synced: `pytest tests/unit/serving/store/test_power_loss.py`, 0 lost, "
            "`integrity_check` ok 200 of 200; the test fails if it is otherwise.",
        ]  # fmt: skip
        args.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

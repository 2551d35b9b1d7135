"""A lean client that asks a service from a process of its own, and looks at every answer.

Sockets and little else, so that what is measured is the service. Closed loop: each connection asks
again when it was answered. Open loop: questions come at a rate, whatever the service makes of
them, and the time counts from when a question was due. `serving_load.py` starts it.

    python benchmarks/load_client.py --port 8000 --users 2000 --connections 32 --seconds 10
"""

import argparse
import asyncio
import os
import sys
import time
from collections import Counter, deque
from itertools import pairwise
from typing import cast

import numpy as np
import orjson
import uvloop

LATE = 10.0
"""Seconds after which a question counts as never answered."""


class Connection(asyncio.Protocol):
    """One connection, one question at a time."""

    def __init__(self, load: "Load") -> None:
        self.load, self.buffer, self.user, self.due = load, b"", -1, 0.0

    def connection_made(self, transport) -> None:
        """As asyncio calls it."""
        self.transport = cast(asyncio.Transport, transport)

    def ask(self, due: float) -> None:
        """Send a question that was due then."""
        self.user, self.due = self.load.draw(), due
        self.transport.write(self.load.request(self.user))

    def data_received(self, data: bytes) -> None:
        """As asyncio calls it."""
        self.buffer += data
        head = self.buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        lower = self.buffer[:head].lower()
        at = lower.find(b"content-length:")
        length = int(lower[at + 15 :].split(b"\r\n", 1)[0])
        if len(self.buffer) < head + 4 + length:
            return
        body, self.buffer = self.buffer[head + 4 : head + 4 + length], b""
        user, due, self.user = self.user, self.due, -1
        self.load.answered(self, user, due, int(lower[9:12]), body)

    def connection_lost(self, exc: Exception | None) -> None:
        """As asyncio calls it."""
        self.load.lost(self)


class Load:
    """Questions to one service, and what came of them.

    Args:
        given: what was asked for on the command line.
    """

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.draws = np.random.default_rng(given.seed).integers(given.users, size=1 << 20)
        self.at, self.begun, self.stopped = 0, 0.0, False
        self.idle: deque[Connection] = deque()
        self.open = 0
        self.took: list[float] = []
        self.status: Counter[int] = Counter()
        self.faults: Counter[str] = Counter()
        self.versions: Counter[str] = Counter()
        self.all: list[tuple[float, int, float]] = []
        self.unsent = 0
        self.known: dict[tuple[str, int], dict[str, float]] = {}

    def draw(self) -> int:
        """The next user."""
        self.at += 1
        return int(self.draws[self.at % len(self.draws)])

    def request(self, user: int) -> bytes:
        """The bytes of a question."""
        if self.given.events:
            return self.events(user)
        path = self.given.path.replace("USER", f"u{user:06d}")
        return f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode()

    def events(self, user: int) -> bytes:
        """The bytes of a call with some events."""
        sent = [
            {
                "event_id": f"{self.given.seed}-{self.at}-{n}",
                "user_id": f"u{user:06d}",
                "item_id": f"i{self.at % 1000:06d}",
                "behaviour": "click",
            }
            for n in range(self.given.events)
        ]
        body = orjson.dumps({"events": sent})
        head = "POST /v1/events HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body

    def answered(self, by: Connection, user: int, due: float, status: int, body: bytes) -> None:
        """Note an answer, and ask the next question."""
        now = time.perf_counter()
        warm = now - self.begun > self.given.warm
        if warm:
            self.status[status] += 1
            if status in (200, 202):
                self.took.append(now - due)
        self.all.append((now - self.begun, status, now - due))
        if status == 200 and self.given.check:
            fault = self.fault(user, body)
            if fault:
                self.faults[fault] += 1
        elif status not in (200, 202, 429, 503):
            self.faults[f"status {status}: {body[:200].decode(errors='replace')}"] += 1
        if self.given.rate:
            self.idle.append(by)
        elif not self.stopped:
            by.ask(now)

    def fault(self, user: int, body: bytes) -> str:
        """What is wrong with an answer; empty if nothing is."""
        said = orjson.loads(body)
        items = said["items"]
        if said["user_id"] != f"u{user:06d}":
            return "another user's answer"
        if len(items) != 10 or [one["rank"] for one in items] != [*range(1, 11)]:
            return "not ten items"
        scores = [one["score"] for one in items]
        if any(after > one for one, after in pairwise(scores)):
            return "not best first"
        if said["fallback"] or not said["request_id"] or not items[0]["title"]:
            return "a fallback, or something left out"
        version = said["model"]["version"]
        self.versions[version] += 1
        names = {one["item_id"]: one["score"] for one in items}
        if len(names) != 10:
            return "an item twice"
        if not self.given.repeats:
            return ""
        before = self.known.setdefault((version, user), names)
        # What scores alike to the last bits may change places; nothing else may.
        worst = min(before.values()) + 1e-3
        for name, score in before.items():
            if score > worst and abs(names.get(name, -1e9) - score) > 1e-3:
                return "not what this version said before"
        return ""

    def lost(self, one: Connection) -> None:
        """Note a connection that broke."""
        self.open -= 1
        if not self.stopped:
            self.faults["connection lost"] += 1

    async def connect(self) -> Connection:
        """One more connection."""
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(
            lambda: Connection(self), "127.0.0.1", self.given.port
        )
        self.open += 1
        return made

    async def run(self) -> None:
        """Ask for as long as was said."""
        connections = [await self.connect() for _ in range(self.given.connections)]
        self.begun = time.perf_counter()
        if self.given.rate:
            self.idle.extend(connections)
            await self.openly()
        else:
            for one in connections:
                one.ask(time.perf_counter())
            await asyncio.sleep(self.given.warm + self.given.seconds)
        self.stopped = True
        waited = time.perf_counter()
        while any(one.user >= 0 for one in connections) and time.perf_counter() - waited < LATE:
            await asyncio.sleep(0.01)
        never = sum(one.user >= 0 for one in connections)
        if never:
            self.faults["never answered"] += never

    async def openly(self) -> None:
        """Ask at a rate; at `--after` seconds the rate falls to `--then`."""
        given = self.given
        due, end = self.begun, self.begun + given.warm + given.seconds
        while due < end:
            now = time.perf_counter()
            if due > now:
                # Timers are of whole milliseconds: the last two are waited out, for being late
                # would be taken for the service's own time.
                await asyncio.sleep(max(due - now - 0.002, 0))
                continue
            if self.idle:
                self.idle.popleft().ask(due)
            else:
                self.unsent += 1
            slow = given.after and now - self.begun > given.after
            due += 1 / (given.then if slow else given.rate)

    def report(self) -> dict:
        """What came of it."""
        took = 1e3 * np.array(self.took or [np.nan])
        seconds = self.given.seconds
        # The last moment at which anybody was turned away.
        refused = [at for at, status, _ in self.all if status not in (200, 202)]
        # After the rate has fallen: what is told second by second.
        by_second = [
            [took for at, status, took in self.all if status == 200 and int(at) == second]
            for second in range(int(self.given.after), int(self.given.warm + seconds))
        ]
        return {
            "answered": len(self.took),
            "per_second": len(self.took) / seconds,
            "p50_ms": float(np.quantile(took, 0.5)),
            "p99_ms": float(np.quantile(took, 0.99)),
            "p999_ms": float(np.quantile(took, 0.999)),
            "worst_ms": float(took.max()),
            "status": {str(name): count for name, count in self.status.items()},
            "faults": dict(self.faults),
            "versions": dict(self.versions),
            "last_refused_s": max(refused, default=0.0),
            "unsent": self.unsent,
            "p99_by_second_ms": [1e3 * float(np.quantile(one or [0], 0.99)) for one in by_second],
            "processor_s": time.process_time(),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--path", default="/v1/users/USER/recommendations")
    parser.add_argument("--users", type=int, required=True)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--warm", type=float, default=2.0, help="seconds that do not count")
    parser.add_argument("--rate", type=float, default=0.0, help="questions a second; 0: closed")
    parser.add_argument("--after", type=float, default=0.0, help="seconds, then...")
    parser.add_argument("--then", type=float, default=0.0, help="...this rate")
    parser.add_argument("--events", type=int, default=0, help="send so many in each call instead")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--core", type=int, default=-1, help="to run on")
    parser.add_argument("--check", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument(
        "--repeats", action=argparse.BooleanOptionalAction, default=True,
        help="whether each user is told the same again: nobody does anything meanwhile",
    )  # fmt: skip
    given = parser.parse_args()
    if given.core >= 0:
        os.sched_setaffinity(0, {given.core})
    load = Load(given)
    uvloop.run(load.run())
    sys.stdout.buffer.write(orjson.dumps(load.report()))


if __name__ == "__main__":
    main()

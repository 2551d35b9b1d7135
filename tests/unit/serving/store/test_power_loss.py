"""The power goes at any moment, or the disk refuses: nothing acknowledged is lost.

SQLite runs over a file system of ours (apsw's VFS). It writes down every write, cut and sync in
their order. From that script the disk is built as it may be found after a loss of power at any
point: what was synced is there; of what was written since then, each piece is there, is not, or is
torn at a sector. The store is then opened on it, and must hold every event that had been
acknowledged by then.
"""

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw
import numpy as np
import pytest

from grapevine.errors import StoreError
from grapevine.random import stream
from grapevine.serving.store import Appended, Event, Store, open_store, sqlite

VFS = "recorded"
SECTOR = 512
CUTS = 200


@dataclass
class Script:
    """What was done to files, in order: writes, cuts, syncs, removals; and acknowledgements.

    Attributes:
        steps: (what, file, offset or length, data).
        refuse: is asked before each step, and may raise instead.
    """

    steps: list[tuple[str, str, int, bytes]] = field(default_factory=list)
    refuse: Callable[[str, str], None] = lambda what, name: None

    def note(self, what: str, name: str, place: int = 0, data: bytes = b"") -> None:
        self.refuse(what, name)
        self.steps.append((what, name, place, data))


class RecordedFiles(apsw.VFS):
    """The system's files, every change of them written down."""

    def __init__(self, script: Script) -> None:
        self.script = script
        super().__init__(VFS, "")

    def xOpen(self, name: Any, flags: list[int]) -> "RecordedFile":
        return RecordedFile(name, flags, self.script)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        self.script.note("remove", Path(filename).name, int(syncdir))
        super().xDelete(filename, syncdir)


class RecordedFile(apsw.VFSFile):
    def __init__(self, name: Any, flags: list[int], script: Script) -> None:
        super().__init__("", name, flags)
        given = name.filename() if isinstance(name, apsw.URIFilename) else name
        # Temporary files have no name, and nobody looks for them after a loss of power.
        self.name = Path(given).name if given else ""
        self.script = script

    def xWrite(self, data: bytes, offset: int) -> None:
        self._note("write", offset, data)
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        self._note("cut", newsize)
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:
        self._note("sync")
        super().xSync(flags)

    def _note(self, what: str, place: int = 0, data: bytes = b"") -> None:
        if self.name:
            self.script.note(what, self.name, place, bytes(data))


class Driver:
    """As much of the DB-API over apsw as the store asks of it; its faults are sqlite3's."""

    Error = sqlite3.Error
    OperationalError = sqlite3.OperationalError
    sqlite_version_info = tuple(map(int, apsw.sqlite_lib_version().split(".")))

    @staticmethod
    def connect(address: str, **_: Any) -> "Connection":
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_URI
        with translated():
            inner = apsw.Connection(address, flags=flags, vfs=VFS)
            inner.set_busy_timeout(10_000)
        return Connection(inner)


class translated:
    """apsw's exceptions as those of sqlite3."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, apsw.ConstraintError):
            raise sqlite3.IntegrityError(str(error)) from error
        if isinstance(error, apsw.Error | OSError):
            raise sqlite3.OperationalError(str(error)) from error


class Connection:
    isolation_level: Any = None

    def __init__(self, inner: apsw.Connection) -> None:
        self.inner = inner

    def create_function(self, *_: Any, **__: Any) -> None: ...

    def cursor(self) -> "Cursor":
        return Cursor(self.inner)

    def execute(self, statement: str, parameters: tuple[Any, ...] = ()) -> "Cursor":
        return self.cursor().execute(statement, parameters)

    def commit(self) -> None:
        self._end("COMMIT")

    def rollback(self) -> None:
        self._end("ROLLBACK")

    def close(self) -> None:
        with translated():
            self.inner.close(True)

    def _end(self, how: str) -> None:
        with translated():
            if self.inner.in_transaction:
                self.inner.execute(how)


class Cursor:
    arraysize = 1

    def __init__(self, inner: apsw.Connection) -> None:
        self.inner = inner
        self.rows: Iterator[Any] = iter(())
        self.description: Any = None
        self.rowcount = self.lastrowid = -1

    def execute(self, statement: str, parameters: Any = ()) -> "Cursor":
        with translated():
            before = self.inner.total_changes()
            found, names = self.inner.cursor(), []

            def look(cursor: apsw.Cursor, *_: Any) -> bool:
                # Before it runs: of a question without an answer nothing is known afterwards.
                names.extend(cursor.get_description())
                return True

            found.exec_trace = look
            # Read at once: apsw does nothing before it is asked for rows.
            self.rows = iter(list(found.execute(statement, tuple(parameters))))
            self.description = [(*one, *([None] * 5))[:7] for one in names] or None
            self.rowcount = self.inner.total_changes() - before
        return self

    def fetchone(self) -> Any:
        return next(self.rows, None)

    def fetchmany(self, size: int) -> list[Any]:
        return [row for row, _ in zip(self.rows, range(size))]

    def fetchall(self) -> list[Any]:
        return list(self.rows)

    def close(self) -> None: ...


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Script]:
    """What happens to files from here on."""
    recorded = Script()
    files = RecordedFiles(recorded)
    monkeypatch.setattr(sqlite, "DRIVER", Driver)
    yield recorded
    files.unregister()


def disk_after(
    steps: list[tuple[str, str, int, bytes]], drawn: np.random.Generator, folder: Path
) -> None:
    """Write the files as they may be found when the power goes after these steps."""
    synced: dict[str, bytearray] = {}
    since: dict[str, list[tuple[str, int, bytes]]] = {}
    # Removed, and their folder not yet synced: they may be there still, as they were.
    removed: dict[str, bytearray] = {}
    for what, name, place, data in steps:
        if what == "sync":
            # SQLite syncs the folder with the first sync of a log or journal that it has made.
            if name not in synced and name.endswith(("-wal", "-journal")):
                removed.clear()
            content = synced.setdefault(name, bytearray())
            for change in since.pop(name, []):
                apply(content, *change)
        elif what == "remove":
            since.pop(name, None)
            removed[name] = synced.pop(name, bytearray())
            if place:  # with a sync of the folder
                removed.clear()
        elif what != "acknowledged":
            since.setdefault(name, []).append((what, place, data))
    for name in {*synced, *since}:
        content = synced.get(name, bytearray())
        # Three kinds of disk: that kept nothing more, that kept all, that kept some in any order.
        kind = drawn.integers(3)
        for what, place, data in since.get(name, []) if kind else []:
            fate = drawn.random() if kind == 2 else 0.0
            if fate < 0.4:
                apply(content, what, place, data)
            elif fate < 0.7 and what == "write":
                torn = SECTOR * int(drawn.integers(len(data) // SECTOR + 1))
                apply(content, what, place, data[:torn])
        if content or name in synced:
            (folder / name).write_bytes(content)
    for name, content in removed.items():
        if drawn.random() < 0.5:
            (folder / name).write_bytes(content)


def apply(content: bytearray, what: str, place: int, data: bytes) -> None:
    if what == "cut":
        del content[place:]
        return
    content.extend(bytes(max(0, place + len(data) - len(content))))
    content[place : place + len(data)] = data


def filled(store: Store, script: Script, groups: int) -> None:
    """Append, expose nothing, forget nobody; note each acknowledgement in the script."""
    drawn = stream(0, "power", "events")
    number = 0
    for _ in range(groups):
        size = int(drawn.integers(1, 40))
        sent = [
            Event(f"e{number + place}", f"u{place % 5}", "i" * int(drawn.integers(1, 120)), "view")
            for place in range(size)
        ]
        number += size
        store.append(sent).result()
        script.steps.append(("acknowledged", "", number, b""))


@pytest.mark.slow
def test_no_loss_of_power_loses_what_was_acknowledged(script, tmp_path, monkeypatch):
    # Small, so that the log is copied into the file and begun anew many times in a short run.
    monkeypatch.setattr(sqlite, "CHECKPOINT_PAGES", 40)
    with open_store(f"sqlite:///{tmp_path}/store.db") as store:
        filled(store, script, 60)
    steps = script.steps
    assert sum(what == "sync" and name == "store.db" for what, name, _, _ in steps) > 5
    begun = next(at for at, step in enumerate(steps) if step[0] == "acknowledged")
    drawn = stream(1, "power", "cuts")
    monkeypatch.undo()
    # Two hundred stores are opened: where there is one, on a disk that needs no waiting for.
    memory = next((place for place in [Path("/dev/shm")] if place.is_dir()), tmp_path)
    lost, kept = [], []
    for cut in sorted(drawn.integers(begun, len(steps), CUTS).tolist()):
        acknowledged = max(
            place for what, _, place, _ in steps[: cut + 1] if what == "acknowledged"
        )
        with tempfile.TemporaryDirectory(dir=memory) as folder:
            disk_after(steps[: cut + 1], drawn, Path(folder))
            path = Path(folder) / "store.db"
            with open_store(f"sqlite:///{path}") as store:
                found = {event.event_id for user in range(5) for event in store.history(f"u{user}")}
                count = store.counts()["events"]
            with sqlite3.connect(path) as connection:
                (sound,) = connection.execute("PRAGMA integrity_check").fetchone()
                found = {one for (one,) in connection.execute("SELECT event_id FROM events")}
            connection.close()
        missing = {f"e{number}" for number in range(acknowledged)} - found
        if missing or sound != "ok":
            lost.append((cut, len(missing), sound))
        kept.append(count - acknowledged)
    assert lost == []
    # Some of what nobody was told of was there as well: the disks did differ.
    assert any(kept)


def test_a_disk_that_does_not_sync_would_be_found_out(script, tmp_path):
    """The simulation sees a store that acknowledges too early: with NORMAL events are lost."""
    address = f"sqlite:///{tmp_path}/store.db"
    with open_store(address) as store:
        store._writer.do(lambda _: None).result()
        raw = store._writer._connection.connection.dbapi_connection
        raw.execute("PRAGMA synchronous=NORMAL")
        filled(store, script, 20)
    acknowledgements = [at for at, step in enumerate(script.steps) if step[0] == "acknowledged"]
    steps = script.steps[: acknowledgements[10] + 1]
    lost = 0
    for seed in range(10):
        folder = tmp_path / str(seed)
        folder.mkdir()
        disk_after(steps, stream(seed, "power", "normal"), folder)
        with open_store(f"sqlite:///{folder}/store.db") as store:
            lost += store.counts()["events"] < steps[-1][2]
    assert lost > 0


@pytest.mark.parametrize("what", ["sync", "write"])
@pytest.mark.parametrize("fault", [apsw.IOError, apsw.FullError])
def test_a_disk_that_refuses_is_told_and_gone_on_with(script, tmp_path, events, what, fault):
    address = f"sqlite:///{tmp_path}/store.db"
    with open_store(address) as store:
        kept = events(5)
        store.append(kept).result()

        def refuse(step: str, name: str) -> None:
            if step == what and name.endswith("-wal"):
                raise fault("the disk does not")

        script.refuse = refuse
        for _ in range(2):
            with pytest.raises(StoreError) as caught:
                store.append(events(3)).result()
            assert caught.value.hint
        assert not store.health().alive
        assert store.history("u1") == kept
        script.refuse = lambda step, name: None
        more = events(3)
        assert store.append(more).result() == Appended(3, 0)
        assert store.health().alive
        assert store.history("u1") == [*kept, *more]
    with sqlite3.connect(tmp_path / "store.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    with open_store(address) as store:
        assert store.counts()["events"] == 8

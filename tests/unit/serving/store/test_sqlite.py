"""What only a file can do wrong: locks, modes, full disks, remains of what was deleted."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from grapevine.errors import StoreError
from grapevine.random import stream
from grapevine.serving.store import Appended, Event, Exposure, open_store, sqlite

T0 = 1_700_000_000_000

WRITER = """
import sys
from grapevine.errors import StoreError
from grapevine.serving.store import Event, open_store
try:
    store = open_store(sys.argv[1])
    for number in range(int(sys.argv[2])):
        events = [Event(f"e{number}-{place}", "u", "i" * 100, "view") for place in range(100)]
        store.append(events).result()
        print(number, flush=True)
except StoreError as error:
    sys.exit(str(error))
"""


def python(code: str, *arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        **options,  # pyright: ignore[reportArgumentType]
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def address(sqlite_url: str) -> str:
    return sqlite_url


def integrity(path: Path) -> str:
    with sqlite3.connect(path) as connection:
        (said,) = connection.execute("PRAGMA integrity_check").fetchone()
    connection.close()
    return said


def test_a_commit_waits_for_the_disk_and_readers_cannot_write(address):
    with open_store(address) as store:
        asked = ["journal_mode", "synchronous", "secure_delete", "fullfsync"]
        found = store._writer.do(
            lambda connection: [
                connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in asked
            ]
        ).result()
        assert found == ["wal", 2, 1, 1]
        with store.backend.readers.connect() as connection:
            assert connection.exec_driver_sql("PRAGMA wal_autocheckpoint").scalar() == 0
            with pytest.raises(Exception, match="readonly"):
                connection.exec_driver_sql("DELETE FROM events")


def test_a_second_process_is_refused_below_the_version_that_can_share(address, monkeypatch):
    monkeypatch.setattr(sqlite, "SAFE", (99, 0, 0))
    with open_store(address):
        done = python(WRITER.replace("import sys", PATCH), address, 1)
        assert done.returncode == 1
        assert "another process serves from this file" in done.stderr
        assert "PostgreSQL" in done.stderr
        # A look beside it is no service.
        open_store(address, read_only=True).close()
    assert python(WRITER.replace("import sys", PATCH), address, 1).returncode == 0


PATCH = "import sys; from grapevine.serving.store import sqlite; sqlite.SAFE = (99, 0, 0)"


def test_processes_share_from_the_version_that_can(address, events, monkeypatch):
    """Only the lock is shared here: whether this SQLite may is another matter."""
    monkeypatch.setattr(sqlite, "SAFE", (3, 0, 0))
    with open_store(address) as one, open_store(address) as two:
        first, second = events(3), events(3)
        one.append(first).result()
        assert two.append(first[:1]).result() == Appended(0, 1)
        two.append(second).result()
        assert one.history("u1") == [*first, *second]
        # Whoever has an older version stays outside.
        monkeypatch.setattr(sqlite, "SAFE", (99, 0, 0))
        with pytest.raises(StoreError, match="another process"):
            open_store(address)


def test_network_file_systems_are_told_from_others():
    mounts = (
        "/dev/sda1 / ext4 rw 0 0\n"
        "nas:/export /mnt/nas nfs4 rw 0 0\n"
        "//nas/with\\040space /mnt/with\\040space cifs rw 0 0\n"
        "tmpfs /mnt/nas/local tmpfs rw 0 0\n"
        "overlay /twice nfs rw 0 0\n"
        "overlay /twice ext4 rw 0 0\n"
    )
    found = {
        path: sqlite.network_of(Path(path), mounts)
        for path in (
            "/var/store.db",
            "/mnt/nas/store.db",
            "/mnt/nasal/store.db",
            "/mnt/with space/store.db",
            "/mnt/nas/local/store.db",
            "/twice/store.db",
        )
    }
    assert {path: kind for path, kind in found.items() if kind} == {
        "/mnt/nas/store.db": "nfs4",
        "/mnt/with space/store.db": "cifs",
    }


@pytest.mark.skipif(sys.platform != "linux", reason="file systems are told on Linux alone")
def test_a_network_file_system_is_refused(address, monkeypatch):
    monkeypatch.setattr(sqlite, "network_of", lambda path, mounts: "nfs")
    with pytest.raises(StoreError, match=r"network file system \(nfs\)"):
        open_store(address)


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(StoreError) as caught:
        open_store(f"sqlite:///{tmp_path}/no/store.db")
    assert "mkdir -p" in caught.value.hint


def test_a_folder_that_cannot_be_written_is_told():
    # Outside of pytest's own folder, which is closed to others; no folder is closed to root.
    code = WRITER.replace("try:", "from grapevine.serving.store import sqlite\n" + NOBODY, 1)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        done = python(code, f"sqlite:///{folder}/store.db", 1)
        assert not list(Path(folder).iterdir())
    assert done.returncode == 1, done.stderr
    assert "Permission denied" in done.stderr
    assert "hint: the user that runs this must be able to write" in done.stderr


NOBODY = """
import os
if os.getuid() == 0:
    os.setuid(65534)
try:"""


def test_a_damaged_file_is_told(address, path):
    path.write_bytes(b"this is no database, whatever its name may say" * 100)
    with pytest.raises(StoreError, match="not a database") as caught:
        open_store(address)
    assert "backup" in caught.value.hint


def test_a_full_disk_loses_nothing_and_is_recovered_from(address, path):
    """A limit on the size of files stands in for the disk: the system refuses the write as well."""
    limited = (
        "import resource, signal, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (600_000,) * 2)"
    )
    done = python(WRITER.replace("import sys", limited), address, 1000)
    assert done.returncode == 1, done.stderr
    assert "hint:" in done.stderr
    acknowledged = len(done.stdout.split())
    assert acknowledged > 5
    assert integrity(path) == "ok"
    with open_store(address) as store:
        assert store.counts()["events"] == 100 * acknowledged
        assert len(store.history("u")) == 500


@pytest.mark.skipif(
    sys.platform != "linux" or os.getuid() != 0, reason="mounting a small disk needs root on Linux"
)
def test_a_full_tmpfs_is_told_and_the_store_goes_on_by_itself(tmp_path, events):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("this system does not let tests mount a disk")
    ballast = disk / "ballast"
    try:
        with open_store(f"sqlite:///{disk}/store.db") as store:
            kept = events(100)
            store.append(kept).result()
            ballast.write_bytes(bytes(2**20))
            refused = None
            while refused is None:
                sent = events(100, item_id="i" * 100)
                try:
                    store.append(sent).result()
                    kept += sent
                except StoreError as error:
                    refused = error
            assert "the disk is full: make room" in str(refused)
            assert not store.health().alive
            assert store.history("u1") == kept[-500:]
            ballast.unlink()
            # Nobody sends anything: it finds out by itself.
            assert becomes_alive(store)
            assert store.append(sent).result() == Appended(100, 0)
            kept += sent
            assert store.counts()["events"] == len(kept)
        assert integrity(disk / "store.db") == "ok"
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def becomes_alive(store, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not store.health().alive and time.monotonic() < deadline:
        time.sleep(0.05)
    return store.health().alive


def test_no_byte_of_a_forgotten_user_remains(address, path, monkeypatch):
    """In the file, its indices, its log; after pages were split many times, in any order."""
    drawn = stream(0, "bytes")
    users = [f"secret-{n:03d}-{'x' * int(drawn.integers(100))}" for n in range(60)]
    number = 0

    def some(size: int) -> list[Event]:
        nonlocal number
        number += size
        who = drawn.integers(len(users), size=size).tolist()
        return [Event(f"e{number - n}", users[user], f"i{n}", "view") for n, user in enumerate(who)]

    def found(user: str) -> bool:
        return user.encode() in path.read_bytes() + Path(f"{path}-wal").read_bytes()

    with open_store(address) as store:
        for step in range(20):
            store.append(some(200)).result()
            shown = [Exposure(f"r{step}", users[step], f"i{n}", n + 1, 0.5) for n in range(20)]
            store.expose(shown).result()
        for user in users[:10]:
            assert found(user)
            assert store.forget(user).left == 0
            assert not found(user)
        # A store too large to be rewritten each time is rewritten when it is asked for.
        monkeypatch.setattr(sqlite, "REWRITTEN_BYTES", 0)
        before = {user: store.history(user) for user in users[30:]}
        for user in users[10:30]:
            store.forget(user)
        store.compact()
        assert not any(found(user) for user in users[:30])
        assert {user: store.history(user) for user in users[30:]} == before
        assert set(store.forgotten(users)) == set(users[:30])


def test_a_reader_in_the_way_delays_the_emptying_and_not_the_forgetting(
    address, path, events, monkeypatch, caplog
):
    monkeypatch.setattr(sqlite, "BUSY_MS", 50)
    with open_store(address) as store:
        store.append(events(5, user="jane.doe")).result()
        reader = sqlite3.connect(path, isolation_level=None)
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM events").fetchone() == (5,)
        assert store.forget("jane.doe").left == 0
        assert "stay in the file or its log" in caplog.text
        assert "jane" not in caplog.text
        assert store.health().alive
        reader.close()
        store.forget("somebody.else")
        assert b"jane.doe" not in path.read_bytes() + Path(f"{path}-wal").read_bytes()


def test_only_its_owner_can_read_the_file(address, path):
    with open_store(address):
        for file in (path, Path(f"{path}-wal"), path.with_name("store.db.lock")):
            assert file.stat().st_mode & 0o777 == 0o600


def test_a_backup_is_restored_by_copying_it_back(address, path, events, tmp_path):
    kept = events(50)
    with open_store(address) as store:
        store.append(kept).result()
        store.backup(tmp_path / "backup.db")
        store.append(events(5)).result()
        with pytest.raises(StoreError, match="exists already"):
            store.backup(tmp_path / "backup.db")
        with pytest.raises(StoreError, match="was not written"):
            store.backup(tmp_path / "no" / "backup.db")
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        "backup.db",
        "store.db",
        "store.db.lock",
    ]
    assert integrity(tmp_path / "backup.db") == "ok"
    shutil.copy(tmp_path / "backup.db", path)
    with open_store(address) as store:
        assert store.history("u1") == kept
        assert store.append(kept[:1]).result() == Appended(0, 1)


@pytest.mark.parametrize("name", ["a b.db", "wie?.db", "50%.db", "#1.db", "été.db"])
def test_odd_names_of_files_are_taken_as_they_are(tmp_path, name):
    from sqlalchemy import URL

    address = URL.create("sqlite", database=str(tmp_path / name)).render_as_string()
    open_store(address).close()
    assert (tmp_path / name).is_file()

"""What only a server can do: go away in the middle, before or after it has committed."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import make_url

from grapevine.errors import StoreError
from grapevine.serving.store import Appended, open_store

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


class Proxy:
    """Passes bytes between the store and the server, until it is told to cut.

    Attributes:
        cut_at: bytes of the client; when they come by, every connection is cut.
        passing: whether those bytes still reach the server before the cut.
        mute: whether the server's answers are dropped.
        closed: whether new connections are refused as well.
    """

    def __init__(self, host: str, port: int) -> None:
        self.server = (host, port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.pairs: list[tuple[socket.socket, socket.socket]] = []
        self.cut_at, self.passing, self.closed, self.cuts = b"", True, False, 0
        self.mute = False
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        self.cuts += 1
        self.mute = False
        pairs, self.pairs = self.pairs, []
        for one in (one for pair in pairs for one in pair):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def close(self) -> None:
        self.listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.closed:
                client.close()
                continue
            server = socket.create_connection(self.server)
            self.pairs.append((client, server))
            for source, target, watched in ((client, server, True), (server, client, False)):
                threading.Thread(
                    target=self._pass, args=(source, target, watched), daemon=True
                ).start()

    def _pass(self, source: socket.socket, target: socket.socket, watched: bool) -> None:
        while True:
            try:
                data = source.recv(65536)
                if watched and self.cut_at and self.cut_at in data:
                    self.cut_at = b""
                    if self.passing:
                        self.mute = True
                        target.sendall(data)
                        time.sleep(0.2)  # for the server to commit what nobody will hear of
                    self.cut()
                    return
                if not data:
                    return
                if watched or not self.mute:
                    target.sendall(data)
            except OSError:
                return


@pytest.fixture
def proxy(postgresql_url: str) -> Iterator[Proxy]:
    address = make_url(postgresql_url)
    found = Proxy(address.host or "127.0.0.1", address.port or 5432)
    yield found
    found.close()


@pytest.fixture
def through(proxy: Proxy, postgresql_url: str) -> str:
    """The address of the store by way of the proxy."""
    url = make_url(postgresql_url).set(host="127.0.0.1", port=proxy.port)
    return url.update_query_dict({"sslmode": "disable"}).render_as_string(hide_password=False)


@pytest.mark.parametrize("passing", [True, False], ids=["after", "before"])
@pytest.mark.parametrize("words", [b"COMMIT", b"INSERT"])
def test_a_connection_lost_around_a_commit_loses_and_doubles_nothing(
    proxy, through, events, words, passing
):
    with open_store(through) as store:
        store.append(events(3)).result()
        proxy.passing, proxy.cut_at = passing, words
        sent = events(5)
        assert store.append(sent).result(20) == Appended(5, 0)
        assert proxy.cuts == 1
        assert store.append(sent).result(20) == Appended(0, 5)
        assert store.counts()["events"] == 8
        assert len(store.history("u1")) == 8
        assert store.health().alive
        assert store.health().counts["failures"] == 1


def test_while_the_server_is_away_nothing_is_acknowledged_and_nothing_lost(proxy, through, events):
    with open_store(through, patience_s=60) as store:
        store.append(events(1)).result()
        proxy.closed = True
        proxy.cut()
        waiting = [store.append(events(2)) for _ in range(20)]
        with pytest.raises(TimeoutError):
            waiting[0].result(1)
        health = store.health()
        assert not health.alive
        assert "goes on by itself" in health.trouble
        # For everybody: not where the server is.
        assert "goes on by itself" in health.advice
        assert "127.0.0.1" not in health.advice
        with pytest.raises(StoreError):
            store.history("u1")
        proxy.closed = False
        assert [one.result(20) for one in waiting] == [Appended(2, 0)] * 20
        assert len(store.history("u1")) == 41
        assert store.health().alive


def test_a_server_that_stays_away_is_told_and_found_again(proxy, through, events):
    with open_store(through, patience_s=0.3) as store:
        proxy.closed = True
        proxy.cut()
        sent = events(2)
        with pytest.raises(StoreError) as caught:
            store.append(sent).result(20)
        assert caught.value.hint
        proxy.closed = False
        deadline = time.monotonic() + 20
        while not store.health().alive and time.monotonic() < deadline:
            time.sleep(0.05)
        assert store.health().alive
        assert store.append(sent).result(20) == Appended(2, 0)


def test_connections_that_the_server_ends_are_replaced(postgresql_url, events):
    """As it ends all of them when it is restarted."""
    with open_store(postgresql_url) as store:
        kept = events(2)
        store.append(kept).result()
        assert store.history("u1") == kept
        who = "SELECT pg_backend_pid()"
        writing = store._writer.do(lambda one: one.exec_driver_sql(who).scalar()).result()
        reading = store._read(lambda one: one.exec_driver_sql(who).scalar())
        # Through a third connection, on which nothing depends.
        with store.backend.writer.begin() as admin:
            for backend in (writing, reading):
                admin.exec_driver_sql(f"SELECT pg_terminate_backend({backend})")
        assert store.history("u1") == kept
        more = events(2)
        assert store.append(more).result(20) == Appended(2, 0)
        assert store.history("u1") == [*kept, *more]


def test_a_commit_waits_for_the_disk_whatever_the_server_is_set_to(postgresql_url):
    with open_store(postgresql_url) as store:
        shown = store._writer.do(
            lambda connection: connection.exec_driver_sql("SHOW synchronous_commit").scalar()
        )
        assert shown.result() == "on"
        with (
            store.backend.readers.connect() as connection,
            pytest.raises(Exception, match="read-only transaction"),
        ):
            connection.exec_driver_sql("DELETE FROM events")


def test_two_servers_share_one_store(postgresql_url, events):
    with open_store(postgresql_url) as one, open_store(postgresql_url) as two:
        sent = events(50)
        waiting = [store.append(sent[start:]) for start in range(0, 50, 5) for store in (one, two)]
        assert sum(future.result().new for future in waiting) == 50
        assert len(one.history("u1")) == len(two.history("u1")) == 50
        assert one.forget("u1").mark == two.forget("u1").mark


def test_a_server_that_is_not_there_is_told_without_the_password():
    with pytest.raises(StoreError) as caught:
        open_store("postgresql://me:secret@127.0.0.1:1/db")
    assert "secret" not in str(caught.value)
    assert "is the server up?" in caught.value.hint


def test_a_backup_names_the_command(postgresql_url, tmp_path):
    with open_store(postgresql_url) as store, pytest.raises(StoreError) as caught:
        store.backup(tmp_path / "b.dump")
    assert "pg_dump --format=custom" in caught.value.hint
    with open_store(postgresql_url) as store, pytest.raises(StoreError) as caught:
        store.compact()
    assert "vacuumdb" in caught.value.hint

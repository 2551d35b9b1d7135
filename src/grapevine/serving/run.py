"""A service from its settings to its end: opened, checked, listening, and closed in order."""

import logging
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI

from grapevine import manifest
from grapevine.data.paths import nearest
from grapevine.errors import ConfigError
from grapevine.log import logger
from grapevine.serving.app import create_app
from grapevine.serving.engine import Host
from grapevine.serving.observe import Lines, Metrics
from grapevine.serving.pictures import Pictures
from grapevine.serving.service import Service
from grapevine.serving.settings import Settings, beside
from grapevine.serving.store import Store, is_there, open_store

DAY = 86_400.0


@dataclass(frozen=True)
class Opened:
    """A service that is ready to listen.

    Attributes:
        app: what a server is given.
        service: what stands behind it.
    """

    app: FastAPI
    service: Service


@contextmanager
def opened(settings: Settings, *, data: Path | None = None) -> Iterator[Opened]:
    """Open store and model; both are closed when it ends, and what waits is written first.

    Args:
        settings: see `Settings`.
        data: the dataset folder with the items' pictures.

    Raises:
        ConfigError: others could reach it, and no API key is there.
        BundleError: the run is damaged.
        StoreError: the store cannot be opened.
    """
    refuse_absent(settings.run)
    if settings.public and not is_there(settings.store):
        raise _no_key(settings)
    # The store comes last: what cannot be served shall not leave one behind.
    host = Host.start(
        settings.run,
        index_folder=settings.index,
        onnx=settings.onnx or beside(settings.run),
    )
    with closing(Pictures(data)) as pictures, open_store(settings.store) as store:
        refuse_in_public(settings, store)
        service = Service(settings, store, host, Metrics(), pictures=bool(pictures))
        app = create_app(service, pictures=pictures)
        with (
            _tidied(store, settings.retention_days),
            service.following.by_turns([service.look_who_is_forgotten, service.look]),
        ):
            yield Opened(app, service)


def serve(settings: Settings, *, data: Path | None = None) -> None:
    """Listen until somebody stops it.

    Raises:
        ConfigError: the address cannot be listened at.
    """
    import uvicorn

    refuse_absent(settings.run)
    with closing(_bound(settings)) as taken, opened(settings, data=data) as ready:
        config = uvicorn.Config(
            ready.app,
            host=settings.host,
            port=settings.port,
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=round(settings.stop_seconds) or None,
        )
        host, port = taken.getsockname()[:2]
        logger.info("%s is served at http://%s:%d", settings.run, host, port)
        with _stopped_politely():
            uvicorn.Server(config).run(sockets=[taken])


def _bound(settings: Settings) -> socket.socket:
    """The address, taken; nobody is let in before somebody listens at it."""
    taken = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((settings.host, settings.port))
    except OSError as error:
        taken.close()
        raise ConfigError(
            f"cannot listen at {settings.host}:{settings.port}: {error.strerror}",
            hint="another service may be there: choose another --port",
        ) from error
    return taken


class _Stopped(BaseException):
    """Somebody has told the process to end."""


@contextmanager
def _stopped_politely() -> Iterator[None]:
    """Within it SIGTERM and Ctrl-C end the block, not the process: what waits is written after it.

    uvicorn answers what is under way, and then raises the signal that it was stopped by again, for
    whoever handled it before: that would be the system, which asks nobody, or Python, to which a
    service that was stopped is one that was interrupted.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are not ours to handle
        return

    def stop(*_: object) -> None:
        raise _Stopped

    before = {one: signal.signal(one, stop) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except _Stopped:
        logger.info("told to stop: requests under way were answered, what waits is written")
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def refuse_absent(run: Path) -> None:
    """Tell a run that is not there before anything is opened or made.

    Raises:
        ConfigError: with what is near it.
    """
    if not (run / "config.toml").is_file():
        what = "is no run folder" if run.exists() else "is not there"
        near = "name a run folder" if run.exists() else nearest(run)
        raise ConfigError(f"the run `{run}` {what}", hint=manifest.missing_hint(run, near))


def refuse_in_public(settings: Settings, store: Store) -> None:
    """Let nobody from outside ask a service that asks nobody for a key.

    Raises:
        ConfigError: the address is public, and there is no key.
    """
    if settings.public and not any(one.revoked_at is None for one in store.all_keys()):
        raise _no_key(settings)


def _no_key(settings: Settings) -> ConfigError:
    return ConfigError(
        f"{settings.host} can be reached from other machines, and no API key is there",
        hint=f"grapevine keys add NAME --scope read --store {settings.store}; or listen at "
        "127.0.0.1 behind a proxy",
    )


def log_as_json() -> None:
    """A line of JSON for each thing that is said, ours and the server's."""
    handler = logging.StreamHandler()
    handler.setFormatter(Lines())
    for name in ("grapevine", "uvicorn.error"):
        found = logging.getLogger(name)
        found.handlers, found.propagate = [handler], False
        found.setLevel(logging.INFO)
    # What other packages have to say is a line of JSON too, where it is worth saying.
    logging.getLogger().handlers = [handler]


@contextmanager
def _tidied(store: Store, days: int) -> Iterator[None]:
    """While it runs, what is older than so many days is removed, at once and then daily."""
    if not days:
        yield
        return
    stopped = threading.Event()

    def tidy() -> None:
        while True:
            try:
                store.retain(store.clock() - round(1000 * DAY * days))
            except Exception:  # the next day tries again, and the store's health tells
                logger.exception("what is older than %d days could not be removed", days)
            if stopped.wait(DAY):
                return

    thread = threading.Thread(target=tidy, name="retention", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()

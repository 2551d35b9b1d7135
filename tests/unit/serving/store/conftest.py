"""The same tests over every database: a store of its own for each."""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from grapevine.serving.store import Event, Store, open_store

POSTGRES = os.environ.get("GRAPEVINE_POSTGRES", "")
NO_POSTGRES = "set GRAPEVINE_POSTGRES to the URL of a PostgreSQL database that tests may empty"
T0 = 1_700_000_000_000
_numbers = itertools.count()


class Clock:
    """Milliseconds since 1970, moved by hand."""

    def __init__(self) -> None:
        self.now = T0

    def __call__(self) -> int:
        return self.now


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "postgresql" and not POSTGRES:
        pytest.skip(NO_POSTGRES)
    return request.param


@pytest.fixture
def url(request: pytest.FixtureRequest, kind: str) -> str:
    """The address of an empty store."""
    return request.getfixturevalue(f"{kind}_url")


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture
def postgresql_url() -> Iterator[str]:
    if not POSTGRES:
        pytest.skip(NO_POSTGRES)
    # A schema for each test, so that workers beside each other do not meet.
    schema = f"test_{os.getpid()}_{next(_numbers)}"
    plain = make_url(POSTGRES).set(drivername="postgresql")
    with psycopg.connect(plain.render_as_string(hide_password=False), autocommit=True) as admin:
        admin.execute(f"CREATE SCHEMA {schema}")  # pyright: ignore[reportArgumentType]
        found = make_url(POSTGRES).update_query_dict({"options": f"-c search_path={schema}"})
        yield found.render_as_string(hide_password=False)
        admin.execute(f"DROP SCHEMA {schema} CASCADE")  # pyright: ignore[reportArgumentType]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(url: str, clock: Clock) -> Iterator[Store]:
    with open_store(url, clock=clock) as found:
        yield found


@pytest.fixture
def events() -> Callable[..., list[Event]]:
    """`events(3, user="u")`: so many views of a user, with IDs that were never used."""

    def made(count: int, user: str = "u1", **fields: object) -> list[Event]:
        return [
            Event(
                **{  # pyright: ignore[reportArgumentType]
                    "event_id": f"e{next(_numbers)}",
                    "user_id": user,
                    "item_id": f"i{place}",
                    "behaviour": "view",
                    "timestamp": T0 + place,
                    **fields,
                }
            )
            for place in range(count)
        ]

    return made

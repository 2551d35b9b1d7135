"""A small shop in service, over SQLite."""

from contextlib import contextmanager

import pytest
from fastapi.testclient import TestClient

import grapevine as gv
from grapevine.serving.run import opened
from grapevine.serving.settings import Settings


@pytest.fixture(scope="session")
def shop(tmp_path_factory):
    """A folder with a shop, and runs on it: `markov`, `popularity`, `ease` and `als`."""
    folder = tmp_path_factory.mktemp("service")
    data = gv.pipeline.make_shop(60, out=folder / "shop")
    parts = gv.pipeline.prepare(data)
    for name in ("markov", "popularity", "ease", "als"):
        run = gv.fit(name, parts.train, out=folder / "runs" / name)
        if name == "markov":
            gv.pipeline.attach(gv.evaluate([run], parts.test, train=parts.train), run.path)
    return folder


@pytest.fixture
def serve(shop, tmp_path):
    """Makes a client of a service of one of the runs, with a store in the test's folder."""

    @contextmanager
    def client_of(run="markov", store="store.db", **settings):
        url = f"sqlite:///{tmp_path / store}"
        given = Settings(run=shop / "runs" / run, store=url, **settings)
        with opened(given, data=shop / "shop") as ready, TestClient(ready.app) as client:
            yield client

    return client_of


@pytest.fixture
def client(serve):
    """A client of a service of `markov`."""
    with serve() as found:
        yield found


@pytest.fixture
def send(client):
    """Sends events, each (event_id, user_id, item_id, behaviour)."""

    def sent(*events):
        names = ("event_id", "user_id", "item_id", "behaviour")
        return client.post("/v1/events", json={"events": [dict(zip(names, one)) for one in events]})

    return sent

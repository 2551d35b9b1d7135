"""A service's store, a dataset folder, and runs on it: small, each fitted once."""

from dataclasses import replace

import polars as pl
import pytest

import grapevine as gv
from grapevine.data.folder import write_dataset
from grapevine.data.schema import Schema
from grapevine.serving.store import Event, open_store

HOUR = 3_600_000
T0 = 1_700_000_000_000
LATER = T0 + 2_000 * HOUR
"""When the service began."""
ITEMS = [f"i{row:02d}" for row in range(40)]
SETTINGS = {
    "sasrec": ("width=16", "length=8", "epochs=6", "learning_rate=0.01", "dropout=0.0"),
    "ease": (),
    "popularity": (),
}


def walk(user, first, last):
    """Items along the ring of the user's camp, each followed by the next."""
    return [ITEMS[user % 4 * 10 + (user + step) % 10] for step in range(first, last)]


def so_far(user):
    """How far a user had come when the service began; a stranger had not."""
    return 4 + user % 3 if user < 60 else 0


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """Sixty users who click and buy along four rings of items, as a dataset folder."""
    lines = []
    for user in range(60):
        for step, item in enumerate(walk(user, 0, so_far(user))):
            when = T0 + (user * 20 + step) * HOUR
            lines += [
                (f"u{user:02d}", item, "click", when),
                (f"u{user:02d}", item, "buy", when + 9),
            ]
    events = pl.DataFrame(
        lines, schema=["user_id", "item_id", "behaviour", "timestamp"], orient="row"
    )
    items = pl.DataFrame({"item_id": ITEMS, "title": [f"thing {one}" for one in ITEMS]})
    users = pl.DataFrame({"user_id": [f"u{user:02d}" for user in range(60)], "town": ["x"] * 60})
    schema = Schema(name="rings", behaviours=("click", "buy"), items={"title": "title"})
    return write_dataset(tmp_path_factory.mktemp("base") / "data", schema, events, items, users)


@pytest.fixture(scope="session")
def run_of(base, tmp_path_factory):
    """The folder of a run of a model that has learnt all of the base."""
    made = {}

    def fitted(name):
        if name not in made:
            parts = gv.split.of(gv.load(base), "none")
            out = tmp_path_factory.mktemp("runs") / name
            gv.fit(
                name, parts.train, out=out,
                settings=[f"model.{one}" for one in SETTINGS[name]],
                record={"data": str(base), "split": gv.split.settings_of(parts)},
            )  # fmt: skip
            made[name] = out
        return made[name]

    return fitted


class Clock:
    now = LATER

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture
def store(url, clock):
    with open_store(url, clock=clock) as found:
        yield found


@pytest.fixture
def heard(store, clock):
    """What the service heard: each user goes on along the ring, and ten strangers come."""
    for step in range(4):
        for user in range(70):
            begun = so_far(user)
            (item,) = walk(user, begun + step, begun + step + 1)
            events = [
                Event(f"{user}.{step}.{kind}", f"u{user:02d}", item, kind, clock.now + late)
                for late, kind in enumerate(("click", "buy"))
            ]
            store.append(events).result()
            clock.now += 60_000
    return store


def ids(folder):
    """The users that anything in a dataset folder names."""
    found = set(pl.read_parquet(folder / "events.parquet")["user_id"].to_list())
    if (folder / "users.parquet").is_file():
        found |= set(pl.read_parquet(folder / "users.parquet")["user_id"].to_list())
    return found


@pytest.fixture
def named():
    return ids


@pytest.fixture
def event():
    """An event of the store, `event("id", "user", item_id="i00")`."""
    first = Event("", "", "i00", "buy", LATER)
    return lambda event_id, user_id, **more: replace(
        first, event_id=event_id, user_id=user_id, **more
    )

"""The shop as a dataset folder, written block by block."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from grapevine.data.folder import FolderWriter
from grapevine.data.schema import Schema
from grapevine.data.shop import links, opinions, pictures, truth, words
from grapevine.data.shop.shoppers import BLOCK, Shoppers
from grapevine.data.shop.visits import BEHAVIOURS, Visits, behave, shelves
from grapevine.data.shop.world import World
from grapevine.errors import ConfigError

EVENTS_PER_CLICK = 1.94
"""What the cascade makes of a click on average, within a tenth."""
EVENTS_PER_USER = 80
MOST_EVENTS_PER_USER = 2_000
PICTURED = 20_000
"""A larger catalogue comes without the `image` column: `pictures.draw` draws on demand."""
AHEAD = 2
"""Blocks drawn, each on a thread of its own, while one is written."""
SAVED = 32 * BLOCK
"""Users in one file of the truth."""


def make(
    out: Path,
    *,
    users: int = 2_000,
    items: int | None = None,
    events: int | None = None,
    seed: int = 0,
) -> Path:
    """Write a shop as a dataset folder, with its truth under `truth/`.

    Memory holds the items, the table of users and a few blocks of events, never all events.

    Args:
        out: the folder to make.
        users: how many.
        items: how many; half as many as users if not given, at least 200, at most 200,000.
        events: about how many; 80 a user if not given.
        seed: the same seed and sizes make the same bytes. With the same items, a smaller shop's
            users are the first users of a larger one.

    Raises:
        ConfigError: a size is out of bounds, or `out` exists and is not empty.
    """
    items = min(max(users // 2, 200), 200_000) if items is None else items
    events = EVENTS_PER_USER * users if events is None else events
    _check(users, items, events)
    world = World.draw(seed, items)
    with FolderWriter(out, _schema(seed)) as folder:
        folder.items(_catalogue(world))
        truth.save_items(folder.path, world)
        clicks = events / users / EVENTS_PER_CLICK
        _people(folder, world, seed, users, clicks)
    return Path(out)


def _people(folder: FolderWriter, world: World, seed: int, users: int, clicks: float) -> None:
    """Write users, events, truth and links, one block after the other."""
    item_ids = words.ids("i", range(len(world)), len(world))
    item_names = item_ids.to_arrow()
    tables, connected, waiting = [], [links.outfits(world, seed, item_ids)], []
    for block, (shoppers, visits) in enumerate(_blocks(world, seed, users, clicks)):
        first = block * BLOCK
        user_ids = words.ids("u", range(first, first + len(shoppers)), users)
        folder.events(_event_table(visits, user_ids, item_names))
        tables.append(words.user_table(shoppers, user_ids))
        if first < links.BOARD_USERS:
            connected.append(links.boards(world, visits, user_ids, item_ids))
        waiting.append(shoppers)
        if sum(map(len, waiting)) >= SAVED or first + len(shoppers) == users:
            truth.save_users(folder.path, Shoppers.joined(waiting), part=first // SAVED)
            waiting = []
    folder.users(pl.concat(tables))
    folder.links(pl.concat(connected))


def _blocks(
    world: World, seed: int, users: int, clicks: float
) -> Iterator[tuple[Shoppers, Visits]]:
    """The users of each block and what they did; the next two are drawn while one is used."""
    layout = shelves(world)

    def draw(block: int) -> tuple[Shoppers, Visits]:
        shoppers = Shoppers.draw(seed, block)
        visits = behave(world, layout, shoppers, seed=seed, block=block, clicks=clicks)
        here = min(users - block * BLOCK, BLOCK)
        return shoppers.take(slice(here)), visits.take(visits.user < here)

    with ThreadPoolExecutor(AHEAD) as pool:
        waiting: deque[Future[tuple[Shoppers, Visits]]] = deque()
        for block in range(-(-users // BLOCK)):
            waiting.append(pool.submit(draw, block))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _event_table(visits: Visits, user_ids: pl.Series, item_ids: pa.Array) -> pa.Table:
    sessions = pa.array([f"s{n + 1}" for n in range(int(visits.session.max(initial=0)) + 1)])
    coded = partial(pa.DictionaryArray.from_arrays)
    nowhere = visits.session < 0
    unwritten = visits.review < 0
    rating = pa.array(visits.rating, mask=np.isnan(visits.rating))
    return pa.table(
        {
            "user_id": coded(visits.user.astype(np.int32), user_ids.to_arrow()),
            "item_id": coded(visits.item, item_ids),
            "behaviour": coded(visits.behaviour.astype(np.int32), list(BEHAVIOURS)),
            "timestamp": pa.array(visits.time, pa.timestamp("ms", "UTC")),
            "session_id": coded(pa.array(visits.session, mask=nowhere), sessions),
            "value": rating,
            "text": coded(pa.array(visits.review, mask=unwritten), list(opinions.reviews())),
        }
    )


def _catalogue(world: World) -> pl.DataFrame:
    table = words.item_table(world)
    if len(world) <= PICTURED:
        images = pictures.draw_all(world)
        table = table.with_columns(pl.Series("image", images, dtype=pl.Binary))
    return table


def _schema(seed: int) -> Schema:
    return Schema(
        name="shop",
        behaviours=BEHAVIOURS,
        target="buy",
        clock="exact",
        events={"value": "number", "text": "text", "session_id": "category"},
        items={
            "title": "title", "category": "category", "brand": "category", "price": "number",
            "colour": "category", "pattern": "category", "shape": "category",
            "material": "category", "listed_at": "time",
        },
        users={"age": "number", "gender": "category", "location": "category"},
        licence="generated: free of rights",
        source=f"grapevine's built-in shop, seed {seed}",
        notes=(
            "a generated world: its truth stands in `truth/`, and the model `oracle` knows it",
            "sessions are counted for each user: s1 of one is not s1 of another",
            "what is bought was put into the cart before: a history with carts gives much away",
        ),
    )  # fmt: skip


def _check(users: int, items: int, events: int) -> None:
    if users < 1:
        raise ConfigError(f"a shop needs users: got {users}")
    if not 50 <= items <= 10_000_000:
        raise ConfigError(f"items must be 50 to 10,000,000: got {items}")
    if not users * 2 <= events <= users * MOST_EVENTS_PER_USER:
        raise ConfigError(
            f"{events} events for {users} users: there must be 2 to {MOST_EVENTS_PER_USER} a user",
            hint="ask for more or fewer users",
        )

"""Runs for the tests of the service: small, fitted once, over a catalogue with columns."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import grapevine as gv
from grapevine.data.dataset import Dataset
from grapevine.data.schema import Schema
from grapevine.models import MODELS
from grapevine.serving.engine import Served
from grapevine.testing.contracts import briefly
from grapevine.testing.worlds import world

HOUR = 3_600_000
ITEMS = 40


def shop(seed: int = 0) -> Dataset:
    """Users who click and buy along rings of items of one category, and a catalogue."""
    draw = np.random.default_rng(seed)
    events = []
    for user in range(60):
        start, category = int(draw.integers(10)), user % 4
        for step in range(int(draw.integers(3, 12))):
            item = f"i{category * 10 + (start + step) % 10:02d}"
            when = 1_700_000_000_000 + (user * 20 + step) * HOUR
            events.append((f"u{user:02d}", item, "click", when))
            if step % 2:
                events.append((f"u{user:02d}", item, "buy", when + 60_000))
    ids = [f"i{row:02d}" for row in range(ITEMS)]
    plain = world(events, items=[*ids, "new"], behaviours=("click", "buy"))
    rows = range(ITEMS + 1)
    table = plain.item_table.with_columns(
        pl.Series("title", [f"thing <b>{row}</b>" for row in rows]),
        pl.Series("category", [f"c{min(row // 10, 3)}" for row in rows]),
        pl.Series("price", [float(row) if row % 7 else None for row in rows]),
        pl.Series("in_stock", [row % 5 != 0 for row in rows]),
    )
    roles = {"title": "title", "category": "category", "price": "number", "in_stock": "category"}
    schema = replace(plain.schema, items=roles)
    assert isinstance(schema, Schema)
    return replace(plain, item_table=table, schema=schema)


def small(name: str) -> Any:
    """Options with which a model of the table is fitted in a moment."""
    config = briefly(MODELS[name].config)
    if name in {"sasrec", "hstu", "bert4rec", "gru4rec", "vine"}:
        changes: dict[str, Any] = {"width": 8, "length": 6, "epochs": 2, "learning_rate": 0.01}
        if name == "vine":
            changes["auxiliary"] = 0.3
        config = replace(config, **changes)
    return config


@pytest.fixture(scope="session")
def run_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The folder of a run of a model, fitted when it is first asked for."""
    made: dict[tuple[str, int], Path] = {}

    def fitted(name: str, seed: int = 0) -> Path:
        if (name, seed) not in made:
            out = tmp_path_factory.mktemp("runs") / f"{name}-{seed}"
            gv.fit(small(name), shop(), out=out, seed=seed)
            made[name, seed] = out
        return made[name, seed]

    return fitted


@pytest.fixture(scope="session")
def served_of(run_of: Callable[..., Path]) -> Callable[..., Served]:
    """A run opened for service."""
    opened: dict[tuple[str, int], Served] = {}

    def open_(name: str, seed: int = 0) -> Served:
        if (name, seed) not in opened:
            opened[name, seed] = Served.open(run_of(name, seed))
        return opened[name, seed]

    return open_

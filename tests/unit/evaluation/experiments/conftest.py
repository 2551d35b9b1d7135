"""A crowd of the built-in shop, without the shop's year: its truth, and two policies' lists."""

import os
from pathlib import Path

import numpy as np
import pytest

from grapevine.data.shop import truth
from grapevine.data.shop.shoppers import Shoppers
from grapevine.data.shop.world import World
from grapevine.evaluation.experiments.click_model import Crowd, relevance

SHOPPERS, ITEMS, K = 600, 300, 6


@pytest.fixture(scope="session")
def crowd() -> Crowd:
    """The control shows everybody the same; the treatment knows the truth, if dimly."""
    world = World.draw(3, ITEMS)
    shoppers = Shoppers.draw(3, 0).take(slice(0, SHOPPERS))
    chance = truth.usual_click_chances(world, shoppers, np.ones(SHOPPERS, np.float32))
    noise = np.random.default_rng(0).normal(0, 1.5, chance.shape)
    best = (-(np.log(chance + 1e-12) + noise)).argsort(1)[:, :K]
    popular = np.broadcast_to((-chance.mean(0)).argsort()[:K], (SHOPPERS, K))
    items = np.stack([popular, best]).astype(np.int64)
    return Crowd(
        policies=("popular", "dim"),
        items=items,
        relevance=np.stack([relevance(world, shoppers, one) for one in items]),
        visits=1 + 3 * shoppers.activity.astype(np.float64),
    )


@pytest.fixture(scope="session")
def worker_mirror() -> Path:
    """The folder with the public datasets; only for tests that are marked `data`."""
    return Path(os.environ["GRAPEVINE_MIRROR"])

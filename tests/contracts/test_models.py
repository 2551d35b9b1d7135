"""Every model of the table keeps the contract, in every awkward world."""

import pytest

from grapevine.models import MODELS
from grapevine.testing.contracts import briefly, check_model
from grapevine.testing.worlds import AWKWARD, checkerboard, cycle, world

ORACLES = {
    "oracle",
    "taste-oracle",
}  # needs a world whose truth is known: tests/unit/models/test_oracle.py
NAMES = sorted(set(MODELS) - ORACLES)
WORLDS = {
    **AWKWARD,
    "checkerboard": lambda: world(checkerboard()),
    "cycle": lambda: world(cycle()),
    "funnel": lambda: world(
        [
            ("u", "a", "click"),
            ("u", "a", "buy"),
            ("u", "b", "click"),
            ("v", "b", "buy"),
            ("v", "c", "click"),
        ],
        behaviours=("click", "buy"),
    ),
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("make", WORLDS.values(), ids=WORLDS)
def test_every_model_keeps_the_contract(name, make):
    check_model(briefly(MODELS[name].config), make())

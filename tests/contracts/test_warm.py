"""Every model that is trained can begin where another training ended, each row by its ID."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from grapevine.models import MODELS
from grapevine.models.base import Carries, Trained
from grapevine.testing.worlds import world
from grapevine.training.warm import Start, begin

NAMES = sorted(name for name, row in MODELS.items() if isinstance(row.config, Trained))
KINDS = ("users", "items")


def described(users, items):
    """Users and items by these numbers, every user with some of the items, and titles."""
    users, items = list(users), list(items)
    events = [
        (f"u{user:02d}", f"i{items[(place + step * 3) % len(items)]:02d}")
        for place, user in enumerate(users)
        for step in range(5)
    ]
    data = world(events)
    titles = data.item_table.with_columns(title=pl.col("item_id").cast(pl.String))
    schema = replace(data.schema, items={"title": "title"})
    return replace(data, item_table=titles, schema=schema)


BEFORE = described(range(17), range(23))
AFTER = described(range(2, 31), range(3, 37))
"""Some of each have left, and more have come."""


@pytest.mark.parametrize("name", NAMES)
def test_layouts_name_every_parameter_whose_rows_are_of_users_or_items(name):
    learners = [MODELS[name].config.learner(data, seed=1) for data in (BEFORE, AFTER)]
    assert isinstance(learners[0], Carries)
    there = [one.parameters(one.state()) for one in learners]
    layouts = learners[0].layouts
    assert set(layouts) == set(there[0]) == set(there[1])
    for key, layout in layouts.items():
        shapes = [arrays[key].shape for arrays in there]
        moves = any(kind in layout for kind in KINDS)
        assert (shapes[0] != shapes[1]) == moves, f"{key} is {shapes}, its layout {layout}"
    if name not in {"pinsage", "vine"} or "items" in str(layouts):
        assert any(kind in layout for layout in layouts.values() for kind in KINDS)


@pytest.mark.parametrize("name", NAMES)
def test_rows_go_where_their_ids_are_to_the_bit_and_new_ones_start_as_drawn(name):
    config = MODELS[name].config
    old = config.learner(BEFORE, seed=1)
    for step in range(min(2, len(old.batches(0)))):
        old.step(old.batches(0)[step], 0.01)
    learnt = old.parameters(old.state())
    new = config.learner(AFTER, seed=2)
    drawn = new.parameters(new.state())
    told = begin(new, AFTER, Start(old.state(), BEFORE.users, BEFORE.items, "before"))
    found = new.parameters(new.state())
    assert told.anew == ()
    assert told.rows == {"users": (15, 29), "items": (20, 34)}
    sizes = [{"users": len(one.users), "items": len(one.items)} for one in (BEFORE, AFTER)]
    for key, layout in new.layouts.items():
        if not layout:
            np.testing.assert_array_equal(found[key], learnt[key])
        was = at = 0
        for kind in layout:
            if isinstance(kind, int):
                np.testing.assert_array_equal(found[key][at:], learnt[key][was:])
                continue
            for row, one in enumerate(getattr(AFTER, kind).ids):
                ids = getattr(BEFORE, kind).ids.to_list()
                expected = learnt[key][was + ids.index(one)] if one in ids else drawn[key][at + row]
                np.testing.assert_array_equal(found[key][at + row], expected, err_msg=one)
            was, at = was + sizes[0][kind], at + sizes[1][kind]


@pytest.mark.parametrize("name", NAMES)
def test_it_steps_from_there(name):
    config = MODELS[name].config
    old = config.learner(BEFORE, seed=1)
    new = config.learner(AFTER, seed=1)
    begin(new, AFTER, Start(old.state(), BEFORE.users, BEFORE.items, "before"))
    lost = new.step(new.batches(0)[0], 0.01)
    assert np.isfinite(list(lost.values())).all()
    assert new.model() is not None

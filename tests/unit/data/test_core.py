"""The core: nobody has too few, nobody falls out without need, and all tables stay together."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapevine.data.core import core
from grapevine.errors import DataError
from grapevine.testing.worlds import world


def pairs(data):
    events = data.interactions
    return sorted(zip(data.users.take(events.users), data.items.take(events.items)))


def test_leaving_one_out_can_leave_out_another():
    data = world([("u", "a"), ("u", "b"), ("v", "b"), ("v", "c"), ("w", "b"), ("w", "a")])
    found = core(data, users=2, items=2)
    # "c" has one event; without it "v" has one.
    assert pairs(found) == [("u", "a"), ("u", "b"), ("w", "a"), ("w", "b")]
    assert found.items.ids.to_list() == ["a", "b"]


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=60),
    st.integers(0, 4),
    st.integers(0, 4),
)
def test_the_core_is_the_largest_part_in_which_all_have_enough(events, users, items):
    left, before = list(events), None
    while left != before:
        before = left
        left = [
            (user, item)
            for user, item in before
            if sum(u == user for u, _ in before) >= users
            and sum(i == item for _, i in before) >= items
        ]
    if not left:
        with pytest.raises(DataError, match="no events are left"):
            core(world(events), users=users, items=items)
        return
    found = core(world(events), users=users, items=items)
    assert pairs(found) == sorted(left)
    assert len(found.item_table) == len(found.items) == len({item for _, item in left})


def test_tables_labels_and_links_lose_the_same_lines():
    data = world([("u", "a"), ("u", "b"), ("v", "a"), ("w", "c")], items=["never"])
    data = replace(
        data,
        item_table=data.item_table.with_columns(title=pl.col("item_id")),
        user_table=pl.DataFrame({"user_id": data.users.ids}),
        labels=np.array([0, 1, 2, 0], np.uint8),
        links=pl.DataFrame({"source_id": ["a", "a"], "target_id": ["b", "c"]}),
    )
    found = core(data, items=2)
    assert found.item_table["title"].to_list() == ["a"]
    assert found.user_table["user_id"].to_list() == ["u", "v"]
    assert found.labels.tolist() == [0, 2]
    assert len(found.links) == 0

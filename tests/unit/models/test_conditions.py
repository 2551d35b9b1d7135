import polars as pl
import pytest

from grapevine.errors import ConfigError
from grapevine.models.conditions import items_where

TABLE = pl.DataFrame(
    {
        "item_id": [1, 2, 3, 4],
        "tags": [[1, 12], [2], [], None],
        "moods": [["calm"], ["wild", "calm"], [], None],
        "flags": [[True], [False], [], None],
        "price": [1.0, 2.0, None, 4.0],
        "picture": [b"\xff"] * 4,
    },
).with_columns(
    pl.Series("vector", [[0.5, 1.0]] * 4, dtype=pl.Array(pl.Float32, 2)),
    pl.Series("embedding", [[0.5, 1.0]] * 4, dtype=pl.List(pl.Float32)),
    pl.col("moods").cast(pl.List(pl.Categorical)).alias("kinds"),
)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("tags=1", [True, False, False, False]),
        ("tags=2", [False, True, False, False]),
        ("tags!=1", [False, True, True, False]),
        ("tags=wild", [False] * 4),
        ("moods=calm", [True, True, False, False]),
        ("kinds=wild", [False, True, False, False]),
        ("flags=true", [True, False, False, False]),
        ("price<4", [True, True, False, False]),
    ],
)
def test_members_of_lists_are_compared_as_texts(condition, expected):
    found = items_where(TABLE, condition)
    assert found is not None
    assert found.tolist() == expected


@pytest.mark.parametrize("name", ["vector", "embedding", "picture"])
def test_what_no_value_stands_for_is_refused_with_what_will_do(name):
    with pytest.raises(ConfigError, match=rf"`{name}=1`: {name} holds .*\nhint: .*moods.*price"):
        items_where(TABLE, f"{name}=1")


def test_lists_are_neither_less_nor_more():
    with pytest.raises(ConfigError, match=r"holds lists.*\nhint: write tags=1 or tags!=1"):
        items_where(TABLE, "tags<1")

"""IDs, titles and tables: the world as people see it."""

import numpy as np
import polars as pl

from grapevine.data.shop.shoppers import GENDERS, TOWNS, Shoppers
from grapevine.data.shop.world import (
    BRANDS,
    CATEGORIES,
    COLOURS,
    MATERIALS,
    PATTERNS,
    SHAPES,
    STYLES,
    World,
)

_ADJECTIVES = ("", "striped", "dotted", "checked")
_SHAPED = {"slim": "Slim", "regular": "", "loose": "Loose"}


def ids(prefix: str, rows: range, size: int) -> pl.Series:
    """IDs of rows, padded so that they sort in the order of the rows.

    >>> ids("u", range(3), 2_000).to_list()
    ['u000000', 'u000001', 'u000002']
    """
    width = max(6, len(str(size - 1)))
    numbers = pl.Series(np.arange(rows.start, rows.stop)).cast(pl.String).str.zfill(width)
    return (prefix + numbers).alias("id")


def rows(ids: pl.Series) -> np.ndarray:
    """The rows that IDs stand for."""
    return ids.str.slice(1).cast(pl.Int64).to_numpy()


def titles(world: World) -> pl.Series:
    """Titles such as "Striped linen shirt, navy, Ardenby"; regular and plain go without saying."""
    columns = {
        "shape": _named([_SHAPED[shape] for shape in SHAPES], world.shape),
        "pattern": _named(_ADJECTIVES, world.pattern),
        "material": _named(MATERIALS, world.material),
        "category": _named(CATEGORIES, world.category),
        "colour": _named(COLOURS, world.colour),
        "brand": _named(BRANDS, world.brand),
    }
    garment = pl.concat_str("shape", "pattern", "material", "category", separator=" ")
    garment = garment.str.replace_all("  ", " ").str.strip_chars()
    garment = garment.str.slice(0, 1).str.to_uppercase() + garment.str.slice(1)
    title = pl.concat_str(garment, "colour", "brand", separator=", ")
    return pl.DataFrame(columns).select(title.alias("title"))["title"]


def item_table(world: World) -> pl.DataFrame:
    """The catalogue: what a shop would know of each item."""
    return pl.DataFrame(
        {
            "item_id": ids("i", range(len(world)), len(world)),
            "title": titles(world),
            "category": _named(CATEGORIES, world.category),
            "brand": _named(BRANDS, world.brand),
            "price": pl.Series(world.price),
            "colour": _named(COLOURS, world.colour),
            "pattern": _named(PATTERNS, world.pattern),
            "shape": _named(SHAPES, world.shape),
            "material": _named(MATERIALS, world.material),
            "listed_at": pl.Series(world.listed_ms).cast(pl.Datetime("ms", "UTC")),
        }
    )


def user_table(shoppers: Shoppers, user_ids: pl.Series) -> pl.DataFrame:
    """What a shop would know of its users: age, gender, location."""
    return pl.DataFrame(
        {
            "user_id": user_ids,
            "age": pl.Series(shoppers.age.astype(np.int64)),
            "gender": _named(GENDERS, shoppers.gender),
            "location": _named(TOWNS, shoppers.town),
        }
    )


def board_names() -> tuple[str, ...]:
    """What users call the list on which they keep items of each style."""
    return tuple(f"{style.capitalize()} {_KEPT[n % len(_KEPT)]}" for n, style in enumerate(STYLES))


_KEPT = ("finds", "favourites", "wish list", "ideas")


def _named(names: tuple[str, ...] | list[str], codes: np.ndarray) -> pl.Series:
    return pl.Series(names).gather(codes.astype(np.uint32))

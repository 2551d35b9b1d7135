"""What goes together, and what users keep together: outfits and boards."""

import numpy as np
import polars as pl
from jaxtyping import Float32, Int64

from grapevine.data.shop import words
from grapevine.data.shop.visits import COLLECT, Visits
from grapevine.data.shop.world import (
    BOTTOMS,
    CATEGORIES,
    COLOURS,
    HUES,
    STYLES,
    TOPS,
    World,
    harmonious,
)
from grapevine.random import stream

MATCH = 0.4
"""Least cosine of the styles of a top and a bottom that go together."""
TRIED, KEPT = 24, 3
"""Bottoms that each top is held against, and how many of those that go with it are kept."""
MOST_OUTFITS = 100_000
BOARD_USERS = 50_000
"""Boards are written for so many users, the first ones; all collect."""


def goes_together(
    world: World, tops: Int64[np.ndarray, "..."], bottoms: Int64[np.ndarray, "..."]
) -> tuple[np.ndarray, Float32[np.ndarray, "..."]]:
    """The rule: colours in harmony, at most one of the two patterned, and styles alike.

    Returns:
        Whether each pair goes together, and the cosine of the styles.
    """
    a, b = world.affinity[tops], world.affinity[bottoms]
    match = (a * b).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))
    calm = (world.pattern[tops] == 0) | (world.pattern[bottoms] == 0)
    return harmonious(world.colour[tops], world.colour[bottoms]) & calm & (match >= MATCH), match


def outfits(world: World, seed: int, item_ids: pl.Series) -> pl.DataFrame:
    """Pairs of a top and a bottom that go together, each with a sentence why."""
    rng = stream(seed, "shop", "outfits")
    tops = np.flatnonzero(np.isin(world.category, TOPS))
    tops = rng.permutation(tops)[: MOST_OUTFITS // KEPT]
    bottoms = np.flatnonzero(np.isin(world.category, BOTTOMS))
    tried = rng.choice(bottoms, (len(tops), TRIED))
    good, match = goes_together(world, tops[:, None], tried)
    best = np.argsort(np.where(good, -match, np.inf), axis=1, kind="stable")[:, :KEPT]
    row, place = np.nonzero(np.take_along_axis(good, best, 1))
    column = best[row, place]
    pairs, first = np.unique(
        np.stack([tops[row], tried[row, column]], 1), axis=0, return_index=True
    )
    top, bottom = pairs.T
    return pl.DataFrame(
        {
            "source_id": item_ids.gather(top),
            "target_id": item_ids.gather(bottom),
            "relation": pl.repeat("goes_with", len(top), eager=True),
            "weight": match[row, column][first].astype(np.float32),
            "text": [_reason(world, a, b) for a, b in zip(top.tolist(), bottom.tolist())],
        }
    )


def _reason(world: World, top: int, bottom: int) -> str:
    """Why the two go together: the colours, the pattern, and the style they share most."""
    one, other = COLOURS[world.colour[top]], COLOURS[world.colour[bottom]]
    apart = abs(HUES[world.colour[top]] - HUES[world.colour[bottom]]) % 360
    if one == other:
        colours = f"both are {one}"
    elif HUES[world.colour[bottom]] < 0:
        colours = f"{other} is neutral and lets the {one} speak"
    elif HUES[world.colour[top]] < 0:
        colours = f"{one} is neutral and lets the {other} speak"
    elif min(apart, 360 - apart) < 90:
        colours = f"{one} and {other} are neighbours on the colour wheel"
    else:
        colours = f"{one} and {other} are opposites on the colour wheel"
    patterned = world.pattern[top] > 0 or world.pattern[bottom] > 0
    calm = "only one of them is patterned" if patterned else "both are plain"
    style = STYLES[int((world.affinity[top] * world.affinity[bottom]).argmax())]
    return (
        f"The {CATEGORIES[world.category[top]]} goes with the "
        f"{CATEGORIES[world.category[bottom]]}: {colours}, {calm}, and the style is {style}."
    )


def boards(world: World, visits: Visits, user_ids: pl.Series, item_ids: pl.Series) -> pl.DataFrame:
    """The lists that users keep: what each collected, one list for each style."""
    kept = np.flatnonzero(visits.behaviour == COLLECT)
    user, item = visits.user[kept], visits.item[kept].astype(np.int64)
    style = world.style[item]
    # Collecting an item twice keeps it once.
    line = np.unique((user * len(STYLES) + style) * len(world) + item)
    user, style, item = (
        line // len(world) // len(STYLES),
        line // len(world) % len(STYLES),
        line % len(world),
    )
    names = pl.Series(words.board_names()).gather(style)
    styles = pl.Series(STYLES).gather(style)
    return pl.DataFrame(
        {
            "source_id": user_ids.gather(user) + "/" + styles,
            "target_id": item_ids.gather(item),
            "relation": pl.repeat("board", len(line), eager=True),
            "weight": pl.repeat(1.0, len(line), dtype=pl.Float32, eager=True),
            "text": names,
        }
    )

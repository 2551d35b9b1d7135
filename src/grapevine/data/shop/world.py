"""The shop's world: its catalogue, and what drives everyone's choices, drawn from a seed."""

# I = items, C = categories, K = tastes

from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8
from safetensors.numpy import load_file, save_file

from grapevine.random import stream

START_MS = 1_735_689_600_000
"""The year starts on 1 January 2025, 00:00 UTC."""
YEAR_MS = 365 * 86_400_000
WEEKS = 52

CATEGORIES = (
    "tee", "shirt", "blouse", "jumper", "trousers", "skirt",
    "shorts", "dress", "coat", "shoes", "bag", "hat",
)  # fmt: skip
TOPS, BOTTOMS = (0, 1, 2, 3), (4, 5, 6)
COMMON = np.array([14, 11, 8, 9, 11, 7, 5, 8, 7, 10, 6, 4], np.float64)
"""Share of each category among the items, in per cent."""
USUAL_PRICE = np.array([19, 39, 42, 49, 55, 39, 29, 69, 129, 89, 59, 24], np.float64)
PEAK_WEEK = np.array([25, 22, 20, 48, 42, 24, 27, 26, 49, 40, 16, 30], np.float64)
"""Week in which each category is most looked at."""
SWING = np.array([0.4, 0.2, 0.3, 0.6, 0.2, 0.5, 0.8, 0.5, 0.8, 0.2, 0.1, 0.4])
"""Fit that a category loses in the opposite season."""
NEXT = {
    "tee": "trousers", "shirt": "trousers", "blouse": "skirt", "jumper": "trousers",
    "trousers": "shoes", "skirt": "shoes", "shorts": "tee", "dress": "bag",
    "coat": "jumper", "shoes": "bag", "bag": "hat", "hat": "coat",
}  # fmt: skip
"""What people look at after a garment: an order, since the way back is rare."""
STAY, COMPLEMENT = 0.3, 0.55
"""Chance that the next category is the same, or the one that completes it; any other else."""

COLOURS = (
    "black", "white", "grey", "sand", "navy", "sky",
    "teal", "olive", "mustard", "red", "rose", "plum",
)  # fmt: skip
HUES = np.array([-1, -1, -1, -1, 225, 205, 180, 90, 45, 5, 345, 295], np.float64)
"""Place on the colour wheel in degrees; -1 is neutral."""
DISCORD = 0.25
"""Fit of a colour that does not go with the colour looked at before."""
PATTERNS = ("plain", "stripes", "dots", "checks")
SHAPES = ("slim", "regular", "loose")
MATERIALS = ("cotton", "linen", "wool", "silk", "denim", "leather")
WORN_IN = {
    "tee": (0, 1), "shirt": (0, 1, 3, 4), "blouse": (0, 1, 3), "jumper": (0, 2),
    "trousers": (0, 1, 2, 4), "skirt": (0, 1, 3, 4), "shorts": (0, 1, 4), "dress": (0, 1, 3),
    "coat": (2, 5, 0), "shoes": (5, 0), "bag": (5, 0, 1), "hat": (2, 0, 1),
}  # fmt: skip
"""Materials of each category."""
BRANDS = (
    "Ardenby", "Belloway", "Corvane", "Dunmarrow", "Elvarra", "Fennickow", "Gildmoor", "Hartsely",
    "Ivoren", "Jessamund", "Kelbrooke", "Lorrimay", "Mirefold", "Norvane", "Ostrelle", "Pellgrove",
    "Quillmere", "Rusholde", "Silverne", "Tarnley", "Ulvesby", "Vossmere", "Wexhollow", "Yarrowin",
)  # fmt: skip
STYLES = (
    "minimal", "classic", "romantic", "sporty", "street", "outdoor",
    "vintage", "bold", "artful", "nautical", "tailored", "bohemian",
)  # fmt: skip
"""Names of the tastes."""
NOBLE = np.array([0.0, 0.05, 0.15, 0.25, 0.05, 0.25])
"""What each material adds to the log of the price."""
ATTRIBUTES = {
    "brand": (BRANDS, 1.1), "colour": (COLOURS, 1.0), "pattern": (PATTERNS, 0.7),
    "shape": (SHAPES, 0.6), "material": (MATERIALS, 0.6),
}  # fmt: skip
"""What tastes go by, and the standard deviation of how much each value of it is liked."""
OWN = 0.3
"""The same for what only the item itself has."""
POWER = 0.6
"""Exponent of the power law of popularity."""
OLD_STOCK = 0.75
"""Share of the items that are listed from the first day; the rest arrive over the year."""


@dataclass(frozen=True, kw_only=True)
class World:
    """The truth about the catalogue.

    Attributes:
        category: `(I,)` place in CATEGORIES; brand, colour, pattern, shape and material alike.
        price: `(I,)` what it costs.
        dearness: `(I,)` log of the price over what the category usually costs.
        quality: `(I,)` normal; comfort alike.
        trend: `(I,)` in [-1, 1]: falling out of favour, or coming into it.
        listed: `(I,)` share of the year passed when the item is listed.
        popularity: `(I,)` rank ** -POWER, ranks drawn at random.
        affinity: `(I, K)` how well each taste likes the item.
    """

    category: UInt8[np.ndarray, " I"]
    brand: UInt8[np.ndarray, " I"]
    colour: UInt8[np.ndarray, " I"]
    pattern: UInt8[np.ndarray, " I"]
    shape: UInt8[np.ndarray, " I"]
    material: UInt8[np.ndarray, " I"]
    price: Float32[np.ndarray, " I"]
    dearness: Float32[np.ndarray, " I"]
    quality: Float32[np.ndarray, " I"]
    comfort: Float32[np.ndarray, " I"]
    trend: Float32[np.ndarray, " I"]
    listed: Float32[np.ndarray, " I"]
    popularity: Float32[np.ndarray, " I"]
    affinity: Float32[np.ndarray, "I K"]

    def __len__(self) -> int:
        return len(self.category)

    @classmethod
    def draw(cls, seed: int, num_items: int) -> "World":
        """The world of a seed."""
        rng = stream(seed, "shop", "items")
        category = _shuffled_quotas(rng, num_items)
        codes = {
            "brand": rng.choice(rng.permutation(len(BRANDS)), num_items, p=_falling(BRANDS, 0.7)),
            "colour": rng.choice(len(COLOURS), num_items, p=_falling(COLOURS, 0.3)),
            "pattern": rng.choice(len(PATTERNS), num_items, p=[0.46, 0.22, 0.16, 0.16]),
            "shape": rng.choice(len(SHAPES), num_items, p=[0.3, 0.45, 0.25]),
            "material": _materials(rng, category),
        }
        quality = rng.normal(0, 1, num_items)
        level = stream(seed, "shop", "brand levels").normal(0, 0.3, len(BRANDS))
        dearness = level[codes["brand"]] + NOBLE[codes["material"]] + 0.1 * quality
        dearness += rng.normal(0, 0.2, num_items)
        price = np.round(USUAL_PRICE[category] * np.exp(dearness)) - 0.05
        late = rng.random(num_items) >= OLD_STOCK
        numbers = {
            "price": price,
            "dearness": np.log(price / USUAL_PRICE[category]),
            "quality": quality,
            "comfort": rng.normal(0, 1, num_items),
            "trend": rng.uniform(-1, 1, num_items),
            "listed": np.where(late, rng.uniform(0, 0.95, num_items), 0),
            "popularity": (rng.permutation(num_items) + 1.0) ** -POWER,
            "affinity": _affinity(rng, seed, codes),
        }
        return cls(
            category=category.astype(np.uint8),
            **{name: code.astype(np.uint8) for name, code in codes.items()},
            **{name: number.astype(np.float32) for name, number in numbers.items()},
        )

    @property
    def style(self) -> Int64[np.ndarray, " I"]:
        """The taste that likes each item best."""
        return self.affinity.argmax(1)

    @property
    def listed_ms(self) -> Int64[np.ndarray, " I"]:
        """When each item is listed, in milliseconds since 1970."""
        return START_MS + (self.listed.astype(np.float64) * YEAR_MS).astype(np.int64)

    @cached_property
    def shares(self) -> Float32[np.ndarray, "K I"]:
        """Share of each item among those of its category, for each taste: rows of proposals."""
        weight = self.popularity * np.exp(self.affinity.T)
        total = np.zeros((len(STYLES), len(CATEGORIES)))
        np.add.at(total.T, self.category, weight.T)
        return (weight / total[:, self.category]).astype(np.float32)

    def take(self, rows: Int64[np.ndarray, " rows"]) -> "World":
        """Only these items; `shares` are then among them."""
        return World(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def save(self, path: Path) -> None:
        """Write every array to a safetensors file."""
        save_file({field.name: getattr(self, field.name) for field in fields(self)}, path)

    @classmethod
    def load(cls, path: Path) -> "World":
        """The world in a safetensors file."""
        return cls(**load_file(path))


def harmonious(first: UInt8[np.ndarray, "..."], second: UInt8[np.ndarray, "..."]) -> np.ndarray:
    """Which colours go together: a neutral with all, near hues, and opposite ones."""
    a, b = HUES[first], HUES[second]
    apart = np.abs(a - b) % 360
    apart = np.minimum(apart, 360 - apart)
    return (a < 0) | (b < 0) | (apart <= 30) | (apart >= 150)


def harmony() -> Float32[np.ndarray, "colours colours"]:
    """Fit of a colour after a colour."""
    colours = np.arange(len(COLOURS), dtype=np.uint8)
    fits = harmonious(colours[:, None], colours[None])
    return np.where(fits, 1.0, DISCORD).astype(np.float32)


def following() -> Float32[np.ndarray, "C C"]:
    """Chance of the next category after each category."""
    chance = np.full((len(CATEGORIES), len(CATEGORIES)), (1 - STAY - COMPLEMENT))
    chance /= len(CATEGORIES) - 2
    for place, name in enumerate(CATEGORIES):
        chance[place, place] = STAY
        chance[place, CATEGORIES.index(NEXT[name])] = COMPLEMENT
    return chance.astype(np.float32)


def season() -> Float32[np.ndarray, "C weeks"]:
    """Fit of each category in each week: a cosine between 1 and 1 - SWING."""
    angle = 2 * np.pi * (np.arange(WEEKS) + 0.5 - PEAK_WEEK[:, None]) / WEEKS
    return (1 - SWING[:, None] * (1 - np.cos(angle)) / 2).astype(np.float32)


def _shuffled_quotas(rng: np.random.Generator, num_items: int) -> Int64[np.ndarray, " I"]:
    """Categories in their shares, rounded, so that none is empty."""
    edges = np.cumsum(COMMON) / COMMON.sum()
    return rng.permutation(np.searchsorted(edges, (np.arange(num_items) + 0.5) / num_items))


def _falling(names: tuple[str, ...], power: float) -> Float64[np.ndarray, " names"]:
    """Chances that fall as a power of the place."""
    weight = np.arange(1.0, len(names) + 1) ** -power
    return weight / weight.sum()


def _affinity(
    rng: np.random.Generator, seed: int, codes: dict[str, Int64[np.ndarray, " I"]]
) -> Float64[np.ndarray, "I K"]:
    """How well each taste likes each item: the sum of its attributes, and a part of its own."""
    styles = stream(seed, "shop", "styles")
    affinity = OWN * rng.normal(size=(len(codes["brand"]), len(STYLES)))
    for name, (values, weight) in ATTRIBUTES.items():
        affinity += weight * styles.normal(size=(len(values), len(STYLES)))[codes[name]]
    return affinity


def _materials(
    rng: np.random.Generator, category: Int64[np.ndarray, " I"]
) -> Int64[np.ndarray, " I"]:
    number = rng.random(len(category))
    material = np.empty(len(category), np.int64)
    for place, name in enumerate(CATEGORIES):
        here = category == place
        options = np.array(WORN_IN[name])
        material[here] = options[(number[here] * len(options)).astype(np.int64)]
    return material

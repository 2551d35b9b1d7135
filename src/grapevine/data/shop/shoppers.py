"""The shop's users: who they are, and what they like."""

# U = users, K = tastes, C = categories

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int64, UInt8
from safetensors.numpy import load_file, save_file

from grapevine.data.shop.world import CATEGORIES, STYLES
from grapevine.random import stream

BLOCK = 2_048
"""Users drawn together. A constant of the world, not of the machine: it keys the streams."""

GENDERS = ("f", "m", "x")
TOWNS = (
    "Alderquay", "Birchmouth", "Coldhaven", "Dovecliffe", "Eastmarch", "Fernholm",
    "Greywater", "Highfen", "Inverlock", "Juniper Bay", "Kestrelton", "Larkmoor",
)  # fmt: skip
PEAKED = 2.5
"""How decided tastes are: the inverse temperature of the mix."""
DRIFT = 0.8
"""Standard deviation of how far each taste moves over the year."""


@dataclass(frozen=True, kw_only=True)
class Shoppers:
    """The truth about some users.

    Attributes:
        age: `(U,)` in years.
        gender: `(U,)` place in GENDERS.
        town: `(U,)` place in TOWNS.
        before: `(U, K)` mix of tastes when the year starts, summing to one.
        after: `(U, K)` the same when it ends.
        wants: `(U, C)` chance of each category when a session starts.
        budget: `(U,)` dearness above which an item is too dear.
        care: `(U,)` how much being too dear matters.
        activity: `(U,)` visits in proportion to the mean of one.
    """

    age: UInt8[np.ndarray, " U"]
    gender: UInt8[np.ndarray, " U"]
    town: UInt8[np.ndarray, " U"]
    before: Float32[np.ndarray, "U K"]
    after: Float32[np.ndarray, "U K"]
    wants: Float32[np.ndarray, "U C"]
    budget: Float32[np.ndarray, " U"]
    care: Float32[np.ndarray, " U"]
    activity: Float32[np.ndarray, " U"]

    def __len__(self) -> int:
        return len(self.age)

    @classmethod
    def draw(cls, seed: int, block: int) -> "Shoppers":
        """All BLOCK users of a block, the same whoever else is drawn."""
        rng = stream(seed, "shop", "users", block)
        age = np.clip(16 + rng.gamma(3.2, 8.5, BLOCK), 16, 85).astype(np.int64)
        gender = rng.choice(len(GENDERS), BLOCK, p=[0.52, 0.45, 0.03])
        town = (len(TOWNS) * rng.random(BLOCK) ** 1.6).astype(np.int64)
        groups = stream(seed, "shop", "groups")
        band = (age - 16) // 10
        taste = 0.9 * groups.normal(size=(7, len(STYLES)))[band]
        taste += 0.7 * groups.normal(size=(len(GENDERS), len(STYLES)))[gender]
        taste += 0.5 * groups.normal(size=(len(TOWNS), len(STYLES)))[town]
        wants = 0.8 * groups.normal(size=(len(GENDERS), len(CATEGORIES)))[gender]
        taste += rng.normal(0, 1, taste.shape)
        wants += rng.normal(0, 1.2, wants.shape)
        moved = taste + rng.normal(0, DRIFT, taste.shape)
        return cls(
            age=age.astype(np.uint8),
            gender=gender.astype(np.uint8),
            town=town.astype(np.uint8),
            before=_softmax(PEAKED * taste),
            after=_softmax(PEAKED * moved),
            wants=_softmax(wants),
            budget=(0.006 * (age - 40) + rng.normal(0, 0.3, BLOCK)).astype(np.float32),
            care=np.exp(rng.normal(0.6, 0.4, BLOCK)).astype(np.float32),
            activity=np.exp(rng.normal(-0.18, 0.6, BLOCK)).astype(np.float32),
        )

    def take(self, rows: Int64[np.ndarray, " rows"] | slice) -> "Shoppers":
        """Only these users."""
        return Shoppers(**{name: value[rows] for name, value in _arrays(self).items()})

    @classmethod
    def joined(cls, parts: "list[Shoppers]") -> "Shoppers":
        """Several groups of users as one."""
        columns = [_arrays(part) for part in parts]
        return cls(**{name: np.concatenate([c[name] for c in columns]) for name in columns[0]})

    def save(self, path: Path) -> None:
        """Write every array to a safetensors file."""
        save_file(_arrays(self), path)

    @classmethod
    def load(cls, path: Path) -> "Shoppers":
        """The users in a safetensors file."""
        return cls(**load_file(path))


def _arrays(shoppers: Shoppers) -> dict[str, np.ndarray]:
    return {
        field.name: np.ascontiguousarray(getattr(shoppers, field.name))
        for field in fields(shoppers)
    }


def _softmax(logits: np.ndarray) -> Float32[np.ndarray, "rows columns"]:
    weight = np.exp(logits - logits.max(1, keepdims=True))
    return (weight / weight.sum(1, keepdims=True)).astype(np.float32)

"""What is known of each item, as arrays: ready for an encoder, with no table in sight."""

from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float32, Int64, UInt8

from grapevine.structs.jagged import Jagged


@dataclass(frozen=True, slots=True)
class Features:
    """What is known of each item, as arrays. What an item lacks is an empty list or a zero row.

    Attributes:
        tokens: by name of the kind ("title", "category", ...), hashed token rows of each item,
            all below the number of buckets that the encoder has.
        numbers: `(items, F)` standardised numbers and flags, the log degree among them.
        vectors: by column, `(items, D)` vectors as the catalogue holds them, standardised.
        images: `(items, 3, rows, columns)` pictures, black where there is none, or None.
    """

    tokens: dict[str, Jagged] = field(default_factory=dict)
    numbers: Float32[np.ndarray, "items numbers"] | None = None
    vectors: dict[str, Float32[np.ndarray, "items width"]] = field(default_factory=dict)
    images: UInt8[np.ndarray, "items 3 rows columns"] | None = None

    def __post_init__(self) -> None:
        lengths = {f"tokens of {name}": len(lists) for name, lists in self.tokens.items()}
        lengths |= {f"vectors of {name}": len(rows) for name, rows in self.vectors.items()}
        lengths |= {
            name: len(rows)
            for name, rows in (("numbers", self.numbers), ("images", self.images))
            if rows is not None
        }
        if len(set(lengths.values())) != 1:
            raise ValueError(f"every kind must be told of as many items: got {lengths or 'none'}")

    def __len__(self) -> int:
        for part in (self.numbers, self.images, *self.tokens.values(), *self.vectors.values()):
            if part is not None:
                return len(part)
        raise AssertionError("checked when made")

    def take(self, rows: Int64[np.ndarray, " wanted"]) -> "Features":
        """The features of these items, in that order."""
        return replace(
            self,
            tokens={name: lists.take(rows) for name, lists in self.tokens.items()},
            numbers=None if self.numbers is None else self.numbers[rows],
            vectors={name: part[rows] for name, part in self.vectors.items()},
            images=None if self.images is None else self.images[rows],
        )

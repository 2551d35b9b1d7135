"""Items as features: what the catalogue says of them, in arrays that an encoder takes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import polars as pl
from jaxtyping import Float32, Float64, Int64

from grapevine.data.dataset import Dataset
from grapevine.errors import ConfigError, unknown
from grapevine.log import logger
from grapevine.structs.features import Features
from grapevine.structs.jagged import Jagged
from grapevine.views import images, numbers, tokens

KINDS = ("title", "text", "category", "tags", "number", "time", "vector", "image", "degree")
"""Roles of the item columns that are seen, and the degree in the training graph."""

BUCKETS = 1 << 14
IMAGE_SIZE = 32


@dataclass(frozen=True, kw_only=True)
class FeatureView:
    """How a catalogue is seen: which columns, and what training says of their size.

    The same view sees the catalogue that it was fitted on and items that are listed later. Nothing
    but the training set's own item table and degrees goes into it.

    Tokens come under the kinds `title`, `text`, `category` and `tags`; numbers and times stand side
    by side in `numbers`, the degree last; each vector column stands alone; of pictures there is one
    column.

    Attributes:
        columns: role of each column that is seen, in the order of the schema.
        buckets: how many tokens there are, all kinds together.
        image_size: pixels of a side.
        scales: by column of numbers or times.
        vectors: by column, mean and standard deviation of each place.
        degree: of the item's training events, none being unknown; None where degrees are not seen.
    """

    columns: dict[str, str]
    buckets: int = BUCKETS
    image_size: int = IMAGE_SIZE
    scales: dict[str, numbers.Scale] = field(default_factory=dict)
    vectors: dict[str, Float32[np.ndarray, "two width"]] = field(default_factory=dict)
    degree: numbers.Scale | None = None

    @classmethod
    def fit(
        cls,
        train: Dataset,
        *,
        use: Sequence[str] = KINDS,
        degrees: Int64[np.ndarray, " items"] | None = None,
        buckets: int = BUCKETS,
        image_size: int = IMAGE_SIZE,
    ) -> Self:
        """The view of a training set.

        Args:
            train: the training events, and the catalogue.
            use: kinds of `KINDS`, or columns of the items by name.
            degrees: events of each item, as `encode` will be given them; all training events of
                any behaviour if not given.
            buckets: how many tokens are told apart.
            image_size: pixels of a side.

        Raises:
            ConfigError: `use` names what the catalogue has not, or leaves nothing to see.
        """
        columns = _chosen(train, use)
        table = train.item_table
        scales = {
            name: numbers.Scale.fit(
                numbers.as_numbers(table[name]), log=None if role == "number" else False
            )
            for name, role in columns.items()
            if role in {"number", "time"}
        }
        widths = {name: numbers.vector_width(table[name]) for name in _of(columns, "vector")}
        vectors = {
            name: numbers.vector_scale(numbers.as_vectors(table[name], width))
            for name, width in widths.items()
            if width
        }
        degree = None
        if "degree" in use:
            counted = degrees_of(train) if degrees is None else degrees
            degree = numbers.Scale.fit(_met(counted), log=True)
            degree = replace(degree, flag=False)
        return cls(
            columns={n: r for n, r in columns.items() if r != "vector" or n in vectors},
            buckets=buckets,
            image_size=image_size,
            scales=scales,
            vectors=vectors,
            degree=degree,
        )

    def encode(
        self, table: pl.DataFrame, degrees: Int64[np.ndarray, " items"] | None = None
    ) -> Features:
        """The features of the items of a table, in its order.

        A column that the table has not is missing of every item: so the item table of a run, which
        keeps no pictures, can be seen too, but with its own table a new item is seen whole.

        Args:
            table: any items, with the columns of the catalogue as far as they are known.
            degrees: events of each, counted as for `fit`; none if not given, as for new items.
        """
        degrees = np.zeros(len(table), np.int64) if degrees is None else degrees
        if len(degrees) != len(table):
            raise ValueError(f"{len(degrees)} degrees for {len(table)} items")
        given = {name: self._column(table, name) for name in self.columns}
        return Features(
            tokens=self._tokens(given),
            numbers=self._numbers(given, degrees),
            vectors={
                name: numbers.standardised(numbers.as_vectors(given[name], scale.shape[1]), scale)
                for name, scale in self.vectors.items()
            },
            images=next(
                (
                    images.pixels(given[name], self.image_size)
                    for name in _of(self.columns, "image")
                ),
                None,
            ),
        )

    def encode_all(self, train: Dataset) -> Features:
        """The features of the training set's items, with their degrees."""
        return self.encode(train.item_table, degrees_of(train))

    def arrays(self) -> dict[str, np.ndarray]:
        """All of it as arrays, so that it can be a part of a model's state.

        `settings` is JSON in UTF-8; the others are by kind and column.
        """
        plain = {
            "columns": self.columns,
            "buckets": self.buckets,
            "image_size": self.image_size,
        }
        found = {"settings": np.frombuffer(json.dumps(plain).encode(), np.uint8).copy()}
        found |= {f"scale.{name}": scale.array() for name, scale in self.scales.items()}
        found |= {f"vector.{name}": scale for name, scale in self.vectors.items()}
        if self.degree is not None:
            found["degree"] = self.degree.array()
        return found

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """The view that `arrays` came from."""
        settings: dict[str, Any] = json.loads(arrays["settings"].tobytes())

        def under(kind: str) -> dict[str, np.ndarray]:
            return {n.removeprefix(kind): a for n, a in arrays.items() if n.startswith(kind)}

        return cls(
            **settings,
            scales={name: numbers.Scale.of(array) for name, array in under("scale.").items()},
            vectors=under("vector."),
            degree=numbers.Scale.of(arrays["degree"]) if "degree" in arrays else None,
        )

    def _column(self, table: pl.DataFrame, name: str) -> pl.Series:
        if name in table.columns:
            return table[name]
        logger.info("note: `%s` is missing of all %d items", name, len(table))
        return pl.Series(name, [None] * len(table), _EMPTY.get(self.columns[name], pl.String))

    def _tokens(self, given: dict[str, pl.Series]) -> dict[str, Jagged]:
        kinds: dict[str, Jagged] = {}
        for kind in ("title", "text", "category", "tags"):
            columns = [given[name] for name in _of(self.columns, kind)]
            if columns and kind in {"title", "text"}:
                kinds[kind] = tokens.words(
                    columns, kind, buckets=self.buckets, trigrams=kind == "title"
                )
            elif columns:
                kinds[kind] = tokens.names(columns, buckets=self.buckets)
        return kinds

    def _numbers(
        self, given: dict[str, pl.Series], degrees: Int64[np.ndarray, " items"]
    ) -> Float32[np.ndarray, "items numbers"] | None:
        parts = [
            scale.apply(numbers.as_numbers(given[name])) for name, scale in self.scales.items()
        ]
        if self.degree is not None:
            parts.append(self.degree.apply(_met(degrees)))
        return np.hstack(parts) if parts else None


_EMPTY: dict[str, Any] = {
    "number": pl.Float64,
    "time": pl.Float64,
    "vector": pl.List(pl.Float64),
    "image": pl.Binary,
}


def degrees_of(train: Dataset) -> Int64[np.ndarray, " items"]:
    """Training events of each item, of any behaviour."""
    return train.interactions.counts()


def _met(degrees: Int64[np.ndarray, " items"]) -> Float64[np.ndarray, " items"]:
    """Degrees, unknown where zero.

    Nobody takes an item of degree zero in training, so a model would learn to leave it out, and all
    new items with it. As unknown it counts as the mean, and nothing but its features speaks.
    """
    return np.where(degrees > 0, degrees, np.nan)


def _of(columns: Mapping[str, str], *roles: str) -> list[str]:
    return [name for name, role in columns.items() if role in roles]


def _chosen(train: Dataset, use: Sequence[str]) -> dict[str, str]:
    """The columns that are seen, with their roles; told of those that cannot be."""
    known = {n: r for n, r in train.schema.items.items() if n in train.item_table.columns}
    for name in use:
        if name not in KINDS and name not in known:
            raise unknown("kind or column of items", name, [*KINDS, *known])
    columns = {n: r for n, r in known.items() if n in use or r in use or r not in KINDS}
    for name, role in list(columns.items()):
        binary = train.item_table.schema[name] == pl.Binary
        later = role == "image" and name != _of(columns, "image")[0]
        if role not in KINDS or binary != (role == "image") or later:
            why = "one column of pictures is seen" if later else f"as {role} it is not seen"
            logger.info("note: the item column `%s` is left out: %s", name, why)
            del columns[name]
    if not columns and "degree" not in use:
        raise ConfigError(
            f"{train.name}: its items have nothing of {', '.join(use)}",
            hint=f"it has {', '.join(known) or 'no columns'}; the degree is always there",
        )
    return columns

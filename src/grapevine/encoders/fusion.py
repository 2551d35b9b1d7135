"""What is known of an item, kind by kind, to one vector."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from grapevine.core.kernels.memory import tensor_of
from grapevine.encoders.image import SmallCNN
from grapevine.encoders.numbers import Numbers
from grapevine.encoders.tokens import HashedTokens
from grapevine.errors import ConfigError, unknown
from grapevine.structs.features import Features

# B = rows of a batch, D = width

Rows = dict[str, Tensor]
"""The features of a batch of items, as `gather` gives them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shapes:
    """What an encoder must know of features to be built.

    Attributes:
        tokens: kinds of tokens.
        buckets: rows of tokens are below it.
        numbers: columns of numbers, the degree not counted.
        degree: whether one more column of the numbers, the last, is the log degree.
        vectors: width of each vector column.
        image: whether there are pictures.
    """

    tokens: tuple[str, ...] = ()
    buckets: int = 0
    numbers: int = 0
    degree: bool = False
    vectors: dict[str, int] = field(default_factory=dict)
    image: bool = False

    @classmethod
    def of(cls, features: Features, *, buckets: int, degree: bool) -> "Shapes":
        """The shapes of these features.

        Args:
            features: of any number of items.
            buckets: of the view that they came from.
            degree: whether the last of the numbers is the log degree.
        """
        columns = 0 if features.numbers is None else features.numbers.shape[1]
        return cls(
            tokens=tuple(features.tokens),
            buckets=buckets,
            numbers=columns - degree,
            degree=degree,
            vectors={name: part.shape[1] for name, part in features.vectors.items()},
            image=features.images is not None,
        )

    @property
    def kinds(self) -> tuple[str, ...]:
        """What an encoder can listen to: "title", "numbers", "degree", "image", "vector.NAME"."""
        whole = {"numbers": self.numbers > 0, "degree": self.degree, "image": self.image}
        present = [name for name, there in whole.items() if there]
        return (*self.tokens, *present, *(f"vector.{name}" for name in self.vectors))

    @property
    def describe(self) -> bool:
        """Whether they tell an item that nobody has met from another: a degree does not."""
        return any(kind != "degree" for kind in self.kinds)


class ItemEncoder(nn.Module):
    """Each kind of feature to a vector of its own, normalised; all of them to one.

    An item's vector depends on its own features alone. What an item lacks (no words, a missing
    number, a black picture) is zero where it comes in, and the vector is finite all the same.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """Options; the shapes of the features arrive in `build`."""

        width: int = 64
        """Length of the vector, D, and of each kind's own."""
        hidden: int = 128
        """Width of the layer between the kinds and the vector."""
        kinds: tuple[str, ...] = ()
        """What is listened to, see `Shapes.kinds`; everything if none is named."""
        merge: Literal["concat", "sum"] = "concat"
        """Kinds side by side, or added up."""
        kind_dropout: float = 0.0
        """Share of the kinds that an item is without in training, so that none is leant on."""
        pool: Literal["mean", "root"] = "root"
        """See `HashedTokens`."""
        weighted: bool = False
        """See `HashedTokens`."""
        channels: tuple[int, ...] = (16, 32, 64, 64)
        """See `SmallCNN`."""

        def build(self, shapes: Shapes) -> "ItemEncoder":
            """The encoder for features of these shapes.

            Raises:
                ConfigError: `kinds` names what there is not, or there is nothing at all.
            """
            return ItemEncoder(self, shapes)

    def __init__(self, config: Config, shapes: Shapes) -> None:
        super().__init__()
        for name in config.kinds:
            if name not in shapes.kinds:
                raise unknown("kind of feature", name, shapes.kinds)
        self.config, self.shapes = config, shapes
        self.kinds = tuple(k for k in shapes.kinds if not config.kinds or k in config.kinds)
        if not self.kinds:
            raise ConfigError("there is no feature to make an item's vector of")
        width = config.width
        self.tokens = None
        if any(kind in shapes.tokens for kind in self.kinds):
            how = HashedTokens.Config(width=width, pool=config.pool, weighted=config.weighted)
            # One table for all kinds: their tokens are apart already.
            self.tokens = how.build(shapes.buckets)
        self.parts = nn.ModuleList(self._part(kind) for kind in self.kinds)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in self.kinds)
        inside = width * (len(self.kinds) if config.merge == "concat" else 1)
        self.merge = nn.Sequential(
            nn.Linear(inside, config.hidden), nn.ReLU(), nn.Linear(config.hidden, width)
        )

    def _part(self, kind: str) -> nn.Module:
        shapes, width = self.shapes, self.config.width
        if kind in shapes.tokens:
            return nn.Linear(width, width)
        if kind == "image":
            return SmallCNN.Config(width=width, channels=self.config.channels).build()
        if kind.startswith("vector."):
            return nn.Linear(shapes.vectors[kind.removeprefix("vector.")], width)
        return Numbers(shapes.numbers if kind == "numbers" else 1, width)

    def forward(self, rows: Rows) -> Float[Tensor, "rows width"]:
        """One vector for each item that `gather` was asked for."""
        parts = [
            norm(part(self._given(kind, rows)))
            for kind, part, norm in zip(self.kinds, self.parts, self.norms)
        ]
        drop = self.config.kind_dropout
        if self.training and drop and len(parts) > 1:
            keep_BK = torch.rand(len(parts[0]), len(parts)) >= drop
            scale_BK = keep_BK / (1 - drop)
            parts = [part_BD * scale_BK[:, [k]] for k, part_BD in enumerate(parts)]
        if self.config.merge == "concat":
            return self.merge(torch.cat(parts, dim=1))
        return self.merge(torch.stack(parts).sum(0))

    def gather(self, features: Features, rows: Int64[np.ndarray, " wanted"]) -> Rows:
        """The features of these items, of the kinds that are listened to."""
        return gather(features, rows, self.kinds)

    def _given(self, kind: str, rows: Rows) -> Tensor:
        if self.tokens is not None and kind in self.shapes.tokens:
            return self.tokens(rows[f"tokens.{kind}"], rows[f"offsets.{kind}"])
        if kind == "numbers":
            return rows["numbers"][:, : self.shapes.numbers]
        if kind == "degree":
            return rows["numbers"][:, self.shapes.numbers :]
        return rows[kind]


def gather(
    features: Features, rows: Int64[np.ndarray, " wanted"], kinds: Sequence[str] | None = None
) -> Rows:
    """The features of these items as tensors, and of no others: a batch's own small matrix.

    `tokens.KIND` has all their tokens end to end and `offsets.KIND` where each item's start;
    `numbers`, `image` and `vector.NAME` have a row for each.

    Args:
        features: of all items.
        rows: items, in any order, repeats allowed.
        kinds: of `Shapes.kinds`; all if not given.
    """
    out: Rows = {}
    for name, lists in features.tokens.items():
        if kinds is None or name in kinds:
            taken = lists.take(rows)
            out[f"tokens.{name}"] = torch.from_numpy(taken.values.astype(np.int64))
            out[f"offsets.{name}"] = torch.from_numpy(taken.offsets[:-1])
    if features.numbers is not None and (kinds is None or {"numbers", "degree"} & {*kinds}):
        out["numbers"] = tensor_of(features.numbers[rows])
    for name, vectors in features.vectors.items():
        if kinds is None or f"vector.{name}" in kinds:
            out[f"vector.{name}"] = tensor_of(vectors[rows])
    if features.images is not None and (kinds is None or "image" in kinds):
        out["image"] = tensor_of(features.images[rows])
    return out

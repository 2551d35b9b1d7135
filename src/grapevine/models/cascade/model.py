"""What training leaves of the models of several behaviours."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from jaxtyping import Bool, Float32, Int64

from grapevine.errors import ConfigError
from grapevine.models.base import refuse_other_arrays
from grapevine.models.cascade.config import ONE_FOR_ALL, TYPED
from grapevine.models.cascade.config import Config as CascadeConfig
from grapevine.models.histories import asked_history
from grapevine.models.vectors import UserItemVectors, stranger_vectors, unit
from grapevine.structs.batch import Batch
from grapevine.structs.products import Products

if TYPE_CHECKING:  # torch is loaded when something is learnt or asked
    from torch import Tensor

    from grapevine.models.cascade.scorer import Scorer

BLOCK = 2**22
"""Numbers that a tower holds at once while it scores."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VectorsConfig(CascadeConfig):
    """As `cascade.Config`, where a score is a product of two vectors."""

    def __post_init__(self) -> None:
        # Not `super()`: a class with slots is another than the one that this was written in.
        CascadeConfig.__post_init__(self)
        if self.scorer != "gmf" or self.how != "none":
            raise ConfigError(
                f'scores of this model are products of two vectors: scorer="{self.scorer}" with '
                f'how="{self.how}" makes others',
                hint="train `nmtr` with these options",
            )


@dataclass(frozen=True, kw_only=True)
class CascadeVectors(UserItemVectors):
    """Scores that are products of two vectors, of what is held for the target.

    A stranger takes a convolution of the items of its history, whatever it did with them, as in
    `UserItemVectors`.

    Attributes:
        scale: `(width,)` what a user's vector is multiplied by.
    """

    Config: ClassVar[type] = VectorsConfig

    scale: Float32[np.ndarray, " width"]

    def products(self, batch: Batch) -> Products:
        """The users, scaled, and the items."""
        found = super().products(batch)
        asking = found.queries * self.scale
        if self.config.cosine:
            return Products(unit(asking), unit(self.items))
        return Products(asking, found.items)


@dataclass(frozen=True, kw_only=True, slots=True)
class TypedConfig(VectorsConfig):
    """As `cascade.Config`, where a typed graph is heard."""

    def __post_init__(self) -> None:
        VectorsConfig.__post_init__(self)
        if self.encoder not in TYPED:
            raise ConfigError(
                f'this model hears a typed graph, and encoder="{self.encoder}" none',
                hint="train `crgcn` with these options",
            )


@dataclass(frozen=True, kw_only=True)
class TypedVectors(CascadeVectors):
    """As `CascadeVectors`; a user without an event has the vector of its attributes.

    That answers for it as long as it has done nothing; then it is a stranger with a history.

    Attributes:
        learnt: `(users,)` whether training had an event of the user.
    """

    Config: ClassVar[type] = TypedConfig

    learnt: Bool[np.ndarray, " users"]

    def met(self, batch: Batch) -> Bool[np.ndarray, " queries"]:
        """Users by themselves, but those of whom there is nothing but what they did since."""
        known = super().met(batch)
        idle = asked_history(batch, self.behaviour).lengths == 0
        known[known] = self.learnt[batch.users[known]] | idle[known]
        return known

    @cached_property
    def told(self) -> Bool[np.ndarray, " users"]:
        """Users whom something is known of, whether or not they did anything."""
        return np.asarray(self.users.any(1))


@dataclass(frozen=True, kw_only=True)
class CascadePairs:
    """Scores that a network makes of every pair: those of the target, and of all that leads to it.

    A stranger takes a convolution of the items of its history, whatever it did with them, of each
    table.

    Attributes:
        config: the options.
        tables: `(users + items, width)` what all nodes hold: "held", or by the name of each
            behaviour, and "deep" where there are towers of their own.
        towers: the parameters of the scorer, by name.
        scales: `(behaviours, width)` what products are weighed by, the target's last.
        names: the behaviours in order.
        degrees: `(items,)` how many users met each item.
        met: `(users,)` whether training had an event of the user.
        heard: `(items,)` whether it had one of the item, or an attribute that is heard.
        behaviour: `(1,)` the behaviour of a history that counts, -1 for all.
    """

    Config: ClassVar[type] = CascadeConfig

    config: Any
    tables: dict[str, Float32[np.ndarray, "nodes width"]]
    towers: dict[str, np.ndarray]
    scales: Float32[np.ndarray, "behaviours width"]
    names: tuple[str, ...]
    degrees: Int64[np.ndarray, " items"]
    met: Bool[np.ndarray, " users"]
    heard: Bool[np.ndarray, " items"]
    behaviour: Int64[np.ndarray, " one"]
    paper: ClassVar[str] = ""
    listens: ClassVar[bool] = True

    @cached_property
    def scorer(self) -> "Scorer":
        """The scorer, ready to be asked."""
        import torch

        from grapevine.models.cascade.scorer import Scorer

        scorer = Scorer(self.config, self.names)
        scorer.load_state_dict({name: torch.from_numpy(one) for name, one in self.towers.items()})
        return scorer.eval()

    @property
    def known(self) -> Bool[np.ndarray, " items"]:
        """Items of which something is known; the others come last."""
        return self.heard

    def score(self, batch: Batch) -> Float32[np.ndarray, "queries items"]:
        """What the target scores, with all that leads to it; what is not known comes last."""
        import torch

        known = np.flatnonzero(self.heard)
        out = np.zeros((len(batch), len(self.degrees)), np.float32)
        if not len(known):
            return out
        users = len(self.met)
        asking = {n: torch.from_numpy(self._asking(one, batch)) for n, one in self.tables.items()}
        items = {n: torch.from_numpy(one[users:][known]) for n, one in self.tables.items()}
        rows = max(1, BLOCK // (len(known) * self.config.width))
        with torch.no_grad():
            for start in range(0, len(batch), rows):
                part = {name: one[start : start + rows] for name, one in asking.items()}
                out[start : start + rows, known] = self._target(part, items).numpy()
        # Most scores are below 0, logs of chances all of them.
        out[:, ~self.heard] = out[:, known].min(1, keepdims=True) - 1
        return out

    def _target(self, users: dict[str, "Tensor"], items: dict[str, "Tensor"]) -> "Tensor":
        import torch

        from grapevine.models.cascade.scorer import Ends
        from grapevine.tasks.cascade import cascaded

        def ends(name: str) -> Ends:
            name = name if name in users else "held"
            return Ends(users[name], items[name])

        own = [
            self.scorer(place, ends(name), torch.from_numpy(self.scales[place]),
                        ends("deep") if "deep" in users else ends(name))
            for place, name in enumerate(self.names)
        ]  # fmt: skip
        return cascaded(own, self.config.how)[-1]

    def state(self) -> dict[str, np.ndarray]:
        """All that was learnt, as named arrays."""
        return {
            **{f"tables.{name}": one for name, one in self.tables.items()},
            **{f"towers.{name}": one for name, one in self.towers.items()},
            "scales": self.scales,
            "names": np.frombuffer("\n".join(self.names).encode(), np.uint8),
            "degrees": self.degrees,
            "met": self.met,
            "heard": self.heard,
            "behaviour": self.behaviour,
        }

    @classmethod
    def restore(cls, config: Any, state: dict[str, np.ndarray]) -> Self:
        """The model that had this config and this state.

        Raises:
            BundleError: an array is missing, or there is one too many.
        """
        parts = {"tables": dict[str, np.ndarray](), "towers": dict[str, np.ndarray]()}
        plain = dict[str, Any]()
        for name, one in state.items():
            kind, dot, rest = name.partition(".")
            if dot and kind in parts:
                parts[kind][rest] = one
            else:
                plain[name] = one
        refuse_other_arrays(cls, ("scales", "names", "degrees", "met", "heard", "behaviour"), plain)
        names = tuple(plain.pop("names").tobytes().decode().split("\n"))
        _check_tables(cls, config, names, parts)
        return cls(
            config=config, tables=parts["tables"], towers=parts["towers"], names=names, **plain
        )

    def _asking(
        self, table_ND: Float32[np.ndarray, "nodes width"], batch: Batch
    ) -> Float32[np.ndarray, "queries width"]:
        users, items = table_ND[: len(self.met)], table_ND[len(self.met) :]
        out = stranger_vectors(batch, self.behaviour, self.degrees, items)
        known = batch.users >= 0
        known[known] = self.met[batch.users[known]]
        out[known] = users[batch.users[known]]
        return out


def _check_tables(
    model: type, config: Any, names: tuple[str, ...], parts: dict[str, dict[str, np.ndarray]]
) -> None:
    """Let every table and every parameter of the towers be there, and no other."""
    from grapevine.models.cascade.scorer import Scorer

    tables = [*(["held"] if config.encoder in ONE_FOR_ALL else names)]
    tables += ["deep"] if config.scorer == "neumf" else []
    towers = Scorer(config, names).state_dict()
    wanted = [f"tables.{name}" for name in tables] + [f"towers.{name}" for name in towers]
    refuse_other_arrays(
        model, wanted, [f"{kind}.{name}" for kind, of in parts.items() for name in of]
    )

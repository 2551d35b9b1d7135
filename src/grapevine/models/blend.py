"""A blend: several models asked the same question, their scores added up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from jaxtyping import Bool, Float32

from grapevine import config as configs
from grapevine.config import check_bounds
from grapevine.data.dataset import Dataset
from grapevine.errors import ConfigError, unknown
from grapevine.models.base import (
    Batches,
    Carries,
    Layout,
    Learner,
    Model,
    Trained,
    refuse_other_arrays,
)
from grapevine.structs.batch import Batch


@dataclass(frozen=True, kw_only=True)
class Blend:
    """Scores of each part, by their root mean square for a question, weighted and summed.

    Parts that err in different ways are better together than the best of them. A filter counts
    edges exactly and learns nothing; LightGCN learns, but what its vectors are too narrow for is
    lost to it.

    Attributes:
        config: which parts, and how much each says.
        parts: the fitted models, in the order of the config.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """The parts, how much each says, and their own options."""

        parts: tuple[str, ...] = ("chebycf", "lightgcn")
        """Names of models; to be trained, one of them at least is trained step by step."""
        weights: tuple[float, ...] = (1.0, 1.0)
        """What each part's scores are multiplied by, once their mean square is 1."""
        settings: tuple[str, ...] = ()
        """Options of the parts, such as `lightgcn.width=256`."""
        epochs: int = 0
        """Of the parts that are trained, at most, whatever `settings` has; 0 for their own."""

        def __post_init__(self) -> None:
            check_bounds(self, "blend", "epochs", least=0)
            if len(self.weights) != len(self.parts):
                raise ConfigError(
                    f"blend: {len(self.weights)} weights for {len(self.parts)} parts",
                    hint='give one each: model.parts=["ease","lightgcn"] model.weights=[1.0,0.5]',
                )
            if not all(0 < weight < np.inf for weight in self.weights):
                raise ConfigError(
                    f"blend wants weights > 0 and finite: got {list(self.weights)}",
                    hint="leave a part out that is to say nothing",
                )
            if len({*self.parts}) < len(self.parts):
                raise ConfigError(
                    f"blend: a part is named twice: {', '.join(self.parts)}",
                    hint="name each once, and give it more weight",
                )

        def configs(self) -> dict[str, Any]:
            """The options of each part, by its name, in order.

            Raises:
                ConfigError: a part, or an option of one, is unknown.
            """
            from grapevine.models import MODELS  # which has this row, too

            given = dict[str, list[str]]()
            for setting in self.settings:
                name, _, option = setting.partition(".")
                if name not in self.parts:
                    raise unknown("part of the blend", name, list(self.parts))
                given.setdefault(name, []).append(option)
            for name in self.parts:
                if name not in MODELS or name == "blend":
                    raise unknown("model", name, [one for one in MODELS if one != "blend"])
            found = dict[str, Any]()
            for name in self.parts:
                try:
                    found[name] = configs.override(MODELS[name].config, given.get(name, []), name)
                except ConfigError as error:
                    raise ConfigError(
                        f"in model.settings of the blend: {error.args[0]}", hint=error.hint
                    ) from error
            for name, one in found.items() if self.epochs else ():
                if isinstance(one, Trained):
                    found[name] = configs.override(one, [f"epochs={self.epochs}"])
            return found

        def learner(self, train: Dataset, *, seed: int = 0) -> "BlendLearner":
            """Fit what is in closed form, and start the others.

            Raises:
                ConfigError: no part is trained.
            """
            if not any(isinstance(one, Trained) for one in self.configs().values()):
                raise ConfigError(
                    "blend: one part at least is trained step by step, and all are in closed form",
                    hint='model.parts=["chebycf","lightgcn"] is the default; runs that are there '
                    "are blended by `grapevine blend`",
                )
            return BlendLearner(self, train, seed)

    config: Config
    parts: tuple[Model, ...]
    paper: ClassVar[str] = ""
    listens: ClassVar[bool] = True

    @property
    def known(self) -> Bool[np.ndarray, " items"] | None:
        """Items of which a part knows something; None where a part does not tell."""
        told = [one for part in self.parts if (one := getattr(part, "known", None)) is not None]
        return np.logical_or.reduce(told) if len(told) == len(self.parts) else None

    def score(self, batch: Batch) -> Float32[np.ndarray, "queries items"]:
        """The weighted sum; what a part never shows, the blend never shows."""
        total = np.float32(0)
        for part, weight in zip(self.parts, self.config.weights, strict=True):
            total = total + np.float32(weight) * scaled(part.score(batch))
        return np.asarray(total)

    def state(self) -> dict[str, np.ndarray]:
        """All that the parts learnt; names begin with the part's."""
        return {
            f"{name}.{key}": array
            for name, part in zip(self.config.parts, self.parts, strict=True)
            for key, array in part.state().items()
        }

    @classmethod
    def restore(cls, config: Config, state: dict[str, np.ndarray]) -> Self:
        """The model that had this config and this state.

        Raises:
            BundleError: an array is missing, or there is one too many.
        """
        from grapevine.models import MODELS

        shared = {name: dict[str, np.ndarray]() for name in config.parts}
        for key, array in state.items():
            name, _, rest = key.partition(".")
            if name not in shared:
                refuse_other_arrays(cls, (), (key,))
            shared[name][rest] = array
        options = config.configs()
        parts = tuple(MODELS[n].model.restore(options[n], shared[n]) for n in config.parts)
        return cls(config=config, parts=parts)


def scaled(
    score_QI: Float32[np.ndarray, "queries items"],
) -> Float32[np.ndarray, "queries items"]:
    """Each question's scores by their root mean square: 0 stays 0, and no order changes.

    The deviation would tell parts with an offset apart from it, but is all rounding where scores
    hardly differ.
    """
    told = np.isfinite(score_QI)
    squares = np.square(score_QI, where=told, out=np.zeros(score_QI.shape, np.float32))
    length_Q1 = np.sqrt(squares.sum(1, keepdims=True) / np.maximum(told.sum(1, keepdims=True), 1))
    return score_QI / np.where(length_Q1 > 0, length_Q1, 1).astype(np.float32)


@dataclass(frozen=True)
class Turns:
    """One epoch of several learners, one after another.

    Attributes:
        of: the batches of each, by its name.
    """

    of: Mapping[str, Batches]

    @property
    def examples(self) -> int:
        """What all of them learn from, as far as they tell."""
        return sum(getattr(batches, "examples", 0) for batches in self.of.values())

    def __len__(self) -> int:
        return sum(len(batches) for batches in self.of.values())

    def __getitem__(self, step: int) -> tuple[str, Any]:
        name, _, inner = self.at(step)
        return name, self.of[name][inner]

    def at(self, step: int) -> tuple[str, Batches, int]:
        """Whose step it is, the batches of that epoch, and which of them.

        Raises:
            IndexError: there are not so many.
        """
        for name, batches in self.of.items():
            if step < len(batches):
                return name, batches, step
            step -= len(batches)
        raise IndexError(step)


@dataclass
class BlendLearner:
    """The learners of the parts that are trained, in turns; validation hears the whole blend."""

    config: Blend.Config
    train: Dataset
    seed: int
    solved: dict[str, Model] = field(init=False)
    inner: dict[str, Learner[Model]] = field(init=False)

    def __post_init__(self) -> None:
        options = self.config.configs()
        self.solved, self.inner = {}, {}
        for name, one in options.items():
            if isinstance(one, Trained):
                self.inner[name] = one.learner(self.train, seed=self.seed)
            else:
                self.solved[name] = one.fit(self.train, seed=self.seed)
        self.epochs = max(one.epochs for one in self.inner.values())
        patience = [one.patience for one in self.inner.values()]
        self.patience = max(patience) if all(patience) else 0

    @property
    def identity(self) -> dict[str, Any]:
        """What the parts are learnt from beside the training set, by the part's name."""
        return {
            f"{name}.{what}": told
            for name, one in self.inner.items()
            for what, told in getattr(one, "identity", {}).items()
        }

    def batches(self, epoch: int) -> Turns:
        """Those of each part that still learns, part by part."""
        return self._turns(epoch)

    def rate(self, epoch: int, step: int, steps: int) -> float:
        """As the part has it whose turn it is."""
        name, batches, inner = self._turns(epoch).at(step)
        return self.inner[name].rate(epoch, inner, len(batches))

    def step(self, batch: tuple[str, Any], rate: float) -> dict[str, float]:
        """One update of a part; of several, what each loses is told by its name."""
        name, inner = batch
        lost = self.inner[name].step(inner, rate)
        if len(self.inner) == 1 or self._epoch is None:
            return lost
        # The mean over all steps of the epoch is then the mean over those of the part.
        share = len(self._epoch[1].of[name]) / len(self._epoch[1])
        return {f"{name} {kind}": one / share for kind, one in lost.items()}

    def state(self) -> dict[str, np.ndarray]:
        """Of the parts that are trained: the others are solved again, to the same bits."""
        return {
            f"{name}.{key}": array
            for name, one in self.inner.items()
            for key, array in one.state().items()
        }

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a state."""
        for name, one in self.inner.items():
            one.load(_of_part(name, state))

    @property
    def layouts(self) -> dict[str, Layout]:
        """Those of the parts that are trained."""
        return {
            f"{name}.{key}": layout
            for name, one in self._carrying().items()
            for key, layout in one.layouts.items()
        }

    def parameters(self, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Those of the parts."""
        return {
            f"{name}.{key}": array
            for name, one in self._carrying().items()
            for key, array in one.parameters(_of_part(name, state)).items()
        }

    def begin(self, parameters: Mapping[str, np.ndarray]) -> None:
        """Start each part from its own."""
        for name, one in self._carrying().items():
            one.begin(_of_part(name, parameters))

    def model(self) -> Blend:
        """The blend as it is now."""
        fitted = {**self.solved, **{name: one.model() for name, one in self.inner.items()}}
        return Blend(config=self.config, parts=tuple(fitted[name] for name in self.config.parts))

    def _carrying(self) -> dict[str, Carries]:
        return {name: one for name, one in self.inner.items() if isinstance(one, Carries)}

    def _turns(self, epoch: int) -> Turns:
        if self._epoch is None or self._epoch[0] != epoch:
            going = {name: one for name, one in self.inner.items() if epoch < one.epochs}
            self._epoch = epoch, Turns({name: one.batches(epoch) for name, one in going.items()})
        return self._epoch[1]

    _epoch: tuple[int, Turns] | None = field(init=False, default=None)
    """The epoch under way: its batches are laid out once, and every step asks for them."""


def _of_part(name: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of one part, by its own names."""
    start = f"{name}."
    return {key.removeprefix(start): a for key, a in arrays.items() if key.startswith(start)}

"""A blend: several models asked the same question, their scores added up."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
from jaxtyping import Float32

from grapevine import config as configs
from grapevine.config import check_bounds
from grapevine.data.dataset import Dataset
from grapevine.errors import ConfigError, unknown
from grapevine.models.base import Batches, Learner, Model, Trained, refuse_other_arrays
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
        """Names of models; one of them is trained step by step, the others in closed form."""
        weights: tuple[float, ...] = (1.0, 1.0)
        """What each part's scores are multiplied by, once their mean square is 1."""
        settings: tuple[str, ...] = ()
        """Options of the parts, such as `lightgcn.width=256`."""
        epochs: int = 0
        """Of the part that is trained, at most, whatever `settings` has; 0 for its own."""

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
                ConfigError: a part, or an option of one, is unknown, or not one part is trained.
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
            trained = [name for name, one in found.items() if isinstance(one, Trained)]
            if len(trained) != 1:
                raise ConfigError(
                    f"blend: exactly one part is trained step by step: got {len(trained)} "
                    f"({', '.join(trained) or 'all are in closed form'})",
                    hint='model.parts=["chebycf","lightgcn"] is the default',
                )
            if self.epochs:
                found[trained[0]] = replace(found[trained[0]], epochs=self.epochs)
            return found

        def learner(self, train: Dataset, *, seed: int = 0) -> "BlendLearner":
            """Fit what is in closed form, and start the other."""
            return BlendLearner(self, train, seed)

    config: Config
    parts: tuple[Model, ...]
    paper: ClassVar[str] = ""
    listens: ClassVar[bool] = True

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


@dataclass
class BlendLearner:
    """The learner of the one part that is trained; validation hears the whole blend."""

    config: Blend.Config
    train: Dataset
    seed: int
    solved: dict[str, Model] = field(init=False)
    inner: Learner[Model] = field(init=False)

    def __post_init__(self) -> None:
        options = self.config.configs()
        self.solved = {
            name: one.fit(self.train, seed=self.seed)
            for name, one in options.items()
            if not isinstance(one, Trained)
        }
        (self.taught,) = options.keys() - self.solved.keys()
        self.inner = options[self.taught].learner(self.train, seed=self.seed)
        self.epochs, self.patience = self.inner.epochs, self.inner.patience

    def batches(self, epoch: int) -> Batches:
        """Those of the part that is trained."""
        return self.inner.batches(epoch)

    def rate(self, epoch: int, step: int, steps: int) -> float:
        """As that part has it."""
        return self.inner.rate(epoch, step, steps)

    def step(self, batch: Any, rate: float) -> Mapping[str, float]:
        """One update of that part."""
        return self.inner.step(batch, rate)

    def state(self) -> dict[str, np.ndarray]:
        """Of that part: the others are solved again, to the same bits."""
        return self.inner.state()

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Go on from a state."""
        self.inner.load(state)

    def model(self) -> Blend:
        """The blend as it is now."""
        fitted = {**self.solved, self.taught: self.inner.model()}
        return Blend(config=self.config, parts=tuple(fitted[name] for name in self.config.parts))

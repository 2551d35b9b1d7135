"""The options of the models of several behaviours: one network, its losses and its steps."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from grapevine.config import check_bounds
from grapevine.data.dataset import Dataset
from grapevine.errors import ConfigError
from grapevine.models.histories import Behaviours
from grapevine.models.schedules import Decay

if TYPE_CHECKING:  # torch is loaded when something is learnt
    from grapevine.models.cascade.learner import CascadeLearner

How = Literal["none", "logit", "probability", "chain"]
"""As `tasks.cascade` has it, which torch comes with."""
Encoder = Literal["ids", "blocks", "relations", "shares", "rgcn", "hgt"]
TYPED: tuple[Encoder, ...] = ("rgcn", "hgt")
"""Encoders that hear attributes as well."""
ONE_FOR_ALL: tuple[Encoder, ...] = ("ids", "shares", *TYPED)
"""Encoders by which nodes hold the same for every behaviour."""
Through = Literal["linear", "residual"]
Scorer = Literal["gmf", "mlp", "neumf"]
Loss = Literal["log-loss", "bpr", "all-pairs", "softmax"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """What users and items hold for each behaviour, how a pair scores, and how that is learnt."""

    # What is held
    width: int = 64
    """Of what a user and an item hold, D."""
    encoder: Encoder = "ids"
    """A vector each for all behaviours; or the graphs of the behaviours one after another, each
    starting from what the one before it left; or all of them at once, an edge by its relation, or
    each graph by a share that is learnt for each layer. Or R-GCN or HGT, by each behaviour and
    each attribute, either way."""
    layers: int = 2
    """Convolutions of each graph, or of all of them at once."""
    depths: tuple[int, ...] = ()
    """Convolutions of the graph of each behaviour, in the order of the schema; `layers` each if not
    given."""
    through: Through = "linear"
    """How the next of the blocks starts: from a learnt map of what the one before it left (the mean
    of its layers), or from where that one started and what its last layer left, added up."""
    unit: bool = False
    """Whether what a block leaves, or the mean of all layers of the shares, is of length one."""
    spread: float = 0.1
    """Standard deviation of what is held at the start."""
    behaviours: Behaviours = "all"
    """Which of them there are."""
    attributes: tuple[str, ...] = ("category", "tags", "number")
    """Kinds of columns of users and items, or columns by name, whose values are nodes where there
    are any, with "rgcn" and "hgt"."""
    hidden: float = 0.5
    """Share of the pairs that are not heard in an epoch from some behaviour on, of which alone is
    asked, with "rgcn" and "hgt"."""
    heads: int = 4
    """Of "hgt"; they share the width."""
    bases: int = 0
    """Matrices that the relations of "rgcn" share; 0 gives each its own."""

    # How a pair scores
    scorer: Scorer = "gmf"
    """A weighted product; or what a perceptron makes of both ends; or both, each from its own
    vectors."""
    how: How = "none"
    """What a behaviour's score hears of the one before it."""
    transfer: bool = False
    """Whether the weights of the product are a map of those of the behaviour before (EHCF), and
    not the behaviour's own."""

    # What is asked
    loss: Loss = "log-loss"
    """Yes or no against items drawn; the difference to an item drawn; the squared error over all
    pairs; or the share among all items."""
    weights: tuple[float, ...] = ()
    """What each behaviour's loss counts, in the order of the schema; those of 0 are not asked for.
    If not given, it is as `auxiliary` says."""
    auxiliary: float = 1.0
    """What each behaviour before the target counts, the target counting 1; all sum to 1."""
    negatives: int = 4
    """Items drawn for each pair, with "log-loss"."""
    negative_weight: float = 0.1
    """c-, of a pair that is not there, with "all-pairs"; one that is counts 1."""
    temperature: float = 1.0
    """What scores are divided by, with "softmax"."""
    cosine: bool = False
    """Whether scores are of vectors of length one, with "softmax"."""

    # The training
    dropout: float = 0.0
    """Of what users and items hold: in training some of it is not there."""
    regularization: float = 0.0
    """Of the rows that a step asks for, half their squared length for each."""
    batch: int = 1024
    """Pairs of the target in a step; users, with "all-pairs". Fewer where an epoch would have less
    than a few steps."""
    epochs: int = 100
    """The most."""
    patience: int = 10
    """Epochs without a better validation that end the training; 0 never does."""
    learning_rate: float = 0.001
    """Of Adam, at the start."""
    decay: Decay = "constant"
    """How it goes down to a hundredth over all epochs."""

    def __post_init__(self) -> None:
        check_bounds(self, "cascade", "width", "batch", "epochs", "negatives", "heads", least=1)
        check_bounds(
            self, "cascade", "layers", "patience", "regularization", "auxiliary", "bases", least=0
        )
        check_bounds(self, "cascade", "hidden", above=0, most=0.9)
        check_bounds(self, "cascade", "learning_rate", "temperature", "spread", above=0)
        check_bounds(self, "cascade", "negative_weight", above=0, most=1)
        check_bounds(self, "cascade", "dropout", least=0, most=0.99)
        if any(one < 0 for one in self.depths) or (self.depths and self.encoder != "blocks"):
            raise ConfigError(
                "model.depths are the convolutions of each block, 0 or more: got "
                f'{list(self.depths)} with encoder="{self.encoder}"',
                hint="set model.layers, or model.encoder=blocks",
            )
        if not all(0 <= one < np.inf for one in self.weights) or not any(self.weights or (1,)):
            raise ConfigError(
                f"model.weights must be 0 or more, and one above it: got {list(self.weights)}",
                hint="leave it out for weights by model.auxiliary",
            )
        factored = self.scorer == "gmf" and self.how == "none"
        if self.loss in {"all-pairs", "softmax"} and not factored:
            raise ConfigError(
                f'model.loss="{self.loss}" is over all items, and wants scores that are products '
                f'of two vectors, not scorer="{self.scorer}" with how="{self.how}"',
                hint='set model.scorer="gmf" and model.how="none", or model.loss="log-loss"',
            )
        if self.encoder in TYPED and self.loss == "all-pairs":
            raise ConfigError(
                f'model.encoder="{self.encoder}" hears nothing of what is asked for, and '
                'model.loss="all-pairs" asks for all that a user did',
                hint='set model.loss="softmax"',
            )
        if self.encoder == "hgt" and self.width % self.heads:
            raise ConfigError(
                f"model.heads={self.heads} cannot share model.width={self.width}",
                hint="set model.heads to a divisor of model.width",
            )
        if self.transfer and self.scorer != "gmf":
            raise ConfigError(
                f'model.transfer maps the weights of a product, and scorer="{self.scorer}" has '
                "more than these",
                hint='set model.scorer="gmf", or model.transfer=false',
            )
        if self.cosine and self.loss != "softmax":
            raise ConfigError(
                "model.cosine bounds the scores, which only a temperature makes up for",
                hint='set model.loss="softmax", or model.cosine=false',
            )

    def deep(self, graphs: int) -> tuple[int, ...]:
        """The convolutions of so many graphs, one after another.

        Raises:
            ConfigError: there is not a number for each.
        """
        if self.depths and len(self.depths) != graphs:
            raise ConfigError(
                f"{len(self.depths)} model.depths for {graphs} behaviours",
                hint="give one each, up to the target",
            )
        return self.depths or (self.layers,) * graphs

    def asked(self, train: Dataset) -> dict[int, float]:
        """What each behaviour that is asked for counts, by its row in the schema.

        Raises:
            ConfigError: there is not a weight for each, or the target has none.
        """
        if self.behaviours == "target":
            return {train.schema.target_row: 1.0}
        return counted(train, self.weights, self.auxiliary, how=self.how)

    def learner(self, train: Dataset, *, seed: int = 0) -> "CascadeLearner":
        """Start the network; nothing is learnt yet."""
        from grapevine.models.cascade.learner import CascadeLearner

        return CascadeLearner(self, train, seed=seed)


def counted(
    train: Dataset, weights: tuple[float, ...], auxiliary: float, *, how: How
) -> dict[int, float]:
    """What each behaviour that is asked for counts, by its row in the schema.

    Args:
        train: has the behaviours.
        weights: of each, in the order of the schema; by `auxiliary` if there are none.
        auxiliary: what each before the target counts, the target counting 1; all sum to 1.
        how: what a behaviour hears of the one before it.

    Raises:
        ConfigError: there is not a weight for each, or the target has none.
    """
    names, target = train.schema.behaviours, train.schema.target_row
    if weights and len(weights) != len(names):
        raise ConfigError(
            f"{len(weights)} weights for {len(names)} behaviours: {', '.join(names)}",
            hint="give one each, in this order",
        )
    total = target * auxiliary + 1
    given = weights or (*(auxiliary / total,) * target, 1 / total)
    found = {row: one for row, one in enumerate(given) if one}
    if max(found) > target or (how == "none" and target not in found):
        raise ConfigError(
            f"the target is `{names[target]}`, and model.weights={list(weights)} asks for "
            f"{', '.join(names[row] for row in found)}",
            hint="give the target a weight, and behaviours after it none",
        )
    return found

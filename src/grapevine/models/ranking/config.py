"""The options of the ranking stage: what retrieves, what is heard, and how candidates are told."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from grapevine import config as configs
from grapevine.config import check_bounds
from grapevine.data.dataset import Dataset
from grapevine.errors import ConfigError, unknown
from grapevine.models.cascade.config import How, counted
from grapevine.models.schedules import Decay

if TYPE_CHECKING:  # torch is loaded when something is learnt
    from grapevine.models.ranking.learner import RankingLearner

History = Literal["mean", "attention", "evolution"]
Loss = Literal["log-loss", "softmax"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Which row of the table retrieves, and the network that orders what it brings."""

    # The first stage
    retriever: str = "item-knn"
    """A row of the one table. One that is trained step by step is trained `folds` + 1 times, to its
    last epoch: give it few in `settings`."""
    settings: tuple[str, ...] = ("item-knn.behaviours=all",)
    """Options of rows, such as `item-knn.neighbours=50`; those of the retriever count."""
    candidates: int = 200
    """Items that the retriever brings for a question."""
    folds: int = 4
    """Parts of the users. For a question of training the retriever has learnt from the other parts
    alone, so that what it says of an answer is no echo of that answer."""

    once: bool = False
    """Whether a history holds each item once, at the last of the farthest that was done with it,
    and none of them is a candidate: for questions about what was never met."""

    # What is heard
    length: int = 50
    """Events of a history that the network reads, the latest; what was done with a candidate is
    counted over all of it."""
    features: tuple[str, ...] = ("title", "category", "tags", "number", "time", "vector")
    """Kinds of item columns, or columns by name, that items are told by where there are any."""
    id_dropout: float = 0.1
    """How often a user, and an item that has features, must do without a vector of its own in
    training."""

    # The network
    width: int = 32
    """Of what users, items and events hold, D."""
    history: History = "attention"
    """What is made of a history: its mean; its mean by how much each event says of the candidate;
    or what a second recurrence, gated by that, makes of the states of a first (DIEN)."""
    hidden: tuple[int, ...] = (64, 32)
    """Widths of the layers before the heads."""
    wide: bool = False
    """Whether hashed crosses of ids are added to the heads, with a weight each (Wide & Deep)."""
    bits: int = 18
    """There are 2 to that many weights of crosses."""
    crosses: int = 0
    """Cross layers before the others (DCN-V2)."""
    rank: int = 0
    """Of the maps of cross layers; 0 for whole ones."""
    experts: int = 1
    """Maps of low rank that a cross layer mixes by a gate."""
    dropout: float = 0.1
    """Between layers, in training."""

    # What is asked
    how: How = "none"
    """What a behaviour's logit hears of the one before it: see `tasks.cascade`."""
    loss: Loss = "log-loss"
    """Yes or no for each candidate, or the answer's share among them."""
    weights: tuple[float, ...] = ()
    """What each behaviour's loss counts, in the order of the schema; those of 0 are not asked for.
    If not given, it is as `auxiliary` says."""
    auxiliary: float = 0.3
    """What each behaviour before the target counts, the target counting 1; all sum to 1."""
    next_weight: float = 0.5
    """What it counts that states of the first recurrence tell the next event, with "evolution"."""
    negatives: int = 8
    """Candidates that were not taken, drawn anew each epoch, for each answer."""
    popular: int = 2
    """Items drawn by popularity beside them."""
    questions: int = 100_000
    """Most that are learnt from, of each behaviour. Of one before the target there are no more than
    of the target, but for the first thousand."""

    # The training
    batch: int = 256
    """Questions of the target in a step; fewer where an epoch would have few steps."""
    epochs: int = 20
    """The most."""
    patience: int = 3
    """Epochs without a better validation that end the training; 0 never does."""
    learning_rate: float = 0.001
    """Of Adam, at the start."""
    decay: Decay = "constant"
    """How it goes down to a hundredth over all epochs."""
    weight_decay: float = 0.0
    """Pull of all weights towards 0."""

    def __post_init__(self) -> None:
        check_bounds(
            self, "ranking", "candidates", "length", "width", "experts", "negatives", "questions",
            "batch", "epochs", least=1,
        )  # fmt: skip
        check_bounds(
            self, "ranking", "crosses", "rank", "popular", "patience", "auxiliary", "next_weight",
            "weight_decay", least=0,
        )  # fmt: skip
        check_bounds(self, "ranking", "folds", least=2)
        check_bounds(self, "ranking", "learning_rate", above=0)
        check_bounds(self, "ranking", "dropout", "id_dropout", least=0, most=0.99)
        check_bounds(self, "ranking", "bits", least=1, most=30)
        if min(self.hidden, default=0) < 1:
            raise ConfigError(
                f"model.hidden must name a layer at least, and widths above 0: got {self.hidden}"
            )
        if self.experts > 1 and not self.rank:
            raise ConfigError(
                "model.experts mixes maps of low rank, and model.rank=0 has whole ones",
                hint="set model.rank, such as 16, or model.experts=1",
            )
        if not all(0 <= one < np.inf for one in self.weights) or not any(self.weights or (1,)):
            raise ConfigError(
                f"model.weights must be 0 or more, and one above it: got {list(self.weights)}",
                hint="leave it out for weights by model.auxiliary",
            )

    def first_stage(self) -> Any:
        """The options of the retriever.

        Raises:
            ConfigError: it, or an option of it, is unknown, or it has two stages itself.
        """
        from grapevine.models import MODELS  # which has this row, too

        able = [name for name, row in MODELS.items() if not isinstance(row.config, Config)]
        if self.retriever not in able:
            raise unknown("model that retrieves", self.retriever, able)
        chosen = list[str]()
        for setting in self.settings:
            name, _, option = setting.partition(".")
            if name not in able:
                raise unknown("model in model.settings", name, able)
            if name == self.retriever:
                chosen.append(option)
        try:
            return configs.override(MODELS[self.retriever].config, chosen, self.retriever)
        except ConfigError as error:
            raise ConfigError(
                f"in model.settings of the ranking: {error.args[0]}", hint=error.hint
            ) from error

    def asked(self, train: Dataset) -> dict[int, float]:
        """What each behaviour that is asked for counts, by its row in the schema.

        Raises:
            ConfigError: there is not a weight for each, or the target has none.
        """
        return counted(train, self.weights, self.auxiliary, how=self.how)

    def learner(self, train: Dataset, *, seed: int = 0) -> "RankingLearner":
        """Fit the retriever, gather its candidates, start the network."""
        from grapevine.models.ranking.learner import RankingLearner

        return RankingLearner(self, train, seed=seed)

"""The options of Vine: those of a sequence model, and what is asked beside the target."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from grapevine.config import check_bounds
from grapevine.data.dataset import Dataset
from grapevine.errors import ConfigError
from grapevine.log import logger
from grapevine.models.histories import Behaviours
from grapevine.models.sequence.config import Config as SequenceConfig
from grapevine.models.sequence.config import ItemVectors

if TYPE_CHECKING:  # torch is loaded when something is learnt
    from grapevine.models.vine.learner import VineLearner


@dataclass(frozen=True, kw_only=True, slots=True)
class Config(SequenceConfig):
    """As `sequence.Config`; histories of every behaviour, items told by what there is."""

    behaviours: Behaviours = "all"
    behaviour_input: bool = True
    gap_input: bool = True
    ends_early: float = 0.5
    item_vectors: ItemVectors = "ids+features"
    graph_layers: int = 1
    batch: int = 64
    learning_rate: float = 3e-3

    # What is asked beside the target
    cascade: bool = True
    """Whether a behaviour asks with all that the one before it asks with, and adds to it; else with
    the state of the history, and something of its own."""
    begun: bool = True
    """Whether what is asked about the target may be answered by an item of the history, which is
    then told by what the user did with it: see `begun`."""
    passed: bool = True
    """Whether a place may also pass such a question on: to what came after its item, and to what
    else its takers took. See `links`; needs model.loss="softmax"."""
    links: int = 100
    """To so many others each item leads at most, with `passed`."""
    reach: int = 0
    """So many of the latest events may be pointed at; 0 for all that are heard."""
    honest: float = 0.2
    """Share of the users who are held back. With `passed` they teach where an answer stands and
    when to pass on, and not which item is next: histories that the network knows by heart do not
    tell how far it is to be believed. With `chances` these are calibrated on them, not learnt."""
    auxiliary: float = 0.3
    """Weight of what is asked about each other behaviour; 0 learns the target alone."""
    chances: float = 0.1
    """Weight of the chances of each behaviour with an item; 0 learns none."""
    chance_negatives: int = 4
    """Items drawn for each event, with which the user is taken to do nothing."""
    chance_pairs: int = 1024
    """Events of a step whose chances are asked, at most."""
    ratings: float = 0.1
    """Weight of the values of events, where they have some; 0 learns none."""
    tower: int = 64
    """Width within the network that makes chances and ratings of a history and an item."""

    def __post_init__(self) -> None:
        # Not `super()`: a class with slots is another than the one that this was written in.
        SequenceConfig.__post_init__(self)
        check_bounds(self, "vine", "auxiliary", "chances", "ratings", "reach", least=0)
        check_bounds(self, "vine", "chance_negatives", "chance_pairs", "tower", "links", least=1)
        needed = {"behaviours": "all", "returns": "none", "tied": True}
        for name, value in needed.items():
            if getattr(self, name) != value:
                raise ConfigError(
                    "vine asks after events of any behaviour what comes next, with one vector "
                    f"for each item: model.{name}={getattr(self, name)!r} does not fit",
                    hint=f"leave model.{name}={value!r}",
                )
        check_bounds(self, "vine", "honest", least=0, most=0.9)
        if self.passed and not self.honest:
            raise ConfigError(
                "when to pass on is learnt from users who are held back, and model.honest=0 holds "
                "back none",
                hint="set model.honest=0.2, or model.passed=false",
            )
        if self.once and self.begun:
            raise ConfigError(
                "what was never met stands in no history: model.once and model.begun do not fit",
                hint="set model.begun=false",
            )
        if self.passed and self.loss != "softmax":
            raise ConfigError(
                f'model.passed needs the share among all items: model.loss="{self.loss}" does not '
                "tell it",
                hint='set model.loss="softmax", or model.passed=false',
            )
        if self.windows == "lanes" or self.asks == "cloze":
            raise ConfigError(
                "vine has neither lanes nor masks",
                hint='leave model.windows="random" and model.asks="next"',
            )

    def learner(self, train: Dataset, *, seed: int = 0) -> "VineLearner":
        """Cut the histories, start the network; nothing is learnt yet."""
        from grapevine.models.vine.learner import VineLearner

        return VineLearner(self, train, seed=seed)

    def fitting(self, train: Dataset) -> "Config":
        """The same options, without features where the catalogue has none."""
        found = self if self.auxiliary else replace(self, answers="target")
        seen = {*train.schema.items, *train.schema.items.values()}
        if "features" not in self.parts or seen & set(self.features):
            return found
        logger.info("note: the catalogue says nothing of its items: they are told by their events")
        return replace(found, item_vectors="ids")

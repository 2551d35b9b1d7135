"""The ranking models by name: one network and trainer, each with its settings."""

from dataclasses import dataclass
from typing import ClassVar

from grapevine.models.ranking.config import Config, History, Loss
from grapevine.models.ranking.model import Ranker


class WideDeep(Ranker):
    """Weights of crosses, which remember, beside layers over vectors, which generalise.

    Crosses are of each item of the history and the candidate, and of what was done with it. All is
    learnt by Adam; the paper has FTRL for the wide part.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config(Config):
        """As `ranking.Config`."""

        history: History = "mean"
        wide: bool = True

    paper: ClassVar[str] = (
        "Cheng et al.: Wide & Deep learning for recommender systems. DLRS 2016. arXiv:1606.07792"
    )


class DIEN(Ranker):
    """States of a recurrence that tell the next event; a second one hears what is to the point.

    The layers end in ReLU; the paper has PReLU and Dice, which normalises over a batch.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config(Config):
        """As `ranking.Config`."""

        history: History = "evolution"
        length: int = 20

    paper: ClassVar[str] = (
        "Zhou, Mou, Fan, Pi, Bian, Zhou, Zhu, Gai: Deep interest evolution network for "
        "click-through rate prediction. AAAI 2019. arXiv:1809.03672"
    )


class DCN(Ranker):
    """Cross layers, each a product with what came in, then plain ones; the history by attention.

    The loss is the answer's share among the candidates; the paper has yes or no for each.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config(Config):
        """As `ranking.Config`."""

        crosses: int = 2
        loss: Loss = "softmax"
        negatives: int = 16

    paper: ClassVar[str] = (
        "Wang, Shivanna, Cheng, Jain, Lin, Hong, Chi: DCN V2: Improved deep & cross network and "
        "practical lessons for web-scale learning to rank systems. WWW 2021. arXiv:2008.13535"
    )

"""The sequence models by name: the same network and trainer, each with its own settings."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from grapevine.models.histories import Behaviours
from grapevine.models.schedules import Decay
from grapevine.models.sequence.config import (
    Asks,
    Config,
    Encoder,
    Loss,
    Order,
    Returns,
)
from grapevine.models.sequence.model import Sequence


class SASRec(Sequence):
    """Each event hears those before it, and is asked for the one after it.

    The defaults are what the field has learnt since: the answer's share among all items instead of
    one item drawn (Klenitskiy and Vasilev, RecSys 2023, arXiv:2309.07602), norms before the layers,
    windows drawn anew in each epoch. The paper's own settings are `Config.paper()`.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config(Config):
        """As `sequence.Config`."""

        @classmethod
        def paper(cls, **changes: Any) -> Self:
            """The settings of Kang and McAuley, 2018, as their code has them for ML-1M.

            Args:
                changes: options that shall differ, such as `length=50`.
            """
            said: dict[str, Any] = {
                "width": 50,
                "heads": 1,
                "hidden": 50,
                "norm": "sasrec",
                "activation": "relu",
                "scaled": True,
                "dropout": 0.2,
                "attention_dropout": 0.2,
                "loss": "bce",
                "negatives": 1,
                "unmet": True,
                "beta2": 0.98,
                "windows": "latest",
                "pool": 1,
                "epochs": 200,
                "patience": 200,  # all of them, and the best is kept
                "warm_up": 0.0,
                "clip": 0.0,
            }
            return cls(**{**said, **changes})

    paper: ClassVar[str] = (
        "Kang, McAuley: Self-attentive sequential recommendation. ICDM 2018. arXiv:1808.09781"
    )


class GSASRec(Sequence):
    """SASRec with many items drawn for each answer, and a loss that makes up for how few they are.

    Without it a model that sees one negative for each positive is much too sure of all of them.

    The network is that of `SASRec`, and the items' biases start where popularity leaves them:
    without them it stays there for long. The settings of the authors' code are `Config.paper()`.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config(Config):
        """As `sequence.Config`."""

        loss: Loss = "gbce"
        prior: bool = True

        @classmethod
        def paper(cls, **changes: Any) -> Self:
            """The settings of the authors' code for ML-1M.

            Args:
                changes: options that shall differ, such as `length=50`.
            """
            said: dict[str, Any] = {
                "width": 128,
                "heads": 1,
                "hidden": 128,
                "norm": "sasrec",
                "activation": "relu",
                "scaled": True,
                "tied": False,
                "prior": False,
                "dropout": 0.5,
                # It tells items apart late: for long it is as good as popularity.
                "epochs": 300,
                "patience": 50,
            }
            return cls(**{**said, **changes})

    paper: ClassVar[str] = (
        "Petrov, Macdonald: gSASRec: Reducing overconfidence in sequential recommendation trained "
        "with negative sampling. RecSys 2023. arXiv:2308.07192"
    )


class BERT4Rec(Sequence):
    """Events are masked and told from all others; what is asked about is a mask at the end.

    As the authors' code does it: a mask is always a mask, a dense layer and a norm stand before the
    items, and of some histories the last event alone is masked.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config(Config):
        """As `sequence.Config`."""

        asks: Asks = "cloze"
        norm: Order = "post"
        head: bool = True
        epochs: int = 300
        patience: int = 30
        decay: Decay = "linear"
        weight_decay: float = 0.01
        clip: float = 5.0

    paper: ClassVar[str] = (
        "Sun, Liu, Wu, Pei, Lin, Ou, Jiang: BERT4Rec: Sequential recommendation with bidirectional "
        "encoder representations from Transformer. CIKM 2019. arXiv:1904.06690"
    )


class GRU4Rec(Sequence):
    """Each event hears its predecessor's state, in turn.

    Whole histories are unrolled, and the answer's share among all items is the loss. The published
    code has lanes of histories that advance an event a step, which hears the same and learns less
    of each step: `Config.paper()`.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config(Config):
        """As `sequence.Config`."""

        encoder: Encoder = "gru"
        blocks: int = 1
        hidden: int = 256

        @classmethod
        def paper(cls, **changes: Any) -> Self:
            """The settings of the authors' code for sessions of RSC15, with Adam for Adagrad.

            What is drawn is drawn by popularity for a batch; the code has its answers beside it.

            Args:
                changes: options that shall differ, such as `loss="bpr-max"`.
            """
            said: dict[str, Any] = {
                "width": 100,
                "heads": 1,
                "hidden": 100,
                "dropout": 0.1,
                "batch": 32,
                "windows": "lanes",
                "loss": "sampled-softmax",
                "drawn": "popularity",
                "negatives": 2048,
                "log_q": "classic",
                "clip": 0.0,
                "warm_up": 0.0,
                "epochs": 10,
            }
            return cls(**{**said, **changes})

    paper: ClassVar[str] = (
        "Hidasi, Karatzoglou: Recurrent neural networks with top-k gains for session-based "
        "recommendations. CIKM 2018. arXiv:1706.03847"
    )


class HSTU(Sequence):
    """SiLU of products instead of shares, gated; places hear how long ago things were."""

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config(Config):
        """As `sequence.Config`."""

        encoder: Encoder = "hstu"
        times: bool = True
        cosine: bool = True

    paper: ClassVar[str] = (
        "Zhai et al.: Actions speak louder than words: Trillion-parameter sequential transducers "
        "for generative recommendations. ICML 2024. arXiv:2402.17152"
    )


class MLP4Rec(Sequence):
    """Each place hears those before it by weights that are learnt, the same for every history.

    The published sequence mixer hears what came later too, so that it may be asked about nothing
    but the item after a window: `Config.paper()`. Here its tables are triangular (TriMLP,
    arXiv:2305.14675), and every place of a window is asked at once. Items are told by their ids;
    the feature mixer has nothing to mix.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config(Config):
        """As `sequence.Config`."""

        encoder: Encoder = "mixer"

        @classmethod
        def paper(cls, **changes: Any) -> Self:
            """Whole tables, asked about the item after the window alone.

            Args:
                changes: options that shall differ, such as `length=50`.
            """
            return cls(**{"asks": "last", **changes})

    paper: ClassVar[str] = (
        "Li, Lyu, Chen, Zhang, Chen, Liu, Yin: MLP4Rec: A pure MLP architecture for sequential "
        "recommendations. IJCAI 2022. arXiv:2204.11510"
    )


class DecisionTransformer(Sequence):
    """Each event hears those before it and what was still to come; asked, it is told what we wish.

    After each event stands its return-to-go, and what comes next is asked there. What is wished
    for is the return that a tenth of the training places surpass. The state of the paper is the
    history itself, and needs no token.

    A model that is told the future looks better than it is, and one that ignores what it is told
    looks like a Transformer. So measure it beside `returns="none"`, the same model without, and
    `returns="shuffled"`, the same model told somebody else's; gains that all three share are not
    of the returns. A history that ended well may have been lucky and not well served, and one of
    equal rewards says no more than how long it went on.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config(Config):
        """As `sequence.Config`."""

        behaviours: Behaviours = "all"
        returns: Returns = "given"

    paper: ClassVar[str] = (
        "Chen, Lu, Rajeswaran, Lee, Grover, Laskin, Abbeel, Srinivas, Mordatch: Decision "
        "Transformer: Reinforcement learning via sequence modeling. NeurIPS 2021. arXiv:2106.01345"
    )

"""The models of several behaviours by name: one network and trainer, each with its settings."""

from dataclasses import dataclass
from typing import ClassVar

from grapevine.models.cascade.config import Config, Encoder, How, Loss, Scorer, Through
from grapevine.models.cascade.model import (
    CascadePairs,
    CascadeVectors,
    TypedConfig,
    TypedVectors,
    VectorsConfig,
)


class NMTR(CascadePairs):
    """Each behaviour's score hears that of the one before it; users and items are shared by all.

    Logits are passed on by default, chances with `how="probability"`: the text has both readings.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config(Config):
        """As `cascade.Config`."""

        scorer: Scorer = "neumf"
        how: How = "logit"

    paper: ClassVar[str] = (
        "Gao, He, Gan, Chen, Feng, Li, Chua, Jin: Neural multi-task recommendation from "
        "multi-behavior data. ICDE 2019. arXiv:1809.08161"
    )


class ESMM(CascadePairs):
    """A chance is the product of all that had to come before it, each told by a tower of its own.

    The paper has a click and a conversion, over everything that was shown; here items are drawn for
    what was shown and not taken, and there may be more behaviours than two.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config(Config):
        """As `cascade.Config`."""

        scorer: Scorer = "mlp"
        how: How = "chain"

    paper: ClassVar[str] = (
        "Ma, Zhao, Huang, Wang, Hu, Zhu, Gai: Entire space multi-task model: An effective approach "
        "for estimating post-click conversion rate. SIGIR 2018. arXiv:1804.07931"
    )


class EHCF(CascadeVectors):
    """The weights of a behaviour's product are a map of those of the one before; no item is drawn.

    The squared error is over all pairs, by Gram matrices.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config(VectorsConfig):
        """As `cascade.Config`."""

        transfer: bool = True
        loss: Loss = "all-pairs"
        batch: int = 512

    paper: ClassVar[str] = (
        "Chen, Zhang, Zhang, Dai, Yi, Zhang, Zhang, Ma: Efficient heterogeneous collaborative "
        "filtering without negative sampling for recommendation. AAAI 2020"
    )


class GHCF(CascadeVectors):
    """Users and items hear each other by all behaviours at once, through vectors of relations.

    The paper has four layers. Graphs of several behaviours add up, and after four little but
    popularity was left on a shop, on `taobao-mb` and on `retailrocket`; one layer learns there.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config(VectorsConfig):
        """As `cascade.Config`."""

        encoder: Encoder = "relations"
        loss: Loss = "all-pairs"
        layers: int = 1
        negative_weight: float = 0.01
        learning_rate: float = 0.005
        batch: int = 512

    paper: ClassVar[str] = (
        "Chen, Ma, Zhang, Wang, Wang, Liu, Ma: Graph heterogeneous multi-relational "
        "recommendation. AAAI 2021"
    )


class MBCGCN(CascadeVectors):
    """The graph of each behaviour starts from maps of what the one before it left.

    The target alone is asked for, by the sum of what all of them left. The authors' own program has
    `depths=(1, 5, 3)` for views, carts and purchases.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config(VectorsConfig):
        """As `cascade.Config`."""

        encoder: Encoder = "blocks"
        spread: float = 0.01
        loss: Loss = "bpr"
        auxiliary: float = 0.0
        regularization: float = 1e-4
        batch: int = 2048

    paper: ClassVar[str] = (
        "Cheng, Han, Liu, Zhu, Gao, Peng: Multi-behavior recommendation with cascading graph "
        "convolution networks. WWW 2023. arXiv:2303.15720"
    )


class CRGCN(CascadeVectors):
    """The graph of each behaviour adds to what the one before it left, and each is asked for.

    One convolution each, whose sum is scaled to length one, as the authors' own program has it.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config(VectorsConfig):
        """As `cascade.Config`."""

        encoder: Encoder = "blocks"
        through: Through = "residual"
        unit: bool = True
        layers: int = 1
        spread: float = 0.01
        loss: Loss = "bpr"
        regularization: float = 1e-3
        learning_rate: float = 0.01

    paper: ClassVar[str] = (
        "Yan, Cheng, Gao, Sun, Sun, Sun, Li: Cascading residual graph convolutional network for "
        "multi-behavior recommendation. ACM TOIS 42(1), 2023. arXiv:2205.13128"
    )


class RGCN(TypedVectors):
    """Users, items and their attributes hear each other, a matrix for each relation either way.

    In an epoch half of the pairs are hidden from some behaviour on, and of them alone is asked.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config(TypedConfig):
        """As `cascade.Config`."""

        encoder: Encoder = "rgcn"
        loss: Loss = "softmax"
        cosine: bool = True
        temperature: float = 0.07
        learning_rate: float = 0.005

    paper: ClassVar[str] = (
        "Schlichtkrull, Kipf, Bloem, van den Berg, Titov, Welling: Modeling relational data with "
        "graph convolutional networks. ESWC 2018. arXiv:1703.06103"
    )


class HGT(TypedVectors):
    """The same graph by attention, whose matrices are those of types and relations."""

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config(TypedConfig):
        """As `cascade.Config`."""

        encoder: Encoder = "hgt"
        loss: Loss = "softmax"
        cosine: bool = True
        temperature: float = 0.07
        learning_rate: float = 0.005

    paper: ClassVar[str] = (
        "Hu, Dong, Wang, Sun: Heterogeneous graph transformer. WWW 2020. arXiv:2003.01332"
    )

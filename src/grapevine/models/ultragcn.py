"""UltraGCN: matrix factorisation whose loss weighs pairs as endless convolutions would."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from grapevine.config import check_bounds
from grapevine.data.dataset import Dataset
from grapevine.models.histories import Behaviours
from grapevine.models.vectors import UserItemVectors

if TYPE_CHECKING:
    from grapevine.models.constraint import ConstraintLearner


@dataclass(frozen=True, kw_only=True)
class UltraGCN(UserItemVectors):
    """A vector for each user and item, without a convolution.

    Convolutions without end come to rest where a user is near an item in proportion to
    `beta = sqrt(d_u + 1) / (d_u sqrt(d_i + 1))`, d being degrees. So pairs taken attract and items
    drawn repel with weights that beta says, and users are drawn to the neighbours of their items
    too. Unlike the paper, the pairs of a batch share the negatives, and losses are means.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """The paper's for Gowalla, but for larger batches and steps."""

        width: int = 64
        """Width of the vectors, D."""
        positive_weight: float = 1.0
        """Weight of a pair taken, times its beta."""
        negative_weight: float = 300.0
        """Weight of all negatives of a pair together, each times its beta; 300 is for tens of
        thousands of items, of which few that are drawn were taken: set it lower for fewer."""
        least_weight: float = 1e-6
        """Added to each beta."""
        negatives: int = 1500
        """Items drawn uniformly for each batch; at most as many as there are."""
        neighbours: int = 10
        """Items near each item that a user of it is drawn to, K; 0 for none."""
        item_weight: float = 5e-4
        """Weight of that, lambda."""
        regularization: float = 2e-7
        """Of the whole table, for each mean over a batch: the paper's 1e-4, by its batch of 512."""
        learning_rate: float = 0.001
        """Of Adam."""
        batch: int = 2048
        """Pairs of a step, at most."""
        epochs: int = 100
        """Times each pair is seen, at most."""
        patience: int = 10
        """Epochs without a better validation that end the training."""
        behaviours: Behaviours = "target"
        """Which events count, in training and in a stranger's history."""

        def __post_init__(self) -> None:
            check_bounds(self, "ultragcn", "width", "negatives", "batch", "epochs", least=1)
            check_bounds(self, "ultragcn", "learning_rate", above=0)
            check_bounds(self, "ultragcn", "neighbours", "patience", "regularization", least=0)
            weights = ("positive_weight", "negative_weight", "least_weight", "item_weight")
            check_bounds(self, "ultragcn", *weights, least=0)

        def learner(self, train: Dataset, *, seed: int = 0) -> "ConstraintLearner":
            """What training starts from."""
            # Compiled code and torch are loaded only where they run.
            from grapevine.models.constraint import ConstraintLearner

            return ConstraintLearner(self, train, seed)

    paper: ClassVar[str] = (
        "Mao, Zhu, Xiao, Lu, Wang, He: UltraGCN: Ultra simplification of graph convolutional "
        "networks for recommendation. CIKM 2021. arXiv:2110.15114"
    )

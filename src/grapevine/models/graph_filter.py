"""A linear and an ideal filter on one item graph, each with degree exponents of its own."""

from dataclasses import dataclass
from typing import ClassVar

from grapevine.config import check_bounds
from grapevine.data.dataset import Dataset
from grapevine.models.filters import Filtered, ItemGraph
from grapevine.models.histories import Behaviours


@dataclass(frozen=True, kw_only=True)
class GraphFilter(Filtered):
    """Scores `history x (D^-s G D^s / lambda_1 + weight D^-t V V' D^t)`, G on its own exponents.

    What it is made of: the two filters of GF-CF; a weight of users and of items that is not 1/2,
    as in Turbo-CF (arXiv:2404.14243) and SGFCF (arXiv:2406.08827); powers of the items' degrees
    before and after, as in ChebyCF (arXiv:2505.00552), one for each filter. With 1/2 for both
    exponents, no `linear_shift`, and rank 256 at weight 0.3 it is GF-CF. Its options were
    chosen on random parts of a training set; on Gowalla's published test `chebycf` is better
    (benchmarks/results/filters.md).
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """Chosen on a fifth of each user's training items of Gowalla."""

        rank: int = 1024
        """How many signals pass the ideal filter."""
        weight: float = 0.2
        """Of the ideal filter, where the largest eigenvalue of the linear one is 1."""
        user_exponent: float = 0.3
        """An edge of a user with d items weighs `d^-user_exponent`."""
        item_exponent: float = 0.5
        """An edge of an item with n users weighs `n^-item_exponent`."""
        linear_shift: float = 0.2
        """s: n^-s for an item of the history, n^s for one that is reached, in the linear filter."""
        ideal_shift: float = 0.5
        """t: the same in the ideal filter."""
        behaviours: Behaviours = "target"
        """Which events count, in training and in the history."""

        def __post_init__(self) -> None:
            check_bounds(self, "graph-filter", "rank", "weight", least=0)
            exponents = ("user_exponent", "item_exponent", "linear_shift", "ideal_shift")
            check_bounds(self, "graph-filter", *exponents, least=-2, most=2)

        def fit(self, train: Dataset, *, seed: int = 0) -> "GraphFilter":
            """Find the eigenvectors; only where their search starts is drawn."""
            graph = ItemGraph.of(
                train,
                self.behaviours,
                user_exponent=self.user_exponent,
                item_exponent=self.item_exponent,
            )
            values, vectors_IK = graph.spectrum(max(self.rank, 1), seed)
            vectors_IK = vectors_IK[:, : self.rank]
            left_IK = self.weight * graph.item_weights(self.ideal_shift)[:, None] * vectors_IK
            right_IK = graph.item_weights(-self.ideal_shift)[:, None] * vectors_IK
            slope = 1 / values.max(initial=1e-6)
            return GraphFilter.of(
                self, graph, left_IK, right_IK, slope=slope, shift=self.linear_shift
            )

    paper: ClassVar[str] = (
        "Shen, Wu, Zhang, Shan, Zhang, Letaief, Li: How powerful is graph convolution for "
        "recommendation? CIKM 2021. arXiv:2108.07567; Park, Shin, Shin: Turbo-CF. SIGIR 2024. "
        "arXiv:2404.14243; Peng, Liu, Sugiyama, Mine: How powerful is graph filtering for "
        "recommendation. KDD 2024. arXiv:2406.08827"
    )

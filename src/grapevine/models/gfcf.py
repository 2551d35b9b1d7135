"""GF-CF: a linear and an ideal low-pass filter, in closed form."""

from dataclasses import dataclass
from typing import ClassVar

from grapevine.config import check_bounds
from grapevine.data.dataset import Dataset
from grapevine.models.filters import Filtered, ItemGraph
from grapevine.models.histories import Behaviours


@dataclass(frozen=True, kw_only=True)
class GFCF(Filtered):
    """Scores `history x (G + alpha D^-1/2 V V' D^1/2)` with V the smoothest signals on G.

    G is the item graph with 1/2 for both exponents; rank and alpha are what the authors take for
    Gowalla.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """The two options of the paper."""

        rank: int = 256
        """How many signals pass the ideal filter."""
        alpha: float = 0.3
        """Weight of the ideal filter beside the linear one."""
        behaviours: Behaviours = "target"
        """Which events count, in training and in the history."""

        def __post_init__(self) -> None:
            check_bounds(self, "gf-cf", "rank", "alpha", least=0)

        def fit(self, train: Dataset, *, seed: int = 0) -> "GFCF":
            """Find the eigenvectors; only where their search starts is drawn."""
            graph = ItemGraph.of(train, self.behaviours)
            _, vectors_IK = graph.spectrum(self.rank, seed)
            low, high = graph.item_weights(0.5)[:, None], graph.item_weights(-0.5)[:, None]
            left_IK = self.alpha * low * vectors_IK
            return GFCF.of(self, graph, left_IK, high * vectors_IK, slope=1.0, shift=0.0)

    paper: ClassVar[str] = (
        "Shen, Wu, Zhang, Shan, Zhang, Letaief, Li: How powerful is graph convolution for "
        "recommendation? CIKM 2021. arXiv:2108.07567"
    )

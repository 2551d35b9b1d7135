"""ChebyCF: a Chebyshev polynomial of the item graph, and an ideal low-pass filter."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float64
from numpy.polynomial import chebyshev

from grapevine.config import check_bounds
from grapevine.data.dataset import Dataset
from grapevine.models.filters import Filtered, ItemGraph, slope_below
from grapevine.models.histories import Behaviours


@dataclass(frozen=True, kw_only=True)
class ChebyCF(Filtered):
    """Scores `history x D^-power (p(G) + alpha V V') D^power`.

    p interpolates a plateau at Chebyshev nodes. It is exact on the largest eigenvalues, and a line
    below them, so that its order costs nothing when asked. What p(0) > 0 says of an item it says
    to that item alone, which the history has: it is left out.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """The options of the authors' code for Gowalla."""

        order: int = 8
        """Degree of the polynomial (`K`)."""
        flatness: float = 1.5
        """How flat the plateau is (`phi`); 1 is the linear filter."""
        rank: int = 512
        """How many signals pass the ideal filter (`eta`), and where the line begins."""
        alpha: float = 0.2
        """Weight of the ideal filter."""
        power: float = 0.4
        """Of the items' degrees, before and after (`beta`)."""
        behaviours: Behaviours = "target"
        """Which events count, in training and in the history."""

        def __post_init__(self) -> None:
            check_bounds(self, "chebycf", "order", least=1)
            check_bounds(self, "chebycf", "flatness", above=0)
            check_bounds(self, "chebycf", "rank", "alpha", "power", least=0)

        def fit(self, train: Dataset, *, seed: int = 0) -> "ChebyCF":
            """Find the eigenvectors; only where their search starts is drawn."""
            graph = ItemGraph.of(train, self.behaviours)
            values, vectors_IK = graph.spectrum(self.rank, seed)
            slope = slope_below(self.response, values.min(initial=1.0))
            passed_K = self.response(values) - self.response(np.zeros(1)) - slope * values
            low = graph.item_weights(self.power)[:, None]
            left_IK = low * vectors_IK * (passed_K + self.alpha).astype(np.float32)
            right_IK = graph.item_weights(-self.power)[:, None] * vectors_IK
            return ChebyCF.of(self, graph, left_IK, right_IK, slope=slope, shift=self.power)

        def response(self, values: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
            """The polynomial at eigenvalues of G, where `1 - 2 lambda` is the frequency."""
            # numpy's stubs want a function of one number; it is called with all nodes at once.
            p = chebyshev.chebinterpolate(self.plateau, self.order)  # pyright: ignore
            return chebyshev.chebval(1 - 2 * values, p)

        def plateau(self, frequency: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
            """1 for the lowest frequency, 0 for the highest, flat in between."""
            return 0.5 - 0.5 * np.sign(frequency) * np.abs(frequency) ** self.flatness

    paper: ClassVar[str] = (
        "Kim, Sung, Han, Lee: Graph spectral filtering with Chebyshev interpolation for "
        "recommendation. SIGIR 2025. arXiv:2505.00552"
    )

"""BSPM: blur a history on the item graph, then sharpen what came out."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.polynomial import Polynomial

from grapevine.config import check_bounds
from grapevine.data.dataset import Dataset
from grapevine.models.filters import Filtered, ItemGraph, slope_below
from grapevine.models.histories import Behaviours


@dataclass(frozen=True, kw_only=True)
class BSPM(Filtered):
    """Blurring and sharpening as one polynomial of the item graph G.

    One Euler step of blurring by heat leaves `G`, one by the ideal filter `D^-1/2 V V' D^1/2`;
    their mix is sharpened by `dy/dt = -G y`, in Runge-Kutta steps of the fourth order: the solvers
    that the authors' code takes for Gowalla, with sharpening last ("early merge"). Sharpening the
    ideal part is exact; of `G p(G)` the line below the largest eigenvalues is near (see
    `grapevine.models.filters`), and hops over all items are not needed when asked.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """The options of the authors' code for Gowalla."""

        rank: int = 448
        """How many signals pass the ideal filter (`factor_dim`)."""
        beta: float = 0.2
        """Weight of the ideal filter (`idl_beta`)."""
        sharpening: float = 2.5
        """For how long it is sharpened (`T_s`); 0 leaves it blurred."""
        steps: int = 1
        """Runge-Kutta steps of the sharpening (`K_s`)."""
        behaviours: Behaviours = "target"
        """Which events count, in training and in the history."""

        def __post_init__(self) -> None:
            check_bounds(self, "bspm", "rank", "beta", "sharpening", least=0)
            check_bounds(self, "bspm", "steps", least=1)

        def fit(self, train: Dataset, *, seed: int = 0) -> "BSPM":
            """Find the eigenvectors; only where their search starts is drawn."""
            from grapevine.core.spectrum import polynomial  # torch is imported late

            graph = ItemGraph.of(train, self.behaviours)
            values, vectors_IK = graph.spectrum(self.rank, seed)
            sharpen = runge_kutta(self.sharpening, self.steps)
            heat = Polynomial([0.0, 1.0]) * sharpen
            slope = slope_below(heat, values.min(initial=1.0))
            low, high = graph.item_weights(0.5)[:, None], graph.item_weights(-0.5)[:, None]
            ideal_IK = polynomial(graph.matrix(), sharpen.coef, high * vectors_IK)
            rest_K = (heat(values) - slope * values).astype(np.float32)
            left_IK = np.hstack([self.beta * low * vectors_IK, rest_K * vectors_IK])
            right_IK = np.hstack([ideal_IK, vectors_IK])
            return BSPM.of(self, graph, left_IK, right_IK, slope=slope, shift=0.0)

    paper: ClassVar[str] = (
        "Choi, Hong, Park, Cho: Blurring-sharpening process models for collaborative filtering. "
        "SIGIR 2023. arXiv:2211.09324"
    )


def runge_kutta(time: float, steps: int) -> Polynomial:
    """What so many classical steps make of `dy/dt = -G y`: a polynomial of G near exp(-time G)."""
    h = time / steps
    return Polynomial([1.0, -h, h**2 / 2, -(h**3) / 6, h**4 / 24]) ** steps

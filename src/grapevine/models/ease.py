"""EASE: the best linear item-item model, in closed form."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Float32, Int64
from scipy.linalg import get_lapack_funcs

from grapevine.config import check_bounds
from grapevine.data.dataset import Dataset
from grapevine.errors import ConfigError
from grapevine.graph.cooccurrence import distinct, gram, regression_weights
from grapevine.graph.listen import listen_dense
from grapevine.models.base import Fitted
from grapevine.models.histories import Behaviours, asked_history, training_events
from grapevine.structs.batch import Batch


@dataclass(frozen=True, kw_only=True)
class EASE(Fitted):
    """Embarrassingly shallow autoencoder: scores `history x B`, B with a zero diagonal.

    `B = I - P diag(1 / diag P)` with `P = (X'X + regularization I)^-1` (equations 6 to 8). A pair
    of user and item counts once, however often it happened.

    Attributes:
        weights: `(items, items)` B: entry (i, j) is what having i says of j.
        behaviour: `(1,)` the behaviour of a history that counts, -1 for all.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """The one option of the paper."""

        regularization: float = 500.0
        """Lambda of the ridge regression; more for a larger catalogue with fewer events."""
        behaviours: Behaviours = "target"
        """Which events count, in training and in the history."""

        def __post_init__(self) -> None:
            hint = "the paper tries 100 to 1000"
            check_bounds(self, "ease", "regularization", above=0, hint=hint)

        def fit(self, train: Dataset, *, seed: int = 0) -> "EASE":
            """Invert once, in place; nothing is drawn.

            Raises:
                ConfigError: the dense matrix of items x items does not fit into memory.
            """
            check_fits(len(train.items), available_bytes())
            events, behaviour = training_events(train, self.behaviours)
            matrix = gram(distinct(events.histories, events.num_items), events.num_items)
            matrix[np.diag_indices_from(matrix)] += np.float32(self.regularization)
            invert(matrix)
            regression_weights(matrix)
            return EASE(config=self, weights=matrix, behaviour=behaviour)

    weights: Float32[np.ndarray, "items items"]
    behaviour: Int64[np.ndarray, " one"]
    paper: ClassVar[str] = (
        "Steck: Embarrassingly shallow autoencoders for sparse data. WWW 2019. arXiv:1905.03375"
    )

    def score(self, batch: Batch) -> Float32[np.ndarray, "queries items"]:
        """Sum of the weights from the items of the history."""
        history = distinct(asked_history(batch, self.behaviour), len(self.weights))
        return listen_dense(history.offsets, history.values, self.weights)


def check_fits(num_items: int, available: int) -> None:
    """Refuse before the work begins, with the figure.

    Raises:
        ConfigError: one float32 matrix of items x items and a tenth to spare do not fit.
    """
    needed = int(1.1 * 4 * num_items**2)
    if needed > available:
        raise ConfigError(
            f"ease inverts a dense matrix of items x items: {num_items:,} items need "
            f"{needed / 1e9:.1f} GB, {available / 1e9:.1f} GB are free",
            hint="`item-knn` and `als` need no dense matrix",
        )


def invert(matrix: Float32[np.ndarray, "items items"]) -> None:
    """Overwrite the lower triangle of a positive definite matrix by that of its inverse.

    Cholesky in float32 and in place: one copy, half the work of a general inverse. Ridge keeps the
    condition number near the largest eigenvalue / lambda, so what float32 loses is far below what
    a ranking can show (measured in `benchmarks/results/baselines.md`).
    """
    # LAPACK is column-major and sees the transpose: its upper triangle is our lower one.
    factorise, invert_factor = get_lapack_funcs(("potrf", "potri"), (matrix,))
    factor, failed = factorise(matrix.T, lower=0, clean=0, overwrite_a=1)
    if failed:
        raise ConfigError(
            "ease: the matrix is not positive definite in float32",
            hint="set a larger model.regularization",
        )
    inverse, _ = invert_factor(factor, lower=0, overwrite_c=1)
    assert np.shares_memory(inverse, matrix), "LAPACK worked on a copy"


def available_bytes() -> int:
    """Memory that can still be taken: what the system says, or what the container allows."""
    meminfo = Path("/proc/meminfo")
    if not meminfo.is_file():  # macOS tells only how much there is
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
    free = int(lines["MemAvailable"].split()[0]) * 1024
    limit, used = (Path(f"/sys/fs/cgroup/memory.{name}") for name in ("max", "current"))
    if limit.is_file() and (text := limit.read_text().strip()) != "max":
        free = min(free, int(text) - int(used.read_text()))
    return free

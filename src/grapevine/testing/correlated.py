"""Two tasks that are as alike as is wished, to see what sharing does as they come apart."""

import numpy as np
from jaxtyping import Float32

from grapevine.random import stream

WAVES = 6
NOISE = 0.01


def correlated_tasks(
    rows: int, width: int, correlation: float, *, scale: float = 1.0, seed: int = 0
) -> tuple[Float32[np.ndarray, "rows width"], Float32[np.ndarray, "rows 2"]]:
    """Regressions on the same inputs, whose directions have that cosine.

    Ma et al. (KDD 2018, section 3.2): with unit vectors u and v at right angles, `w1 = c u`,
    `w2 = c (p u + sqrt(1 - p^2) v)`, and `y_t = w_t x + sum_i sin(a_i w_t x + b_i) + noise`. The
    correlation of the labels rises with p, but is not p. The tasks share a and b, which are drawn
    from a standard normal; there are six waves, and the noise has a standard deviation of 0.01.
    The labels are then brought to mean 0 and variance 1.

    Args:
        rows: examples.
        width: of x, which is drawn from a standard normal; at least 2.
        correlation: p, the cosine of the directions, from -1 to 1.
        scale: c, by which the labels bend more often.
        seed: of all that is drawn.

    Returns:
        The inputs and the labels of both tasks.
    """
    if not -1 <= correlation <= 1:
        raise ValueError(f"a cosine is from -1 to 1: got {correlation}")
    draw = stream(seed, "correlated tasks")
    u, v = np.linalg.qr(draw.normal(size=(width, 2)))[0].T
    directions = np.stack([u, correlation * u + np.sqrt(1 - correlation**2) * v])
    slopes, starts = draw.normal(size=(2, WAVES))
    x = draw.normal(size=(rows, width))
    along = scale * x @ directions.T
    waves = np.sin(along[..., None] * slopes + starts).sum(-1)
    labels = along + waves + NOISE * draw.normal(size=along.shape)
    labels = (labels - labels.mean(0)) / labels.std(0)
    return x.astype(np.float32), labels.astype(np.float32)

"""What the tests of the graph share."""

from collections.abc import Callable

import numpy as np
import pytest

from grapevine.structs import Bipartite, Jagged


@pytest.fixture(scope="session")
def made() -> Callable[..., Bipartite]:
    """Makes the graph whose weight of (item, context) is the entry of a matrix; 0 is no edge."""

    def make(matrix: np.ndarray, *, weighted: bool = False) -> Bipartite:
        contexts = Jagged.from_lists([np.flatnonzero(row) for row in matrix])
        items = Jagged.from_lists([np.flatnonzero(column) for column in matrix.T])
        if not weighted:
            return Bipartite(contexts, items)
        weights = matrix[matrix != 0], matrix.T[matrix.T != 0]
        return Bipartite(contexts, items, *(part.astype(np.float32) for part in weights))

    return make

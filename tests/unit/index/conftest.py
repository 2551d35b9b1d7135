import numpy as np
import pytest

from grapevine.random import stream


@pytest.fixture(scope="session")
def clustered():
    """4,000 vectors of width 24 around 60 centres, of different lengths."""
    draw = stream(0, "clustered")
    centres = draw.standard_normal((60, 24))
    vectors = centres[draw.integers(0, 60, 4000)] + 0.5 * draw.standard_normal((4000, 24))
    return (vectors * draw.uniform(0.5, 1.5, (4000, 1))).astype(np.float32)


@pytest.fixture(scope="session")
def examples():
    """What is like the queries; not like the vectors."""
    return stream(1, "examples").standard_normal((800, 24)).astype(np.float32)


@pytest.fixture(scope="session")
def queries():
    return stream(1, "queries").standard_normal((40, 24)).astype(np.float32)

"""Random hyperplanes: vectors with a small angle between them share tokens.

Charikar: Similarity estimation techniques from rounding algorithms. STOC 2002. Two vectors fall on
the same side of a random hyperplane with chance 1 - angle / pi, so r planes agree with that chance
to the power r, and at least one of b bands of r planes agrees with 1 - (1 - p^r)^b.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int32

from grapevine.core.kernels.rescore import rescore
from grapevine.errors import ConfigError
from grapevine.index.vector_index import comparable
from grapevine.index.wand import Postings
from grapevine.random import stream
from grapevine.structs.ranking import Ranking


@dataclass(frozen=True, slots=True)
class Hyperplanes:
    """b bands of r planes; each band gives a vector one token.

    Attributes:
        normals: `(bands, bits, width)` a vector across each plane.
    """

    normals: Float32[np.ndarray, "bands bits width"]

    @classmethod
    def draw(cls, width: int, *, bands: int, bits: int, seed: int = 0) -> "Hyperplanes":
        """Planes in random directions; more bands are more of the same.

        Raises:
            ConfigError: there is no band or no bit, or more bits than a token can hold.
        """
        if bands < 1 or not 1 <= bits <= 20 or bands << bits >= 2**31:
            raise ConfigError(
                f"{bands} bands of {bits} bits cannot be tokens", hint="try 20 bands of 8 bits"
            )
        each = [stream(seed, "lsh", band).standard_normal((bits, width)) for band in range(bands)]
        return cls(np.array(each, np.float32))

    @property
    def num_tokens(self) -> int:
        """How many different tokens there are."""
        bands, bits, _ = self.normals.shape
        return bands << bits

    def tokens(
        self, vectors: Float32[np.ndarray, "vectors width"]
    ) -> Int32[np.ndarray, "vectors bands"]:
        """The token of each band: on which side of each of its planes a vector lies."""
        bands, bits, width = self.normals.shape
        above = vectors @ self.normals.reshape(-1, width).T >= 0
        codes = above.reshape(-1, bands, bits) @ (1 << np.arange(bits))
        return (codes + (np.arange(bands) << bits)).astype(np.int32)


@dataclass(frozen=True, slots=True)
class HashedIndex:
    """Retrieval as PinSage has it (section 3.5): tokens of planes, weak-AND, then true cosines.

    For comparison: `VectorIndex` is faster at the same recall.

    Attributes:
        planes: what makes the tokens.
        postings: rows by token.
        vectors: `(rows, width)` of length 1.
    """

    planes: Hyperplanes
    postings: Postings
    vectors: Float32[np.ndarray, "rows width"]

    @classmethod
    def build(
        cls,
        vectors: Float32[np.ndarray, "rows width"],
        *,
        bands: int = 32,
        bits: int = 10,
        seed: int = 0,
    ) -> "HashedIndex":
        """Hash every vector."""
        planes = Hyperplanes.draw(vectors.shape[1], bands=bands, bits=bits, seed=seed)
        known = comparable(vectors, "cosine")
        return cls(planes, Postings.of(planes.tokens(known), planes.num_tokens), known)

    def search(
        self, queries: Float32[np.ndarray, "queries width"], k: int, *, candidates: int = 200
    ) -> Ranking:
        """The k with the greatest cosine, of as many candidates by shared tokens."""
        asked = comparable(queries, "cosine")
        found, _ = self.postings.search(self.planes.tokens(asked), max(candidates, k))
        return rescore(asked, self.vectors, found.items.astype(np.int64), k)

"""Items that a user did not choose, drawn at random."""

import numpy as np
from jaxtyping import Int32, Int64, Shaped

from grapevine.errors import DataError
from grapevine.random import stream
from grapevine.structs.jagged import Jagged


def sample(
    rng_seed: int,
    queries: Int64[np.ndarray, " queries"],
    exclude: Jagged,
    num_items: int,
    n: int,
    weights: Shaped[np.ndarray, " items"] | None = None,
) -> Int32[np.ndarray, "queries n"]:
    """Draw n different items for each query, leaving out those it may not get.

    Each draw takes an item in proportion to its weight among those still left. What a query gets
    depends on the seed, its key and its own list alone, so queries may be asked in any blocks.

    Args:
        rng_seed: of all draws.
        queries: key of each query, such as its user row; equal keys draw alike.
        exclude: item rows to leave out, one list a query; -1 is nobody.
        num_items: every item row is below it.
        n: items wanted for each query.
        weights: `(num_items,)` such as training counts for `popular-100`; all alike if not given.

    Returns:
        Item rows in the order drawn; -1 where a query has no item with a weight left.

    Raises:
        DataError: a weight is negative or not finite.
        ValueError: there is not one list for each query, or one weight for each item.
    """
    # Compiled code is loaded only where it runs, so that `--help` need not wait for it.
    from grapevine.graph.draws import draw_without_replacement

    if len(exclude) != len(queries):
        raise ValueError(f"got {len(exclude)} lists to leave out for {len(queries)} queries")
    shares = np.ones(num_items) if weights is None else weights.astype(np.float64)
    if len(shares) != num_items:
        raise ValueError(f"got {len(shares)} weights for {num_items} items")
    if not (np.isfinite(shares) & (shares >= 0)).all():
        raise DataError(
            "a weight to draw negatives by is negative or not finite",
            hint="use counts, or counts to a power",
        )
    return draw_without_replacement(
        stream(rng_seed, "negatives").integers(2**64, dtype=np.uint64),
        queries,
        exclude.offsets,
        exclude.values.astype(np.int32, copy=False),
        shares,
        np.cumsum(shares),
        n,
    )

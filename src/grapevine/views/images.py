"""Pictures of items as small arrays of pixels."""

import io
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
from jaxtyping import UInt8

from grapevine.log import logger


def pixels(column: pl.Series, size: int) -> UInt8[np.ndarray, "items 3 size size"]:
    """Each picture (PNG, JPEG or what else pillow reads) in `size` by `size` pixels, red first.

    A picture that is missing or cannot be read is black; how many those are is logged. What is not
    square is squeezed, so that nothing of the item is cut off.
    """
    out = np.zeros((len(column), 3, size, size), np.uint8)
    rows = np.flatnonzero(column.is_not_null().to_numpy())

    def fill(row: int) -> bool:
        found = _decode(column[row], size)
        if found is not None:
            out[row] = found
        return found is not None

    # Decoding lets go of the interpreter, so that threads help.
    with ThreadPoolExecutor() as pool:
        read = sum(pool.map(fill, rows.tolist(), chunksize=64))
    if read < len(column):
        logger.info(
            "note: %d of %d pictures are black: %d are missing, %d cannot be read",
            len(column) - read,
            len(column),
            len(column) - len(rows),
            len(rows) - read,
        )
    return out


def _decode(content: bytes, size: int) -> UInt8[np.ndarray, "3 size size"] | None:
    from PIL import Image

    try:
        # A picture that is too large to be one is refused like one that is broken.
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content)) as image:
                image.draft("RGB", (size, size))
                small = image.convert("RGB").resize((size, size), Image.Resampling.BOX)
    except (
        OSError,
        ValueError,
        SyntaxError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ):
        return None
    return np.asarray(small).transpose(2, 0, 1)

"""Words of titles and texts, categories and tags as hashed tokens.

Hashing needs no list of words: nothing of a vocabulary is stored, and a word or a category that
training never met is another bucket, whose vector is next to nothing (Weinberger et al., Feature
hashing for large scale multitask learning, ICML 2009, arXiv:0902.2206).
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from jaxtyping import Int64, UInt8

from grapevine.structs.jagged import Jagged, offsets_of

MOST_WORDS = 256
"""Words of a title or a text that are looked at; the rest of a longer one adds little."""


def words(columns: Sequence[pl.Series], kind: str, *, buckets: int, trigrams: bool) -> Jagged:
    """Tokens of each row's words, all columns laid end to end.

    Letters are folded by NFKC and to lower case; a word is a run of letters, marks and digits of
    any script. Columns of the same kind share their tokens.

    Args:
        columns: as many rows each; a null is an empty string.
        kind: what keeps these tokens apart from those of another kind.
        buckets: how many tokens there are.
        trigrams: also three letters in a row, so that `guitars` is near `guitar`.
    """
    # Compiled code is loaded only where it runs.
    from grapevine.graph.tokens import TRIGRAMS, WORDS, hash_words, salt_of

    parts = [
        hash_words(
            *_bytes(_plain(column)),
            salt_of(kind),
            buckets=buckets,
            grams=TRIGRAMS if trigrams else WORDS,
            most=MOST_WORDS,
        )
        for column in columns
    ]
    return side_by_side(parts)


def names(columns: Sequence[pl.Series], *, buckets: int) -> Jagged:
    """One token for each name: a category has one name, a list of tags any number.

    The same name is another token in another column; a null is no token.
    """
    from grapevine.graph.tokens import hash_whole, salt_of

    parts: list[Jagged] = []
    for column in columns:
        if isinstance(column.dtype, pl.List | pl.Array):
            lists = column.cast(pl.List(pl.String)).list.drop_nulls()
            lengths = lists.list.len().fill_null(0).to_numpy()
            column_names = lists.explode().drop_nulls()
        else:
            lengths = column.is_not_null().to_numpy()
            column_names = column.cast(pl.String).drop_nulls()
        tokens = hash_whole(*_bytes(column_names), salt_of(f"name:{column.name}"), buckets)
        parts.append(Jagged(offsets_of(lengths), tokens))
    return side_by_side(parts)


def side_by_side(parts: Sequence[Jagged]) -> Jagged:
    """The lists of several parts, row by row one after the other."""
    if len(parts) == 1:
        return parts[0]
    lengths = np.sum([part.lengths for part in parts], axis=0)
    offsets = offsets_of(lengths)
    values = np.empty(offsets[-1], parts[0].values.dtype)
    starts = offsets[:-1].copy()
    for part in parts:
        within = np.arange(len(part.values)) - np.repeat(part.offsets[:-1], part.lengths)
        values[np.repeat(starts, part.lengths) + within] = part.values
        starts += part.lengths
    return Jagged(offsets, values)


def _plain(column: pl.Series) -> pl.Series:
    """Lower-case words with one space between them."""
    text = column.cast(pl.String).fill_null("").str.normalize("NFKC").str.to_lowercase()
    return text.str.replace_all(r"[^\p{L}\p{M}\p{N}]+", " ").str.strip_chars(" ")


def _bytes(
    strings: pl.Series,
) -> tuple[UInt8[np.ndarray, " bytes"], Int64[np.ndarray, " rows_plus_one"]]:
    """UTF-8 of strings without nulls, end to end, and where each starts."""
    column = strings.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, data = column.buffers()
    if not len(column) or offsets is None:
        return np.empty(0, np.uint8), np.zeros(1, np.int64)
    places = np.frombuffer(offsets, np.int64)[column.offset : column.offset + len(column) + 1]
    letters = np.frombuffer(data, np.uint8) if data is not None and data.size else None
    return letters if letters is not None else np.empty(0, np.uint8), places

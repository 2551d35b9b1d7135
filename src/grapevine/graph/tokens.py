"""Words and parts of words as numbers of buckets: hashed, so that there is no list of words."""

import numba
import numpy as np
from jaxtyping import Int32, Int64, UInt8

from grapevine.graph.counter import below
from grapevine.structs.jagged import Jagged, offsets_of

WORDS, BIGRAMS, TRIGRAMS = range(3)
"""Words alone; and pairs of words that follow each other; and three letters in a row."""

_SPACE = 32
_PRIME = np.uint64(1099511628211)
_START = np.uint64(14695981039346656037)
_GRAM = np.uint64(0x9E3779B97F4A7C15)


def salt_of(name: str) -> np.uint64:
    """Where the hashes of a kind start, so that the same word is another token in another kind."""
    data = np.frombuffer(name.encode(), np.uint8)
    return np.uint64(_feed(_START, data, 0, len(data)))


def hash_words(
    data: UInt8[np.ndarray, " bytes"],
    offsets: Int64[np.ndarray, " rows_plus_one"],
    salt: np.uint64,
    *,
    buckets: int,
    grams: int = WORDS,
    most: int = 1 << 30,
) -> Jagged:
    """The bucket of each word of each string, in order, and of what `grams` adds to them.

    A pair of words follows its second word; three letters (code points) in a row, of a word with
    a space before and after it, follow their word.

    Args:
        data: UTF-8.
        offsets: of the strings; their words are parted by one space each.
        salt: of the kind, see `salt_of`.
        buckets: how many there are, below 2^31.
        grams: WORDS, BIGRAMS or TRIGRAMS.
        most: words of a string that are looked at.
    """
    nothing = np.empty(0, np.int32)
    lengths = _scan(data, offsets, salt, buckets, grams, most, offsets, nothing, False)
    starts = offsets_of(lengths)
    values = np.empty(starts[-1], np.int32)
    _scan(data, offsets, salt, buckets, grams, most, starts, values, True)
    return Jagged(starts, values)


@numba.njit(cache=True, nogil=True)
def hash_whole(
    data: UInt8[np.ndarray, " bytes"],
    offsets: Int64[np.ndarray, " rows_plus_one"],
    salt: np.uint64,
    buckets: int,
) -> Int32[np.ndarray, " rows"]:
    """The bucket of each string as it stands."""
    out = np.empty(len(offsets) - 1, np.int32)
    for row in range(len(out)):
        out[row] = below(_feed(salt, data, offsets[row], offsets[row + 1]), np.uint64(0), buckets)
    return out


@numba.njit(cache=True, nogil=True)
def _feed(value, data, start, stop):
    """FNV-1a, gone on with."""
    for at in range(start, stop):
        value = (value ^ np.uint64(data[at])) * _PRIME
    return value


@numba.njit(cache=True, nogil=True)
def _scan(data, offsets, salt, buckets, grams, most, starts, out, write):
    """How many tokens each string has; they are written from `starts` on if asked."""
    lengths = np.zeros(len(offsets) - 1, np.int64)
    for row in range(len(lengths)):
        place = starts[row]
        at, stop, words = offsets[row], offsets[row + 1], 0
        before = np.uint64(0)
        while at < stop and words < most:
            end = at
            while end < stop and data[end] != _SPACE:
                end += 1
            word = _feed(salt, data, at, end)
            if write:
                out[place] = below(word, np.uint64(0), buckets)
            place += 1
            if grams == BIGRAMS and words > 0:
                if write:
                    out[place] = below(before ^ (word * _GRAM), np.uint64(0), buckets)
                place += 1
            if grams == TRIGRAMS:
                place = _trigrams(data, at, end, salt ^ _GRAM, buckets, place, out, write)
            before = word
            words += 1
            at = end + 1
        lengths[row] = place - starts[row]
    return lengths


@numba.njit(cache=True, nogil=True)
def _trigrams(data, start, stop, salt, buckets, place, out, write):
    """One for each letter of the word, with the letters beside it; none of a single letter."""
    first, middle = start, start
    while middle < stop:
        last = _next(data, middle, stop)
        end = _next(data, last, stop) if last < stop else last
        if middle == start and last == stop:
            return place
        if write:
            value = salt
            if middle == start:
                value = (value ^ np.uint64(_SPACE)) * _PRIME
            value = _feed(value, data, first, end)
            if last == stop:
                value = (value ^ np.uint64(_SPACE)) * _PRIME
            out[place] = below(value, np.uint64(0), buckets)
        place += 1
        first, middle = middle, last
    return place


@numba.njit(cache=True, nogil=True, inline="always")
def _next(data, at, stop):
    """Where the next code point starts: bytes 10xxxxxx go on with the one before."""
    at += 1
    while at < stop and (data[at] & 0xC0) == 0x80:
        at += 1
    return at

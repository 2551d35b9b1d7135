"""Columns of strings as one array of bytes and one of offsets (Arrow's layout): compiled."""

import numba
import numpy as np
from jaxtyping import Bool, Int32, Int64, UInt8

OK, EMPTY, TOO_LONG, CONTROL = range(4)
"""What `check_ids` says of each string."""

MAX_ID_BYTES = 256
"""IDs longer than this are a sign of a wrong column."""

_QUOTE = ord('"')
_LONG = np.uint64(1 << 63)


class Interner:
    """Numbers distinct strings in the order in which they are first met.

    A hash table with linear probing. A string of at most 7 bytes is its own key, a longer one has
    a hash for a key, and its bytes are compared: the numbers are exact either way. Memory: the
    distinct strings, and some 50 bytes for each.
    """

    def __init__(self) -> None:
        # A slot holds a key and a number plus one, side by side: one look into memory.
        self._slots = np.zeros((1 << 12, 2), np.uint64)
        self._keys = np.empty(1 << 11, np.uint64)
        self._ends = np.zeros((1 << 11) + 1, np.int64)
        self._bytes = np.empty(1 << 15, np.uint8)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def codes(
        self,
        data: UInt8[np.ndarray, " bytes"],
        offsets: Int32[np.ndarray, " rows_plus_one"],
        keep: Bool[np.ndarray, " rows"],
    ) -> Int32[np.ndarray, " rows"]:
        """The number of each string; -1 where `keep` is false."""
        keys = _keys_of(data, offsets)
        out = np.empty(len(keep), np.int32)
        row = 0
        while row < len(keep):
            self._grow(int(offsets[-1]) - int(offsets[row]), len(keep) - row)
            row, self._count = _intern(
                (data, offsets, keep, keys),
                (self._slots, self._keys, self._ends, self._bytes),
                row,
                self._count,
                out,
            )
        return out

    def strings(self) -> tuple[UInt8[np.ndarray, " bytes"], Int64[np.ndarray, " strings_plus_one"]]:
        """The distinct strings in the order of their numbers, as bytes and offsets."""
        ends = self._ends[: self._count + 1]
        return self._bytes[: ends[-1]], ends

    def _grow(self, size: int, rows: int) -> None:
        """Make room for all strings that are coming, or else for half as many as there are."""
        wanted = self._count + min(rows, max(1 << 11, self._count // 2))
        if wanted > len(self._keys):
            self._keys = _longer(self._keys, wanted)
            self._ends = _longer(self._ends, wanted + 1)
        used = int(self._ends[self._count])
        space = used + min(size, max(1 << 15, used // 2))
        if space > len(self._bytes):
            self._bytes = _longer(self._bytes, space)
        if 2 * len(self._keys) > len(self._slots):
            slots = 1 << (2 * len(self._keys) - 1).bit_length()
            self._slots = _rehash(self._keys[: self._count], slots)


def _longer(array: np.ndarray, length: int) -> np.ndarray:
    out = np.empty(length, array.dtype)
    out[: len(array)] = array
    return out


@numba.njit(cache=True, nogil=True)
def _hash(data, start, stop):
    value = np.uint64(14695981039346656037)
    for at in range(start, stop):
        value = (value ^ np.uint64(data[at])) * np.uint64(1099511628211)
    return value ^ (value >> np.uint64(29))


@numba.njit(cache=True, nogil=True)
def hash_strings(
    data: UInt8[np.ndarray, " bytes"], offsets: Int32[np.ndarray, " rows_plus_one"]
) -> Int64[np.ndarray, " rows"]:
    """FNV-1a of each string, its 64 bits read as a signed number."""
    out = np.empty(len(offsets) - 1, np.int64)
    for row in range(len(out)):
        out[row] = np.int64(_hash(data, offsets[row], offsets[row + 1]))
    return out


@numba.njit(cache=True, nogil=True)
def _keys_of(data, offsets):
    """Up to 7 bytes with their number on top; for longer strings a hash with the top bit set."""
    out = np.empty(len(offsets) - 1, np.uint64)
    for row in range(len(out)):
        start, stop = offsets[row], offsets[row + 1]
        if stop - start <= 7:
            key = np.uint64(stop - start)
            for at in range(start, stop):
                key = (key << np.uint64(8)) | np.uint64(data[at])
            out[row] = key
        else:
            out[row] = _hash(data, start, stop) | _LONG
    return out


@numba.njit(cache=True, nogil=True)
def _slot_of(key, mask):
    key = (key ^ (key >> np.uint64(32))) * np.uint64(0x9E3779B97F4A7C15)
    return (key ^ (key >> np.uint64(29))) & mask


@numba.njit(cache=True, nogil=True)
def _same(data, start, store, first, length):
    for at in range(length):  # noqa: SIM110 (a compiled loop, not an iterator)
        if store[first + at] != data[start + at]:
            return False
    return True


@numba.njit(cache=True, nogil=True)
def _intern(rows, table, row, count, out):
    """Number strings from `row` on, until the end or until there is no room for a new one."""
    data, offsets, keep, row_keys = rows
    slots, keys, ends, store = table
    mask = np.uint64(len(slots) - 1)
    while row < len(keep):
        if not keep[row]:
            out[row] = -1
            row += 1
            continue
        key = row_keys[row]
        slot = _slot_of(key, mask)
        code = np.int64(slots[slot, 1]) - 1
        while code >= 0:
            if slots[slot, 0] == key:
                length = ends[code + 1] - ends[code] if key & _LONG else 0
                start, stop = offsets[row], offsets[row + 1]
                if not key & _LONG or (
                    length == stop - start and _same(data, start, store, ends[code], length)
                ):
                    break
            slot = (slot + np.uint64(1)) & mask
            code = np.int64(slots[slot, 1]) - 1
        if code < 0:
            start, length, first = offsets[row], offsets[row + 1] - offsets[row], ends[count]
            if count == len(keys) or first + length > len(store):
                return row, count
            for at in range(length):
                store[first + at] = data[start + at]
            keys[count] = key
            ends[count + 1] = first + length
            slots[slot, 0] = key
            slots[slot, 1] = count + 1
            code = count
            count += 1
        out[row] = code
        row += 1
    return row, count


@numba.njit(cache=True, nogil=True)
def _rehash(keys, size):
    slots = np.zeros((size, 2), np.uint64)
    mask = np.uint64(size - 1)
    for code in range(len(keys)):
        slot = _slot_of(keys[code], mask)
        while slots[slot, 1] > 0:
            slot = (slot + np.uint64(1)) & mask
        slots[slot, 0] = keys[code]
        slots[slot, 1] = code + 1
    return slots


@numba.njit(cache=True, nogil=True)
def check_ids(
    data: UInt8[np.ndarray, " bytes"], offsets: Int32[np.ndarray, " rows_plus_one"]
) -> UInt8[np.ndarray, " rows"]:
    """OK, EMPTY, TOO_LONG, or CONTROL where a control character other than a newline stands.

    Control characters are U+0000 to U+001F, U+007F and U+0080 to U+009F; the text is UTF-8.
    """
    out = np.zeros(len(offsets) - 1, np.uint8)
    for row in range(len(out)):
        start, stop = offsets[row], offsets[row + 1]
        if start == stop:
            out[row] = EMPTY
        elif stop - start > MAX_ID_BYTES:
            out[row] = TOO_LONG
        else:
            for at in range(start, stop):
                byte = data[at]
                upper = byte == 0xC2 and at + 1 < stop and data[at + 1] < 0xA0
                if (byte < 32 and byte != 10) or byte == 127 or upper:
                    out[row] = CONTROL
    return out


@numba.njit(cache=True, nogil=True)
def gather(
    data: UInt8[np.ndarray, " bytes"],
    starts: Int32[np.ndarray, " rows"] | Int64[np.ndarray, " rows"],
    stops: Int32[np.ndarray, " rows"] | Int64[np.ndarray, " rows"],
    doubled: Bool[np.ndarray, " rows"],
) -> tuple[Int32[np.ndarray, " rows_plus_one"], UInt8[np.ndarray, " gathered"]]:
    """Copy the strings `data[start:stop]` end to end; where `doubled`, two quotes become one."""
    offsets = np.empty(len(starts) + 1, np.int32)
    offsets[0] = 0
    total = 0
    for row in range(len(starts)):
        total += stops[row] - starts[row]
        if doubled[row]:
            quotes = 0
            for at in range(starts[row], stops[row]):
                if data[at] == _QUOTE:
                    quotes += 1
            total -= quotes // 2
        offsets[row + 1] = total
    out = np.empty(total, np.uint8)
    for row in range(len(starts)):
        to = offsets[row]
        at = starts[row]
        if doubled[row]:
            while at < stops[row]:
                out[to] = data[at]
                at += 2 if data[at] == _QUOTE else 1
                to += 1
        else:
            for step in range(stops[row] - at):
                out[to + step] = data[at + step]
    return offsets, out

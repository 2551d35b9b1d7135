"""Numbers and ISO 8601 times out of text: compiled."""

import numba
import numpy as np
from jaxtyping import Bool, Int32, Int64, UInt8

_DOT, _COMMA, _COLON, _MINUS, _PLUS, _SPACE, _C, _T, _U, _Z = (ord(c) for c in ".,:-+ CTUZ")
_DAYS = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])


@numba.njit(cache=True, nogil=True)
def parse_integers(
    data: UInt8[np.ndarray, " bytes"], offsets: Int32[np.ndarray, " rows_plus_one"]
) -> tuple[Int64[np.ndarray, " rows"], Bool[np.ndarray, " rows"]]:
    """Each string as a whole number, and whether it is one of 64 bits."""
    out = np.zeros(len(offsets) - 1, np.int64)
    good = np.zeros(len(offsets) - 1, np.bool_)
    for row in range(len(out)):
        at, stop = offsets[row], offsets[row + 1]
        negative = at < stop and data[at] == _MINUS
        if negative or (at < stop and data[at] == _PLUS):
            at += 1
        if at == stop or stop - at > 19:
            continue
        value = np.uint64(0)
        fine = True
        for place in range(at, stop):
            digit = np.int64(data[place]) - 48
            if digit < 0 or digit > 9:
                fine = False
                break
            value = value * np.uint64(10) + np.uint64(digit)
        if fine and value <= np.uint64(9223372036854775807):
            out[row] = -np.int64(value) if negative else np.int64(value)
            good[row] = True
    return out, good


@numba.njit(cache=True, nogil=True)
def parse_iso(
    data: UInt8[np.ndarray, " bytes"], offsets: Int32[np.ndarray, " rows_plus_one"]
) -> tuple[Int64[np.ndarray, " rows"], Bool[np.ndarray, " rows"]]:
    """ISO 8601 as milliseconds since 1970, and whether it is a time that exists.

    `YYYY-MM-DD`, then optionally `T` or a space and `HH:MM`, `:SS`, a fraction (digits beyond the
    third are dropped), and `Z`, ` UTC` or `+HH:MM`, `+HHMM`, `+HH`, also after a space. Without an
    offset it is UTC.
    """
    out = np.zeros(len(offsets) - 1, np.int64)
    good = np.zeros(len(offsets) - 1, np.bool_)
    for row in range(len(out)):
        out[row], good[row] = _iso(data, offsets[row], offsets[row + 1])
    return out, good


@numba.njit(cache=True, nogil=True)
def _iso(data, at, stop):
    if stop - at < 10 or data[at + 4] != _MINUS or data[at + 7] != _MINUS:
        return 0, False
    year = _digits(data, at, at + 4)
    month = _digits(data, at + 5, at + 7)
    day = _digits(data, at + 8, at + 10)
    if year < 0 or month < 1 or month > 12 or day < 1 or day > _days_in(year, month):
        return 0, False
    ms = _days_since_1970(year, month, day) * 86_400_000
    at += 10
    if at == stop:
        return ms, True
    if data[at] != _T and data[at] != _SPACE:
        return 0, False
    at, clock = _clock(data, at + 1, stop)
    at, offset = _offset(data, at, stop)
    if clock < 0 or at != stop:
        return 0, False
    return ms + clock - offset, True


@numba.njit(cache=True, nogil=True)
def _clock(data, at, stop):
    """Milliseconds since midnight; -1 if there is no such time."""
    if stop - at < 5 or data[at + 2] != _COLON:
        return at, -1
    hour = _digits(data, at, at + 2)
    minute = _digits(data, at + 3, at + 5)
    second = 0
    fraction = 0
    at += 5
    if stop - at >= 3 and data[at] == _COLON:
        second = _digits(data, at + 1, at + 3)
        at += 3
        if stop - at >= 2 and (data[at] == _DOT or data[at] == _COMMA):
            at += 1
            scale = 100
            first = at
            while at < stop and 48 <= data[at] <= 57:
                fraction += (np.int64(data[at]) - 48) * scale
                scale //= 10
                at += 1
            if at == first:
                return at, -1
    if hour < 0 or hour > 23 or minute < 0 or minute > 59 or second < 0 or second > 59:
        return at, -1
    return at, ((hour * 60 + minute) * 60 + second) * 1000 + fraction


@numba.njit(cache=True, nogil=True)
def _offset(data, at, stop):
    """Milliseconds east of UTC; the place does not move on if it is not an offset."""
    if at < stop and data[at] == _Z:
        return at + 1, 0
    if stop - at > 1 and data[at] == _SPACE:
        at += 1
    if stop - at == 3 and data[at] == _U and data[at + 1] == _T and data[at + 2] == _C:
        return stop, 0
    length = stop - at
    if length not in {3, 5, 6} or (data[at] != _PLUS and data[at] != _MINUS):
        return at, 0
    if length == 6 and data[at + 3] != _COLON:
        return at, 0
    hour = _digits(data, at + 1, at + 3)
    minute = _digits(data, stop - 2, stop) if length > 3 else 0
    if hour < 0 or hour > 23 or minute < 0 or minute > 59:
        return at, 0
    sign = -1 if data[at] == _MINUS else 1
    return stop, sign * (hour * 60 + minute) * 60_000


@numba.njit(cache=True, nogil=True)
def _digits(data, at, stop):
    value = 0
    for place in range(at, stop):
        digit = np.int64(data[place]) - 48
        if digit < 0 or digit > 9:
            return -1
        value = value * 10 + digit
    return value


@numba.njit(cache=True, nogil=True)
def _days_in(year, month):
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return _DAYS[month] + (1 if leap else 0)


@numba.njit(cache=True, nogil=True)
def _days_since_1970(year, month, day):
    """Gregorian days, counted in eras of 400 years that begin on 1 March."""
    if month <= 2:
        year -= 1
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468

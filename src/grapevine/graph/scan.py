"""Where the rows and fields of a CSV text stand: compiled, exact to the byte."""

import numba
import numpy as np

OK, FIELD_COUNT, UNCLOSED, AFTER_QUOTE = range(4)
"""What `scan` says of each row."""

MAX_QUOTED_BYTES = 1 << 18
"""A quote that does not close within so many bytes of the row's start never does."""

_LF, _CR, _QUOTE = 10, 13, 34
_MORE = -1


@numba.njit(cache=True, nogil=True)
def count_byte(data, byte):
    """How often a byte occurs."""
    total = 0
    for at in range(len(data)):
        total += data[at] == byte
    return total


@numba.njit(cache=True, nogil=True)
def scan(data, delimiter, slots, at_end, line):
    """Find rows and fields (RFC 4180) in a text that begins at the start of a row.

    A field that begins with a quote ends with one, and may hold delimiters, newlines and doubled
    quotes; a quote elsewhere is a character like any other. Lines end with LF or CR LF; empty
    lines are no rows. A row that breaks a rule is bad on its first line alone, and reading goes
    on with the next line, so that one quote too many costs one row: this holds for a quote that
    is never closed, for text between a closing quote and the delimiter, and for a wrong number
    of fields.

    Args:
        data: `(bytes,)` uint8.
        delimiter: the byte between fields.
        slots: `(fields,)` int64, for each field the place in the output, or -1.
        at_end: whether the file ends where the data does.
        line: number of the first line.

    Returns:
        `(rows, 4)` int64: where each row begins and ends, its line, and what is said of it; then
        starts and stops `(slots, rows)` of the wanted fields, and whether they hold doubled
        quotes; then the bytes used up, and the number of the line that follows.
    """
    capacity = count_byte(data, _LF) + 1
    rows = np.empty((capacity, 4), np.int64)
    wanted = slots.max() + 1 if len(slots) else 0
    starts = np.empty((wanted, capacity), np.int32)
    stops = np.empty((wanted, capacity), np.int32)
    doubled = np.empty((wanted, capacity), np.bool_)
    row = 0
    at = 0
    while at < len(data):
        if data[at] == _LF:
            at += 1
            line += 1
            continue
        if data[at] == _CR:
            if at + 1 < len(data) and data[at + 1] == _LF:
                at += 2
                line += 1
                continue
            if at + 1 == len(data):
                if at_end:
                    at += 1
                break
        stop, lines, status = _row(data, at, delimiter, slots, at_end, starts, stops, doubled, row)
        if status > OK:
            stop = _next_line(data, at, at_end)
            lines = 1
        if status == _MORE or stop == _MORE:
            break
        if status > OK:
            starts[:, row] = 0
            stops[:, row] = 0
            doubled[:, row] = False
        rows[row, 0] = at
        rows[row, 1] = stop
        rows[row, 2] = line
        rows[row, 3] = status
        row += 1
        at = stop
        line += lines
    return rows[:row], starts[:, :row], stops[:, :row], doubled[:, :row], at, line


@numba.njit(cache=True, nogil=True)
def scan_plain(data, delimiter, slots, line):
    """What `scan` finds, in a third of the time, where the text is as plain as most are.

    Plain: no quotes (the caller has made sure), two fields or more, and all rows as wide as they
    should be, without empty lines. The text after the last newline is left for later.

    Returns:
        What `scan` returns; where the text is not plain, the bytes used up are -1.
    """
    marks = _marks(data, delimiter)
    width = len(slots)
    capacity = len(marks) // width
    wanted = slots.max() + 1
    rows = np.empty((capacity, 4), np.int64)
    starts = np.empty((wanted, capacity), np.int32)
    stops = np.empty((wanted, capacity), np.int32)
    doubled = np.zeros((wanted, capacity), np.bool_)
    at = 0
    plain = True
    for row in range(capacity):
        rows[row, 0] = at
        rows[row, 2] = line + row
        rows[row, 3] = OK
        for field in range(width):
            stop = marks[row * width + field]
            last = field == width - 1
            plain &= (data[stop] == _LF) == last
            if slots[field] >= 0:
                starts[slots[field], row] = at
                carriage = last and stop > at and data[stop - 1] == _CR
                stops[slots[field], row] = stop - 1 if carriage else stop
            at = stop + 1
        rows[row, 1] = at
    for rest in range(capacity * width, len(marks)):
        plain &= data[marks[rest]] != _LF
    return rows, starts, stops, doubled, at if plain else -1, line + capacity


@numba.njit(cache=True, nogil=True)
def _marks(data, delimiter):
    """Where delimiters and newlines stand; without a branch, so that nothing is mispredicted."""
    out = np.empty(len(data) + 1, np.int32)
    count = 0
    wanted = np.uint8(delimiter)
    newline = np.uint8(_LF)
    for at in range(len(data)):
        out[count] = at
        count += (data[at] == wanted) | (data[at] == newline)
    return out[:count]


@numba.njit(cache=True, nogil=True)
def _next_line(data, at, at_end):
    while at < len(data):
        if data[at] == _LF:
            return at + 1
        at += 1
    return at if at_end else _MORE


@numba.njit(cache=True, nogil=True)
def _row(data, begin, delimiter, slots, at_end, starts, stops, doubled, row):
    """One row: where the next begins, how many lines it took, and its status."""
    size = len(data)
    at = begin
    field = 0
    lines = 1
    while True:
        twice = False
        if at < size and data[at] == _QUOTE:
            start = at + 1
            at, more, twice, status = _closing_quote(data, begin, start, at_end)
            if status != OK:
                return at, lines, status
            lines += more
            stop = at
            at += 1
            if at + 1 < size and data[at] == _CR and data[at + 1] == _LF:
                at += 1
            elif at + 1 == size and data[at] == _CR:
                if not at_end:
                    return at, lines, _MORE
                at += 1
            if at < size and data[at] != delimiter and data[at] != _LF:
                return at, lines, AFTER_QUOTE
        else:
            start = at
            while at < size and data[at] != delimiter and data[at] != _LF:
                at += 1
            if at == size and not at_end:
                return at, lines, _MORE
            stop = at
            if stop > start and data[stop - 1] == _CR and (at == size or data[at] == _LF):
                stop -= 1
        if field < len(slots) and slots[field] >= 0:
            starts[slots[field], row] = start
            stops[slots[field], row] = stop
            doubled[slots[field], row] = twice
        field += 1
        if at == size or data[at] == _LF:
            break
        at += 1
    status = OK if field == len(slots) else FIELD_COUNT
    return min(at + 1, size), lines, status


@numba.njit(cache=True, nogil=True)
def _closing_quote(data, begin, at, at_end):
    """Where the quoted field that begins at `at` closes."""
    size = len(data)
    lines = 0
    twice = False
    while True:
        while at < size and data[at] != _QUOTE:
            lines += data[at] == _LF
            at += 1
        if at - begin > MAX_QUOTED_BYTES:
            return at, lines, twice, UNCLOSED
        if at >= size:
            return at, lines, twice, UNCLOSED if at_end else _MORE
        if at + 1 == size and not at_end:
            return at, lines, twice, _MORE
        if at + 1 < size and data[at + 1] == _QUOTE:
            twice = True
            at += 2
        else:
            return at, lines, twice, OK

import csv
import io
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grapevine.graph import scan
from grapevine.graph.strings import gather


def fields(text: str, num_fields: int, *, at_end: bool = True) -> list[tuple]:
    """Each row's line and its fields, or what is said of it."""
    data = np.frombuffer(text.encode(), np.uint8)
    slots = np.arange(num_fields)
    rows, starts, stops, doubled, *_ = scan.scan(data, ord(","), slots, at_end, 1)
    out = []
    for row in range(len(rows)):
        _, _, line, status = rows[row].tolist()
        offsets, raw = gather(data, starts[:, row], stops[:, row], doubled[:, row])
        parts = [raw.tobytes()[a:b].decode() for a, b in itertools.pairwise(offsets)]
        out.append((line, parts if status == scan.OK else status))
    return out


CELL = st.text(st.sampled_from('a",\n é'), max_size=6)


@settings(max_examples=150, deadline=None)
@given(
    table=st.integers(2, 4).flatmap(
        lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1)
    ),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_the_csv_module_writes_is_read_back(table: list[list[str]], quoting: int, end: str):
    out = io.StringIO()
    csv.writer(out, quoting=quoting, lineterminator=end).writerows(table)
    assert [row for _, row in fields(out.getvalue(), len(table[0]))] == table


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b\n\nc,d", [(1, ["a", "b"]), (3, ["c", "d"])]),
        ("a,\n,b\r\n", [(1, ["a", ""]), (2, ["", "b"])]),
        ("a\n,b,c\n", [(1, scan.FIELD_COUNT), (2, scan.FIELD_COUNT)]),
        ('"a\nb",c\nd,e', [(1, ["a\nb", "c"]), (3, ["d", "e"])]),
        ('a,"b\nc,d\ne,f\n', [(1, scan.UNCLOSED), (2, ["c", "d"]), (3, ["e", "f"])]),
        ('a,"b\nc,d\ne,"f"\n', [(1, scan.AFTER_QUOTE), (2, ["c", "d"]), (3, ["e", "f"])]),
        ('a,"b\nc,",x"\ne,f\n', [(1, scan.FIELD_COUNT), (2, ["c", ",x"]), (3, ["e", "f"])]),
        ('a,"b"c\nd,e', [(1, scan.AFTER_QUOTE), (2, ["d", "e"])]),
        ('5" disc,b"\n', [(1, ['5" disc', 'b"'])]),
        ('a,"b"\r', [(1, ["a", "b"])]),
        ("a,b\rc,d\n", [(1, scan.FIELD_COUNT)]),
        ("\r\n\r", []),
        ("", []),
    ],
)
def test_rows_by_hand(text: str, expected: list[tuple]):
    assert fields(text, 2) == expected


def test_a_quote_that_runs_too_long_is_unclosed():
    text = 'a,"' + "x" * scan.MAX_QUOTED_BYTES + '"\nb,c\n'
    assert fields(text, 2) == [(1, scan.UNCLOSED), (2, ["b", "c"])]
    # Nothing needs to be known beyond the limit.
    assert fields(text + "d", 2, at_end=False)[:2] == [(1, scan.UNCLOSED), (2, ["b", "c"])]


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from('a",\n\r'), max_size=25), st.integers(0, 25))
def test_a_text_cut_anywhere_is_the_same_text(text: str, cut: int):
    raw = text.encode()
    slots = np.arange(2)
    whole, *_, line = scan.scan(np.frombuffer(raw, np.uint8), ord(","), slots, True, 1)
    head = np.frombuffer(raw[:cut], np.uint8)
    first, *_, used, middle = scan.scan(head, ord(","), slots, False, 1)
    tail = np.frombuffer(raw[used:], np.uint8)
    second, *_, last = scan.scan(tail, ord(","), slots, True, middle)
    assert np.array_equal(whole[:, 2:], np.concatenate([first, second])[:, 2:])
    assert last == line


PLAIN = st.lists(st.lists(st.text(st.sampled_from("aé\r "), max_size=4), min_size=1, max_size=4))


@settings(max_examples=300, deadline=None)
@given(table=PLAIN, tail=st.sampled_from(["", "a", ",", "a,"]), width=st.integers(2, 3))
def test_the_plain_way_finds_the_same_or_gives_up(table: list[list[str]], tail: str, width: int):
    text = "".join(",".join(row) + "\n" for row in table) + tail
    data, slots = np.frombuffer(text.encode(), np.uint8), np.arange(width)[::-1].copy()
    slow, fast = (
        scan.scan(data, ord(","), slots, False, 5),
        scan.scan_plain(data, ord(","), slots, 5),
    )
    if fast[-2] < 0:
        assert (slow[0][:, 3] != scan.OK).any() or "\n\n" in f"\n{text}".replace("\r\n", "\n")
        return
    for one, other in zip(slow, fast):
        assert np.array_equal(one, other)


def test_a_plain_table_goes_the_plain_way():
    data = np.frombuffer(b"a,b\r\n,\nc,d\ne,", np.uint8)
    rows, starts, stops, _, used, line = scan.scan_plain(data, ord(","), np.arange(2), 1)
    assert (used, line, len(rows)) == (11, 4, 3)
    assert stops[1].tolist() == [3, 6, 10]
    assert starts[1].tolist() == [2, 6, 9]

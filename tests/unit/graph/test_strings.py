import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grapevine.graph.strings import Interner, check_ids, gather, hash_strings


def spans(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    parts = [text.encode() for text in texts]
    offsets = np.cumsum([0, *map(len, parts)]).astype(np.int32)
    return np.frombuffer(b"".join(parts), np.uint8), offsets


def strings_of(data: np.ndarray, offsets: np.ndarray) -> list[str]:
    raw = data.tobytes()
    return [raw[a:b].decode() for a, b in itertools.pairwise(offsets)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.one_of(st.text(max_size=9), st.sampled_from(["a", "1234567", "12345678"])))
    )
)
def test_numbers_are_places_in_a_dictionary(blocks: list[list[str]]):
    interner, slow = Interner(), {}
    for texts in blocks:
        codes = interner.codes(*spans(texts), np.ones(len(texts), bool))
        assert codes.tolist() == [slow.setdefault(text, len(slow)) for text in texts]
    assert len(interner) == len(slow)
    assert strings_of(*interner.strings()) == list(slow)


@pytest.mark.parametrize("prefix", ["", "a-long-prefix-"])
def test_numbers_hold_through_growth(prefix: str):
    texts = [f"{prefix}{number * 7 % 50_000}" for number in range(120_000)]
    interner, slow = Interner(), {}
    for start in (0, 1, 60_000):
        part = texts[start : start + 60_000]
        codes = interner.codes(*spans(part), np.ones(len(part), bool))
        assert codes.tolist() == [slow.setdefault(text, len(slow)) for text in part]


def test_rows_that_are_not_kept_get_no_number():
    codes = Interner().codes(*spans(["a", "b", "b"]), np.array([False, True, True]))
    assert codes.tolist() == [-1, 0, 0]


def test_short_strings_of_nul_bytes_are_told_apart():
    codes = Interner().codes(*spans(["", "\0", "\0\0", "\0"]), np.ones(4, bool))
    assert codes.tolist() == [0, 1, 2, 1]


def test_what_an_id_may_hold():
    texts = ["a", "", "x" * 256, "x" * 257, "\t", "a\nb", "\x7f", "\x85", "\xa0", "é", "日本"]
    assert check_ids(*spans(texts)).tolist() == [0, 1, 0, 2, 3, 0, 3, 3, 0, 0, 0]


def test_fnv_1a_by_the_book():
    # FNV-1a of "a" is af63dc4c8601ec8c; the high bits are folded in by 29.
    value = 0xAF63DC4C8601EC8C
    value ^= value >> 29
    assert hash_strings(*spans(["a"])).view(np.uint64).tolist() == [value]


def test_gathering_copies_and_undoubles():
    data = np.frombuffer(b'one,"t""w""o",', np.uint8)
    offsets, out = gather(
        data, np.array([5, 0, 3]), np.array([12, 3, 3]), np.array([True, False, False])
    )
    assert strings_of(out, offsets) == ['t"w"o', "one", ""]


def test_arrow_lays_strings_out_the_same_way():
    texts = ["ü", "", "abc"]
    _, offsets, data = pa.array(texts).buffers()
    assert np.array_equal(np.frombuffer(offsets, np.int32)[:4], spans(texts)[1])
    assert np.frombuffer(data, np.uint8)[:5].tobytes() == spans(texts)[0].tobytes()

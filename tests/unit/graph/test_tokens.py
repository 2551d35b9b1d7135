import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grapevine.graph import tokens
from grapevine.structs.jagged import offsets_of

MASK = (1 << 64) - 1
BUCKETS = 1 << 20
LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters=" ")
WORDS = st.lists(st.text(LETTERS, min_size=1), max_size=4)


def layout(strings):
    data = [one.encode() for one in strings]
    return np.frombuffer(b"".join(data), np.uint8), offsets_of(np.array([len(one) for one in data]))


def slow_feed(value, data):
    for byte in data:
        value = ((value ^ byte) * 1099511628211) & MASK
    return value


def slow_bucket(value, buckets):
    """SplitMix64 of the hash, its upper half spread over the buckets."""
    z = (value + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return (((z ^ (z >> 31)) >> 32) * buckets) >> 32


def slow_tokens(words, salt, grams):
    out, before = [], None
    for word in words:
        value = slow_feed(salt, word.encode())
        out.append(slow_bucket(value, BUCKETS))
        if grams == tokens.BIGRAMS and before is not None:
            out.append(slow_bucket(before ^ (value * 0x9E3779B97F4A7C15 & MASK), BUCKETS))
        if grams == tokens.TRIGRAMS and len(word) > 1:
            padded = f" {word} "
            three = [padded[at : at + 3] for at in range(len(word))]
            start = salt ^ 0x9E3779B97F4A7C15
            out += [slow_bucket(slow_feed(start, one.encode()), BUCKETS) for one in three]
        before = value
    return out


@pytest.mark.parametrize("grams", [tokens.WORDS, tokens.BIGRAMS, tokens.TRIGRAMS])
@given(rows=st.lists(WORDS, max_size=4))
def test_tokens_are_their_slow_selves(grams, rows):
    salt = tokens.salt_of("title")
    found = tokens.hash_words(
        *layout([" ".join(row) for row in rows]), salt, buckets=BUCKETS, grams=grams
    )
    assert [one.tolist() for one in found] == [slow_tokens(row, int(salt), grams) for row in rows]


def test_only_so_many_words_are_looked_at():
    found = tokens.hash_words(*layout(["a b c d", "a"]), tokens.salt_of("x"), buckets=99, most=2)
    assert found.lengths.tolist() == [2, 1]


GOLDEN = [5565, 11848, 12318, 1519]


def test_tokens_are_the_same_in_every_process(tmp_path):
    code = """
from grapevine.graph import tokens
import numpy as np
word = np.frombuffer(b"tea", np.uint8)
salt = tokens.salt_of("title")
print(tokens.hash_words(word, np.array([0, 3]), salt, buckets=1 << 14, grams=2).values.tolist())
"""
    environment = {"PYTHONHASHSEED": "1", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == str(GOLDEN)


def test_names_are_hashed_whole_and_apart_by_kind():
    data, offsets = layout(["red", "dark red", "red"])
    first = tokens.hash_whole(data, offsets, tokens.salt_of("colour"), BUCKETS)
    other = tokens.hash_whole(data, offsets, tokens.salt_of("brand"), BUCKETS)
    assert first[0] == first[2]
    assert first[0] != first[1]
    assert not (first == other).any()

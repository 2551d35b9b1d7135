import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grapevine.models.sequence.batches import side_by_side
from grapevine.models.vine.begun import Begun, Pointer
from grapevine.testing.worlds import world

BEHAVIOURS = ("view", "cart", "buy")
EVENTS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 3), st.sampled_from(BEHAVIOURS), st.integers(0, 9)),
    min_size=1,
    max_size=25,
)


def places(events):
    log = world(events, behaviours=BEHAVIOURS).interactions
    firsts, stops = log.offsets[:-1], log.offsets[1:]
    return side_by_side(log, firsts, stops, np.full(len(firsts), 10_000))


@given(EVENTS)
def test_what_stands_behind_each_place(events):
    seen = places(events)
    behind = Begun.of(seen)
    rows, longest = seen.items.shape
    for row in range(rows):
        for place in range(longest):
            if not seen.there[row, place]:
                assert behind.times[row, place] == 0
                continue
            same = [
                other
                for other in range(longest)
                if seen.there[row, other] and seen.items[row, other] == seen.items[row, place]
            ]
            before = [other for other in same if other <= place]
            assert behind.times[row, place] == len(before)
            assert behind.furthest[row, place] == seen.behaviours[row, before].max()
            assert behind.again[row, place] == min(
                (other for other in same if other > place), default=longest
            )


@given(EVENTS, st.data())
def test_each_item_known_by_then_stands_once(events, data):
    seen = places(events)
    rows = torch.tensor(data.draw(st.lists(st.integers(0, len(seen.items) - 1), min_size=1)))
    last = torch.tensor(
        [data.draw(st.integers(0, int(seen.there[row].sum()) - 1)) for row in rows.tolist()]
    )
    found = Begun.of(seen).by(seen, rows, last)
    for question, (row, place) in enumerate(zip(rows.tolist(), last.tolist(), strict=True)):
        items = seen.items[row][found[question]].tolist()
        assert sorted(items) == sorted(set(seen.items[row, : place + 1].tolist()))


def pointer(times=True):
    torch.manual_seed(0)
    made = Pointer(8, 6, 3, times=times)
    for one in made.parameters():
        torch.nn.init.normal_(one)
    return made


@pytest.mark.parametrize("times", [True, False])
def test_chances_add_up_and_padding_says_nothing(times):
    events = [("a", "x", "view", 1), ("a", "y", "cart", 2), ("a", "x", "buy", 3)]
    short, long = places(events), places([*events, *(("b", n, "view", n) for n in range(9))])
    table, made = torch.randn(12, 8), pointer(times)
    h, row, last = torch.randn(1, 8), torch.tensor([0]), torch.tensor([2])
    # Items of the first user have the same vectors in both.
    alone = made(h, short, row, last, table[:2][short.items.clamp_max(1)]).logs
    rows = long.items[0, :3]
    vectors = torch.zeros(2, long.items.shape[1], 8)
    vectors[0, :3] = table[:2][short.items[0]]
    beside = made(h, long, row, last, vectors).logs
    assert len(rows) == 3
    torch.testing.assert_close(alone.exp().sum(1), torch.ones(1))
    assert torch.isneginf(alone[0, 0])  # x stands again later
    assert torch.isneginf(beside[0, 3:-1]).all()
    torch.testing.assert_close(beside[0, [1, 2, -1]], alone[0, [1, 2, -1]])


def test_what_comes_after_a_question_changes_nothing():
    events = [("a", item, "view", at) for at, item in enumerate("xyxz")]
    seen, made = places(events), pointer()
    table = torch.randn(1, 4, 8)
    h, row = torch.randn(1, 8), torch.tensor([0])
    one = made(h, seen, row, torch.tensor([1]), table).logs
    other = table.clone()
    other[0, 2:] = torch.randn(2, 8)
    torch.testing.assert_close(made(h, seen, row, torch.tensor([1]), other).logs, one)
    assert torch.isfinite(one[0, [0, 1, -1]]).all()
    assert torch.isneginf(one[0, 2:-1]).all()

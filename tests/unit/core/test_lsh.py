import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from grapevine.core.lsh import Sorted, hashed, lsh_attend, turns
from grapevine.core.propagate import dot_product, propagate
from grapevine.structs.graph import Graph


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def union_of_rounds(buckets, chunk, causal, there):
    """Who hears whom of one sequence and head, by hand: `(rounds, L)` buckets."""
    length = len(there)
    heard = torch.zeros(length, length, dtype=torch.bool)
    for of_round in buckets.tolist():
        order = sorted(range(length), key=lambda i: (of_round[i], i))
        rank = {place: nth for nth, place in enumerate(order)}
        for i in range(length):
            for j in range(length):
                near = rank[i] // chunk - rank[j] // chunk in {0, 1}
                heard[i, j] |= near and of_round[i] == of_round[j] and (j <= i or not causal)
    heard &= there[:, None] & there[None, :]
    alone = heard & ~torch.eye(length, dtype=torch.bool)
    heard = torch.where(alone.any(1, keepdim=True), alone, heard)
    receivers, senders = heard.nonzero().unbind(1)
    return Graph(senders, receivers, length)


@settings(max_examples=20)
@given(
    seed=st.integers(0, 10**6),
    length=st.integers(1, 13),
    rounds=st.integers(1, 3),
    chunk=st.integers(1, 5),
    causal=st.booleans(),
    padded=st.booleans(),
    counts=st.sampled_from([(4,), (2, 2)]),
)
def test_it_is_attention_over_the_union_of_the_rounds(
    seed, length, rounds, chunk, causal, padded, counts
):
    torch.manual_seed(seed)
    q, v = (
        x.requires_grad_() for x in (torch.randn(2, 2, length, 4), torch.randn(2, 2, length, 3))
    )
    there = torch.rand(2, length) < (0.7 if padded else 2)
    drawn = turns(rounds, 4, *counts, seed=seed)
    out = lsh_attend(q, v, drawn, chunk=chunk, causal=causal, there=there if padded else None)
    buckets = hashed(q, drawn)
    wanted = []
    for b in range(2):
        kinds = buckets[:, b].masked_fill(~there[b], 4)
        for h in range(2):
            graph = union_of_rounds(kinds[:, h], chunk, causal, there[b])
            asked = q[b, h][:, None], normalize(q[b, h], dim=-1)[:, None]
            wanted.append(propagate(graph, v[b, h][:, None], dot_product(*asked))[:, 0])
    theirs = torch.stack(wanted).view_as(out)
    torch.testing.assert_close(out, theirs, atol=1e-10, rtol=0)
    pull = torch.randn_like(out)
    mine, other = (
        torch.autograd.grad((o * pull).sum(), (q, v), retain_graph=True) for o in (out, theirs)
    )
    torch.testing.assert_close(mine, other, atol=1e-9, rtol=0)


def test_what_points_the_same_way_shares_a_bucket_and_its_opposite_does_not():
    x = torch.randn(1, 1, 9, 6)
    drawn = turns(2, 6, 8, seed=3)
    buckets = hashed(x, drawn)
    assert torch.equal(hashed(3 * x, drawn), buckets)
    assert torch.equal(hashed(-x, drawn), (buckets + 4) % 8)
    assert torch.equal(turns(2, 6, 8, seed=3, step=0)[0], drawn[0])
    assert not torch.equal(turns(2, 6, 8, seed=3, step=1)[0], drawn[0])
    for odd in ((7,), (4, 7), ()):
        with pytest.raises(ValueError, match="buckets are not even"):
            turns(1, 6, *odd, seed=0)


def test_two_hashes_share_a_bucket_only_where_both_do():
    x = torch.randn(1, 1, 200, 6)
    drawn = turns(2, 6, 4, 6, seed=3)
    first, second = (hashed(x, (one,)) for one in drawn)
    both = hashed(x, drawn)
    assert torch.equal(both, 6 * first + second)
    assert both.max() < 24


def test_places_are_sorted_by_bucket_and_then_by_place():
    rounds = Sorted.of(torch.tensor([1, 0, 1, 0, 2]).view(1, 1, 1, 5), 2)
    assert rounds.order.view(3, 2).tolist() == [[1, 3], [0, 2], [4, -1]]
    # Place 4 stands in the chunk after that of places 0 and 2, but in another bucket than theirs.
    places = torch.arange(5).view(1, 1, 1, 5)
    heard = rounds.heard(places, places)[0, 0, 0, 0]
    assert heard.nonzero().tolist() == [
        [0, 0],
        [0, 2],
        [1, 1],
        [1, 3],
        [2, 0],
        [2, 2],
        [3, 1],
        [3, 3],
        [4, 4],
    ]


def test_a_place_hears_the_chunk_before_its_own_and_not_the_one_behind():
    rounds = Sorted.of(torch.zeros(1, 1, 1, 6, dtype=torch.long), 2)
    places = torch.arange(6).view(1, 1, 1, 6)
    heard = rounds.heard(places, places)[0, 0, 0, 0]
    chunk = torch.arange(6) // 2
    back = chunk[:, None] - chunk[None, :]
    assert torch.equal(heard, (back == 0) | (back == 1))


def test_of_like_places_one_is_found_among_many_others():
    """Each vector stands twice, far apart: the later place takes what the earlier one says."""
    once = 400 * normalize(torch.randn(1, 1, 64, 16), dim=-1)
    q, v = torch.cat([once, once], 2), torch.randn(1, 1, 128, 4)
    out = lsh_attend(q, v, turns(6, 16, 16, seed=0), chunk=16)
    torch.testing.assert_close(out[:, :, 64:], v[:, :, :64], atol=0.1, rtol=0)

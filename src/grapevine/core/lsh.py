"""Each place hears those that are like it, found by hashing (Kitaev et al., Reformer, ICLR 2020).

Queries and keys are the same vectors, keys at length one. In each round vectors are hashed by
random turns, sorted by bucket and place, and cut into chunks; a place hears those of its bucket in
its chunk and the one before. What several rounds hear is put together as if each pair had been
heard once, so that it is attention over the union of the rounds, exactly. A place hears itself only
if it hears nobody else. Time and memory are linear in the length, but for the sort.

B = sequences, H = heads, L = places, K = width of a head, R = rounds, n = chunks, c = their places
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import normalize, pad

from grapevine.random import stream

ITSELF = -1e5
"""Added to the product of a place with itself: enough to be nothing beside any other."""


Turns = tuple[Tensor, ...]
"""Of each hash `(R, K, buckets / 2)`."""


def turns(rounds: int, key: int, *buckets: int, seed: int, step: int = 0) -> Turns:
    """Random turns for the hash; others for each step of training.

    With several numbers of buckets a vector is hashed by each, and there are as many buckets as
    their product: 512 by 16 and 32, at the work of 48. So the work does not grow with their number.

    Args:
        rounds: R.
        key: K.
        buckets: of each hash.
        seed: names the draws.
        step: of training.

    Raises:
        ValueError: a number of buckets is odd, or there is none.
    """
    if not buckets or any(count < 2 or count % 2 for count in buckets):
        raise ValueError(f"each direction has an opposite: {buckets} buckets are not even")
    draw = stream(seed, "lsh", step)
    return tuple(
        torch.as_tensor(draw.standard_normal((rounds, key, count // 2))).to(
            torch.get_default_dtype()
        )
        for count in buckets
    )


def hashed(
    x_BHLK: Float[Tensor, "batch heads places key"], by: Turns
) -> Int64[Tensor, "rounds batch heads places"]:
    """The bucket of each vector: the directions that it points in most (section 2)."""
    bucket = torch.zeros((), dtype=torch.int64)
    for turns_RKb in by:
        toward = torch.einsum("bhlk,rkn->rbhln", x_BHLK, turns_RKb)
        nearest = torch.cat([toward, -toward], -1).argmax(-1)
        bucket = bucket * (2 * turns_RKb.shape[-1]) + nearest
    return bucket


@dataclass(frozen=True, slots=True)
class Sorted:
    """The places of each round, by bucket.

    Attributes:
        order: `(R, B, H, n, c)` the places as they stand in the chunks; -1 behind the last.
        stand: `(R, B, H, L)` bucket and chunk of each place in one number: a place hears those
            whose number is its own, or one less.
    """

    order: Int64[Tensor, "rounds batch heads chunks size"]
    stand: Int64[Tensor, "rounds batch heads places"]

    @classmethod
    def of(cls, buckets: Int64[Tensor, "rounds batch heads places"], size: int) -> "Sorted":
        """Sorted by bucket, then by place, and cut."""
        length = buckets.shape[-1]
        places = torch.arange(length, device=buckets.device)
        order = (buckets * length + places).argsort(-1)
        rank = torch.empty_like(order).scatter_(-1, order, places.expand_as(order))
        cut = pad(order, (0, -length % size), value=-1)
        chunks = cut.shape[-1] // size
        # Other buckets are farther than any two chunks of one.
        stand = buckets * (2 * chunks + 2) + rank // size
        return cls(cut.view(*order.shape[:-1], chunks, size), stand)

    def heard(self, receivers: Tensor, senders: Tensor) -> Bool[Tensor, "rounds ..."]:
        """Which rounds let `(B, H, n, c)` receivers hear `(B, H, n, w)` senders, by their hash."""
        own, other = (self._of(places) for places in (receivers, senders))
        back = own[..., :, None] - other[..., None, :]
        return back.bitwise_and_(-2) == 0

    def _of(self, places: Tensor) -> Tensor:
        """Where these places stand in every round."""
        at = places.flatten(2).expand(len(self.stand), *places.shape[:2], -1)
        return self.stand.gather(-1, at).view(len(self.stand), *places.shape).int()


def lsh_attend(
    q_BHLK: Float[Tensor, "batch heads places key"],
    v_BHLV: Float[Tensor, "batch heads places value"],
    by: Turns,
    *,
    chunk: int = 64,
    causal: bool = True,
    there: Bool[Tensor, "batch places"] | None = None,
) -> Float[Tensor, "batch heads places value"]:
    """What each place hears of those that are like it; 0 where it is not there.

    Args:
        q_BHLK: what places ask, and at length one what they are asked for.
        v_BHLV: what they say.
        by: of the hash; see `turns`.
        chunk: places of a chunk; about twice the mean of a bucket.
        causal: whether nothing is heard of later places.
        there: which places exist.
    """
    buckets = hashed(q_BHLK.detach(), by)
    if there is not None:
        # Those that are not there come behind all others.
        buckets = buckets.masked_fill(~there[:, None, :], math.prod(2 * t.shape[-1] for t in by))
    rounds = Sorted.of(buckets, chunk)
    k_BHLK = normalize(q_BHLK, dim=-1)
    parts = [
        _round(q_BHLK, k_BHLK, v_BHLV, rounds, nth, causal, there) for nth in range(len(buckets))
    ]
    levels, heard = (torch.stack(part) for part in zip(*parts))
    return (levels.softmax(0) * heard).sum(0)


def _round(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    rounds: Sorted,
    nth: int,
    causal: bool,
    there: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """What is heard in one round, and the logarithm of what it weighs, `(B, H, L, 1)`."""
    receivers = rounds.order[nth]
    before = pad(receivers, (0, 0, 1, 0), value=-1)[..., :-1, :]
    senders = torch.cat([before, receivers], -1)
    known = senders >= 0
    i, j = receivers.clamp_min(0), senders.clamp_min(0)
    if there is not None:
        known = known & _picked(there[:, None, :, None].expand(*q.shape[:3], 1), j)[..., 0]
    in_rounds = rounds.heard(i, j)
    mask = in_rounds[nth] & known[..., None, :]
    if causal:
        mask = mask & (i[..., :, None] >= j[..., None, :])
    # Who is heard in several rounds is heard once: each round takes its part.
    added = -in_rounds.sum(0).clamp_min(1).to(q.dtype).log()
    added += ITSELF * (i[..., :, None] == j[..., None, :])
    added = added.masked_fill(~mask, torch.finfo(q.dtype).min)
    logits = torch.matmul(_picked(q, i), _picked(k, j).transpose(-1, -2)) * q.shape[-1] ** -0.5
    logits = logits + added
    heard = torch.matmul(logits.softmax(-1), _picked(v, j))
    heard = heard.masked_fill(~mask.any(-1, keepdim=True), 0.0)
    level = logits.logsumexp(-1, keepdim=True)
    return _placed(level, receivers, q.shape[2]), _placed(heard, receivers, q.shape[2])


def _picked(x_BHLK: Tensor, places_BHnc: Tensor) -> Tensor:
    """The rows of these places, `(B, H, n, c, K)`."""
    at = places_BHnc.flatten(2)[..., None].expand(*x_BHLK.shape[:2], -1, x_BHLK.shape[-1])
    return x_BHLK.gather(2, at).view(*places_BHnc.shape, -1)


def _placed(x_BHncK: Tensor, order_BHnc: Tensor, length: int) -> Tensor:
    """What stands sorted, back at its places."""
    order = order_BHnc.flatten(2)[..., :length]
    rows = x_BHncK.flatten(2, 3)[:, :, :length]
    return torch.zeros_like(rows).scatter(2, order[..., None].expand_as(rows), rows)

"""Where an item leads: to what was taken after it, and to what else its takers took.

A history need not be answered by what a network has made of it. Each place can pass the question
on to the items that its own item leads to, as one node of a graph hands a message to the next; the
network then says which place is to speak, and not what of a whole catalogue is meant. Of logs with
few events of each item that is most of what there is to know.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64

from grapevine.data.interactions import Interactions
from grapevine.graph.cooccurrence import distinct, nearest_items
from grapevine.structs.jagged import offsets_of
from grapevine.structs.rising import places

# I = items, E = links, P = pairs of an item that speaks and one that is asked for


@dataclass(frozen=True, slots=True)
class Links:
    """How strongly each item leads to some others; rising items within each row.

    Attributes:
        offsets: `(I + 1,)` those of item i are `[offsets[i], offsets[i + 1])`.
        items: `(E,)` where they lead.
        weights: `(E,)` how strongly; the shares of a row are these over their sum.
        left: `(E,)` what is left of a weight without one event: a step to the second item, or that
            one of its users took it.
    """

    offsets: Int64[np.ndarray, " items_plus_one"]
    items: Int32[np.ndarray, " links"]
    weights: Float32[np.ndarray, " links"]
    left: Float32[np.ndarray, " links"]

    @classmethod
    def after(cls, events: Interactions, most: int) -> "Links":
        """To what came right after an item, as often as it did: the steps of a Markov chain.

        Args:
            events: in an order that means something; one after another of the same item are one.
            most: of each item; the most frequent.
        """
        users = events.users
        follows = (users[1:] == users[:-1]) & (events.items[1:] != events.items[:-1])
        step, count = np.unique(
            events.items[:-1][follows] * np.int64(events.num_items) + events.items[1:][follows],
            return_counts=True,
        )
        origin, to = step // max(events.num_items, 1), step % max(events.num_items, 1)
        order = np.lexsort((to, -count, origin))
        lengths = np.bincount(origin, minlength=events.num_items)
        rank = np.arange(len(origin)) - np.repeat(offsets_of(lengths)[:-1], lengths)
        kept = order[rank < most]
        weights = count[kept].astype(np.float32)
        return cls._sorted(origin[kept], to[kept], weights, weights - 1, events.num_items)

    @classmethod
    def beside(cls, events: Interactions, most: int) -> "Links":
        """To what else the users of an item took: cosines of their 0/1 columns.

        Args:
            events: in any order.
            most: of each item; the nearest.
        """
        lists = distinct(events.histories, events.num_items)
        near, cosines = nearest_items(lists, np.ones(len(lists)), events.num_items, most + 1)
        takers = np.bincount(lists.values, minlength=events.num_items)
        origin = np.repeat(np.arange(events.num_items), near.lengths)
        others = near.values != origin
        origin, to, cosines = origin[others], near.values[others], cosines[others]
        # Of n_ij / sqrt(n_i n_j) a taker less of j takes one from n_ij and from n_j.
        of_both = cosines * np.sqrt(takers[origin] * takers[to].astype(np.float64))
        fewer = np.sqrt(takers[origin] * np.maximum(takers[to] - 1.0, 1.0))
        left = np.maximum(np.round(of_both) - 1, 0) / fewer
        return cls._sorted(origin, to, cosines, left.astype(np.float32), events.num_items)

    @classmethod
    def _sorted(
        cls,
        origin: Int64[np.ndarray, " links"],
        to: np.ndarray,
        weights: Float32[np.ndarray, " links"],
        left: Float32[np.ndarray, " links"],
        num_items: int,
    ) -> "Links":
        order = np.lexsort((to, origin))
        return cls(
            offsets=offsets_of(np.bincount(origin, minlength=num_items)),
            items=to[order].astype(np.int32),
            weights=weights[order],
            left=left[order],
        )

    @property
    def num_items(self) -> int:
        """I."""
        return len(self.offsets) - 1

    @property
    def totals(self) -> Float32[np.ndarray, " items"]:
        """Sum of each row; 0 where an item leads nowhere."""
        sums = np.concatenate([[0.0], np.cumsum(self.weights, dtype=np.float64)])
        return np.diff(sums[self.offsets]).astype(np.float32)

    @property
    def shares(self) -> Float32[np.ndarray, " links"]:
        """Of each link, of all that its item leads to."""
        whole = np.repeat(self.totals, np.diff(self.offsets))
        return self.weights / np.maximum(whole, np.float32(1e-12))

    @property
    def keys(self) -> Int64[np.ndarray, " links"]:
        """Each link as one number, rising."""
        origin = np.repeat(np.arange(self.num_items), np.diff(self.offsets))
        return origin * np.int64(self.num_items) + self.items


@dataclass(frozen=True, slots=True)
class Lookup:
    """The shares of pairs, as they are without the event that is asked for.

    What is asked for in training is an event that the links have counted. Its own part is taken
    off again, or every question would answer itself.

    Attributes:
        links: all of them.
        keys: see `Links.keys`.
        totals: see `Links.totals`.
    """

    links: Links
    keys: Int64[np.ndarray, " links"]
    totals: Float32[np.ndarray, " items"]

    @classmethod
    def of(cls, links: Links) -> "Lookup":
        """Ready to be asked."""
        return cls(links, links.keys, links.totals)

    def __call__(
        self,
        speaks: Int64[np.ndarray, " pairs"],
        wanted: Int64[np.ndarray, " pairs"],
        own: Bool[np.ndarray, " pairs"],
    ) -> Float32[np.ndarray, " pairs"]:
        """The share of each wanted item among all that the item which speaks leads to.

        Args:
            speaks: an item of a history.
            wanted: the answer.
            own: where the pair is one that the user has made.
        """
        if not len(self.keys):
            return np.zeros(len(speaks), np.float32)
        key = speaks * np.int64(self.links.num_items) + wanted
        place = places(self.keys, key)
        weight = self.links.weights[place]
        said = np.where(own, self.links.left[place], weight)
        whole = self.totals[speaks] - weight + said
        # A sum of float32 is not exact, and a share is no more than all there is.
        share = np.minimum(said / np.maximum(whole, np.float32(1e-6)), 1)
        return np.where((place >= 0) & (said > 0), share, 0).astype(np.float32)


KINDS = ("after", "beside")
"""What a link may mean, in the order of the ways in which places pass questions on."""


def arrays_of(links: Mapping[str, Links]) -> dict[str, np.ndarray]:
    """What a model keeps of its links: of no length where it has none of a kind."""
    found = dict[str, np.ndarray]()
    for kind in KINDS:
        one = links.get(kind)
        found[f"{kind}_offsets"] = np.empty(0, np.int64) if one is None else one.offsets
        found[f"{kind}_items"] = np.empty(0, np.int32) if one is None else one.items
        found[f"{kind}_shares"] = np.empty(0, np.float32) if one is None else one.shares
    return found

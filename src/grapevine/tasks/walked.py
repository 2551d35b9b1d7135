"""Vectors of nodes for each relation, learnt so that those that walks meet together are near.

GATNE (`core.gatne`) trained by skip-gram with negative sampling on walks along meta-paths (Cen et
al., KDD 2019, arXiv:1905.01669, section 4.3; Mikolov et al., NeurIPS 2013, eq. 4).

N = nodes, R = relations, T = neighbours drawn, B = pairs of a step, S = negatives, D = width
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int32, Int64
from torch import Tensor, nn
from torch.nn.functional import softplus

from grapevine.config import check_bounds
from grapevine.core.gatne import GATNE, Described, Known
from grapevine.errors import DataError
from grapevine.graph.links import Links
from grapevine.graph.metapaths import near_in_walks, walks
from grapevine.graph.wrong import Negatives
from grapevine.random import stream
from grapevine.tasks.descent import Trace, descend
from grapevine.tasks.links import Pairs, auc, truth_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """How such vectors are learnt; what was checked in the authors' code is the default."""

    width: int = 200
    """D, of the vectors."""
    said: int = 10
    """Of what a node says along a relation."""
    attention: int = 20
    """Of the attention over relations."""
    neighbours: int = 10
    """T, drawn of each node along each relation, anew for each step."""
    walks: int = 20
    """From each node, along each meta-path."""
    length: int = 10
    """Nodes of a walk."""
    window: int = 5
    """Steps of a walk within which two nodes are a pair."""
    negatives: int = 5
    """S, of the type of the node that was met, by the 3/4 power of how often walks meet them."""
    batch: int = 4096
    """B, pairs of a step, those of all relations together."""
    epochs: int = 300
    """Steps, at most."""
    patience: int = 50
    """Steps without a better validation."""
    learning_rate: float = 0.03
    """Of Adam."""

    def __post_init__(self) -> None:
        check_bounds(
            self, "walked", "width", "said", "attention", "neighbours", "walks", "window",
            "negatives", "batch", "epochs", least=1,
        )  # fmt: skip
        check_bounds(self, "walked", "length", least=2)
        check_bounds(self, "walked", "patience", least=0)
        check_bounds(self, "walked", "learning_rate", above=0)


@dataclass(frozen=True)
class Walked:
    """What came of a training.

    Attributes:
        vectors: `(N, R, D)`; the product of two of the same relation says how near they are.
        trace: how it went.
    """

    vectors: Float32[np.ndarray, "nodes relations width"]
    trace: Trace

    def score(self, pairs: Pairs, relation: int) -> Float32[np.ndarray, " pairs"]:
        """How likely each pair is to be linked by a relation: the greater, the more."""
        one, two = self.vectors[pairs[:, 0], relation], self.vectors[pairs[:, 1], relation]
        return (one * two).sum(1)


def fit(
    config: Config,
    paths: Sequence[Sequence[Links]],
    offsets: tuple[int, ...],
    validation: Sequence[Pairs],
    *,
    features: Sequence[Float[Tensor, "_nodes _features"]] | None = None,
    seed: int = 0,
) -> Walked:
    """Learn from walks, and keep the step that told the pairs of the validation apart best.

    Args:
        config: the options.
        paths: a meta-path for each relation, such as users click items, items clicked by users: a
            node hears along it whom the links that start from its type lead to.
        offsets: rows of each type of nodes.
        validation: for each relation pairs with an edge that the links have not, then as many
            without.
        features: of the nodes of each type, for vectors that are functions of them (GATNE-I);
            each node has its own if not given (GATNE-T).
        seed: names what is drawn.

    Raises:
        DataError: the walks of a relation meet no pair.
    """
    met = _Met.along(config, paths, offsets, seed)
    sizes = (config.width, len(paths))
    torch.manual_seed(int(stream(seed, "walked", "start").integers(2**63)))
    if features is None:
        source: Known | Described = Known(offsets[-1], *sizes, said=config.said)
    else:
        source = Described([x.shape[1] for x in features], *sizes, said=config.said)
    layer = GATNE(*sizes, said=config.said, attention=config.attention)
    context = nn.Embedding(offsets[-1], config.width)
    nn.init.zeros_(context.weight)
    network = nn.ModuleList([source, layer, context])
    step = 0

    def vectors(nodes: Int64[np.ndarray, " asked"], turn: int) -> Tensor:
        base, said = source(*(features or ()))
        drawn = neighbours(paths, nodes, config.neighbours, (seed, turn))
        return layer(base[torch.from_numpy(nodes)], said, torch.from_numpy(drawn).long())

    def loss() -> Tensor:
        nonlocal step
        step += 1
        pairs, relations, wrong = met.draw(config.batch, config.negatives, step)
        nodes, place = np.unique(pairs[:, 0], return_inverse=True)
        own_BD = vectors(nodes, step)[torch.from_numpy(place), torch.from_numpy(relations)]
        asked_BS = torch.from_numpy(np.column_stack([pairs[:, 1], np.maximum(wrong, 0)]))
        logits_BS = torch.einsum("bd,bsd->bs", own_BD, context(asked_BS))
        lost_BS = softplus(logits_BS[:, 1:]) * torch.from_numpy(wrong >= 0)
        return softplus(-logits_BS[:, 0]).mean() + lost_BS.sum(1).mean()

    def worth() -> tuple[float]:
        found = Walked(vectors(np.arange(offsets[-1]), 0).numpy(), Trace(0, 0, ()))
        told = [auc(found.score(one, r), truth_of(one)) for r, one in enumerate(validation)]
        return (float(np.mean(told)),)

    trace = descend(
        network,
        loss,
        worth,
        epochs=config.epochs,
        patience=config.patience,
        learning_rate=config.learning_rate,
        seed=seed,
    )
    with torch.no_grad():
        return Walked(vectors(np.arange(offsets[-1]), 0).numpy(), trace)


def neighbours(
    paths: Sequence[Sequence[Links]],
    nodes: Int64[np.ndarray, " asked"],
    width: int,
    key: tuple[int, int],
) -> Int32[np.ndarray, "asked relations width"]:
    """Neighbours of each node along each relation, by any link of its path; -1 where it has none.

    Args:
        paths: one for each relation.
        nodes: their rows.
        width: how many of each relation.
        key: seed and step, which name the draws.
    """
    out = np.full((len(nodes), len(paths), width), -1, np.int32)
    for place, path in enumerate(paths):
        for turn, links in enumerate(path):
            named = np.uint64(stream(*key, "neighbours", place, turn).integers(2**63))
            found = links.draw(nodes, width, key=named)
            out[:, place] = np.where(out[:, place] < 0, found, out[:, place])
    return out


@dataclass(frozen=True)
class _Met:
    """The pairs that walks met, relation by relation, and what else could have been met.

    Attributes:
        pairs: of each relation.
        others: nodes of each type, by how often they were met.
        kinds: `(N,)` type of each node.
        seed: names what is drawn.
    """

    pairs: list[Pairs]
    others: list[Negatives]
    kinds: Int64[np.ndarray, " nodes"]
    seed: int

    @classmethod
    def along(
        cls,
        config: Config,
        paths: Sequence[Sequence[Links]],
        offsets: tuple[int, ...],
        seed: int,
    ) -> "_Met":
        found: list[Pairs] = []
        for place, path in enumerate(paths):
            starts = np.repeat(np.flatnonzero(path[0].ends.lengths), config.walks)
            named = int(stream(seed, "walked", "walks", place).integers(2**63))
            pairs = near_in_walks(walks(path, starts, config.length, named), config.window)
            if not len(pairs):
                raise DataError(f"the walks of relation {place} meet no two nodes")
            found.append(pairs)
        counts = np.bincount(np.concatenate(found)[:, 1], minlength=offsets[-1])
        kinds = range(len(offsets) - 1)
        others = [Negatives.of_type(counts, offsets, kind) for kind in kinds]
        return cls(found, others, np.repeat(kinds, np.diff(offsets)), seed)

    def draw(self, count: int, negatives: int, step: int) -> tuple[Pairs, np.ndarray, np.ndarray]:
        """Pairs, the relation of each, and nodes of the type of its second, -1 where too few."""
        draw = stream(self.seed, "walked", "pairs", step)
        each = -(-count // len(self.pairs))
        pairs = np.concatenate([one[draw.integers(len(one), size=each)] for one in self.pairs])
        relations = np.repeat(np.arange(len(self.pairs)), each)
        wrong = np.full((len(pairs), negatives), -1, np.int64)
        for kind, others in enumerate(self.others):
            rows = np.flatnonzero(self.kinds[pairs[:, 1]] == kind)
            named = int(draw.integers(2**63))
            wrong[rows] = others.draw(rows, negatives, seed=named)
        # What was met is no wrong answer for itself.
        return pairs, relations, np.where(wrong == pairs[:, 1:], -1, wrong)

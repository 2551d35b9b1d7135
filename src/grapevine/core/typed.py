"""Layers for edges of several relations: R-GCN, and HGT for nodes of several types too.

N = nodes, R = relations, E = edges, D = width, O = width afterwards, H = heads, K = width per head,
B = bases or blocks
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu, pad

from grapevine.core.additive import glorot
from grapevine.core.edges import Edges
from grapevine.core.edgewise import dot_products, softmax, weighted_sum
from grapevine.core.listen import listen
from grapevine.core.neighbourhoods import Neighbourhood
from grapevine.structs.typed_graph import TypedGraph


class RGCN(nn.Module):
    """`W_0 h_i + sum_r W_r mean_j h_j + c` over relations r (Schlichtkrull et al., ESWC 2018).

    arXiv:1703.06103, eq. 2-4. The matrices W_r may be sums of a few bases, each with a factor of
    the relation, or block-diagonal.

    Args:
        width: D, of what a node holds.
        out: O, of what it holds afterwards.
        relations: R.
        bases: B, matrices that the relations share; 0 gives each its own.
        blocks: B, blocks along the diagonal; 0 for whole matrices.
        own: whether what a node holds counts, through W_0.
    """

    def __init__(
        self,
        width: int,
        out: int,
        relations: int,
        *,
        bases: int = 0,
        blocks: int = 0,
        own: bool = True,
    ) -> None:
        super().__init__()
        if bases and blocks:
            raise ValueError("either bases or blocks")
        if blocks and (width % blocks or out % blocks):
            raise ValueError(f"{blocks} blocks cannot share widths of {width} and {out}")
        self.blocks = blocks
        if blocks:
            shape = (relations, blocks, width // blocks, out // blocks)
        else:
            shape = (bases or relations, width, out)
        self.weight = nn.Parameter(glorot(*shape))
        self.factors_RB = nn.Parameter(glorot(relations, bases)) if bases else None
        self.own = nn.Parameter(glorot(width, out)) if own else None
        self.bias = nn.Parameter(torch.zeros(out))

    def forward(
        self,
        h_ND: Float[Tensor, "nodes width"],
        relations: Sequence[Neighbourhood],
        spans: Sequence[slice] | None = None,
    ) -> Float[Tensor, "nodes out"]:
        """What each node holds afterwards.

        Args:
            h_ND: what the nodes hold.
            relations: who listens to whom by each relation, all over the same nodes.
            spans: the rows that hear each relation, where those are known to be no others.
        """
        weights = self.weight
        if self.factors_RB is not None:
            weights = torch.einsum("rb,bdo->rdo", self.factors_RB, weights)
        if len(relations) != len(weights):
            raise ValueError(f"made for {len(weights)} relations: got {len(relations)}")
        every = [slice(0, len(h_ND))] * len(relations)
        out = self.bias.expand(len(h_ND), -1)
        if self.own is not None:
            out = out + h_ND @ self.own
        for weight, relation, rows in zip(weights, relations, spans or every):
            heard_ND = self._through(weight, listen(relation, h_ND, "mean")[rows])
            around = rows.start, len(h_ND) - rows.stop
            out = out + (pad(heard_ND, (0, 0, *around)) if any(around) else heard_ND)
        return out

    def _through(self, weight: Tensor, heard_ND: Tensor) -> Tensor:
        if not self.blocks:
            return heard_ND @ weight
        parts = heard_ND.view(len(heard_ND), self.blocks, -1)
        return torch.einsum("nbd,bdo->nbo", parts, weight).flatten(1)


class HGT(nn.Module):
    """The heterogeneous graph transformer (Hu et al., WWW 2020, arXiv:2003.01332, eq. 2-5).

    Queries, keys and values by the type of the node; keys and values go through a matrix a head of
    the relation, and the scores count by a prior of the relation. The softmax is over all edges of
    a receiver, whatever their relation. Then `s A gelu(heard) + (1 - s) h`, where A and the gate s
    are the receiver type's.

    Args:
        width: D, before and after; the heads share it.
        types: the types of source and target of each relation.
        num_types: of nodes.
        heads: H.
    """

    def __init__(
        self, width: int, types: Sequence[tuple[int, int]], num_types: int, *, heads: int = 1
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{heads} heads cannot share a width of {width}")
        self.types, self.heads, self.key = tuple(types), heads, width // heads
        self.say = nn.ModuleList(nn.Linear(width, 3 * width) for _ in range(num_types))
        self.out = nn.ModuleList(nn.Linear(width, width) for _ in range(num_types))
        matrices = len(self.types), heads, self.key, self.key
        self.key_RHKK = nn.Parameter(glorot(*matrices))
        self.value_RHKK = nn.Parameter(glorot(*matrices))
        self.prior_RH = nn.Parameter(torch.ones(len(self.types), heads))
        self.gate_T = nn.Parameter(torch.ones(num_types))

    def forward(
        self, h_ND: Float[Tensor, "nodes width"], graph: TypedGraph, edges: Edges | None = None
    ) -> Float[Tensor, "nodes width"]:
        """What each node holds afterwards.

        Args:
            h_ND: what the nodes hold, type by type.
            graph: with the relations that the layer was made for.
            edges: `speakers(graph)`, where it is used again.

        Raises:
            ValueError: the relations have other types.
        """
        found = tuple((one.source, one.target) for one in graph.relations)
        if found != self.types:
            raise ValueError(f"made for relations of types {self.types}: got {found}")
        spans = [slice(*ends) for ends in zip(graph.offsets, graph.offsets[1:])]
        asked, *said = zip(*(
            say(h_ND[span]).view(-1, 3, self.heads, self.key).unbind(1)
            for say, span in zip(self.say, spans)
        ))  # fmt: skip
        k_SHK, v_SHK = self._by_relation(*said)
        edges = edges or speakers(graph)
        q_NHK = torch.cat(asked) * self.key**-0.5
        shares_EH = softmax(edges, dot_products(edges, q_NHK, k_SHK))
        heard_ND = gelu(weighted_sum(edges, shares_EH, v_SHK).flatten(1))
        new: list[Tensor] = []
        for out, gate, span in zip(self.out, self.gate_T.sigmoid(), spans):
            new.append(gate * out(heard_ND[span]) + (1 - gate) * h_ND[span])
        return torch.cat(new)

    def _by_relation(
        self, keys: Sequence[Tensor], values: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """What the nodes of its source type say by each relation, one after another."""
        k: list[Tensor] = []
        v: list[Tensor] = []
        for place, (source, _) in enumerate(self.types):
            through = self.key_RHKK[place] * self.prior_RH[place][:, None, None]
            k.append(torch.einsum("nhk,hkl->nhl", keys[source], through))
            v.append(torch.einsum("nhk,hkl->nhl", values[source], self.value_RHKK[place]))
        return torch.cat(k), torch.cat(v)


def speakers(graph: TypedGraph) -> Edges:
    """The edges of all relations, from a row for each relation and node of its source type."""
    senders: list[np.ndarray] = []
    receivers: list[np.ndarray] = []
    rows = 0
    for one in graph.relations:
        first = graph.offsets[one.source]
        senders.append(one.edges.senders.numpy() - first + rows)
        receivers.append(one.edges.receivers.numpy())
        rows += graph.offsets[one.source + 1] - first
    ends = np.concatenate(senders), np.concatenate(receivers)
    return Edges.from_pairs(*ends, graph.num_nodes, rows)

"""Places that hear each other by weights that are learnt, the same for every history."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import gelu

from grapevine.core.kernels.dropout import Dropout
from grapevine.core.patterns import Causal, Pattern
from grapevine.core.transformer import FeedForward

# B = histories, L = places, D = width


class MixerLayer(nn.Module):
    """An MLP over the places, then one over the width; each adds to what the places hold.

    `x = x + W2 gelu(W1 N(x))` with W1 and W2 of places by places, then `x = x + F(N(x))`: the
    sequence and the channel mixer of MLP4Rec (Li et al., IJCAI 2022, arXiv:2204.11510). Its third
    one, over the features of an item, has nothing to mix where an item is told by its id alone.

    Two ways to place a history in the table of weights:

    - `Causal()`: both tables are triangular (TriMLP, Jiang et al., arXiv:2305.14675), the first
      event is at place 0, and every place may be asked about. Its norms and activations are those
      of MLP4Rec and not of TriMLP, which turns each row of weights into shares.
    - Any other pattern: the whole tables, the last event at the last place. Every place hears what
      came later, so that only what follows the last may be asked.

    Args:
        width: D.
        hidden: between the two layers of the MLP over the width.
        length: the longest history.
        dropout: of what is added.
    """

    def __init__(self, width: int, hidden: int, *, length: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.hear = nn.Parameter(torch.empty(length, length))
        self.say = nn.Parameter(torch.empty(length, length))
        self.heard = nn.Parameter(torch.zeros(length, 1))
        self.said = nn.Parameter(torch.zeros(length, 1))
        for table in (self.hear, self.say):
            nn.init.xavier_normal_(table)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.feed = FeedForward(width, hidden)
        self.dropout = Dropout(dropout)

    def forward(
        self,
        x: Float[Tensor, "batch places width"],
        pattern: Pattern,
        *,
        there: Bool[Tensor, "batch places"] | None = None,
        bias: None = None,
    ) -> Float[Tensor, "batch places width"]:
        """What the places hold afterwards.

        Args:
            x: what they hold.
            pattern: `Causal()` for the triangle.
            there: which places exist; padding comes last.
            bias: none is heard.
        """
        first, second = self.norms
        mixed = self._before if isinstance(pattern, Causal) else self._all
        x = x + self.dropout(mixed(first(x), there))
        return x + self.dropout(self.feed(second(x)))

    def _before(self, x: Tensor, there: Tensor | None) -> Tensor:
        length = x.shape[1]
        hear, say = (table[:length, :length].tril() for table in (self.hear, self.say))
        return say @ gelu(hear @ x + self.heard[:length]) + self.said[:length]

    def _all(self, x: Tensor, there: Tensor | None) -> Tensor:
        batch, length, _ = x.shape
        if there is None:
            there = x.new_ones(batch, length, dtype=torch.bool)
        column, row = torch.arange(length), torch.arange(batch)[:, None]
        # Turned so that the padding stands before the first event.
        gap = length - there.sum(1, keepdim=True)
        turned = (x * there[:, :, None])[row, (column - gap) % length]
        heard = gelu(self.hear[:, -length:] @ turned + self.heard)
        said = self.say[-length:] @ heard + self.said[-length:]
        return said[row, (column + gap) % length]

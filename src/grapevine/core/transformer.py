"""The layers of Transformers: who hears whom is the pattern's affair, all else is here.

| system | made by |
| --- | --- |
| Transformer encoder, BERT, BERT4Rec | `TransformerLayer(norm="post")`, `Complete()` |
| GPT, modern SASRec | `TransformerLayer(norm="pre")`, `Causal()`, one more norm at the end |
| SASRec as published | `TransformerLayer(norm="sasrec")`, `Causal()`, one more norm at the end |
| LiGR, eSASRec | `TransformerLayer(norm="pre", gated=True)`, `Causal()` |
| HSTU | `HSTULayer`, `Causal()` |

B = sequences, L = places, D = width, H = heads, K = width of a head
"""

from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, layer_norm, relu, silu

from grapevine.core.attention import attend
from grapevine.core.kernels.dropout import Dropout
from grapevine.core.kernels.fused import (
    LOW,
    Precision,
    bent_linear,
    linear_add,
    normed,
)
from grapevine.core.kernels.gates import gated_add
from grapevine.core.multihead import Asking, Attend, Attention, Bias, States, There, split_heads
from grapevine.core.patterns import Pattern

Activation = Literal["relu", "gelu", "swiglu"]
Order = Literal["pre", "post", "sasrec"]
"""Where the norms stand: see `TransformerLayer`."""


class FeedForward(nn.Module):
    """`W2 act(W1 x + b1) + b2`; "swiglu" is `W2 (silu(W1 x) * W3 x)` (Shazeer, arXiv:2002.05202).

    Args:
        width: D.
        hidden: between the two.
        activation: which.
        dropout: of the hidden numbers.
    """

    def __init__(
        self, width: int, hidden: int, *, activation: Activation = "gelu", dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.activation: Activation = activation
        self.up = nn.Linear(width, 2 * hidden if activation == "swiglu" else hidden)
        self.down = nn.Linear(hidden, width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Asking) -> Asking:
        """Place by place."""
        return self.down(self.dropout(self.activate(self.up(x))))

    def activate(self, hidden: Tensor) -> Tensor:
        """What comes between the two products."""
        if self.activation == "swiglu":
            gate, value = hidden.chunk(2, -1)
            return silu(gate) * value
        return relu(hidden) if self.activation == "relu" else gelu(hidden)


class TransformerLayer(nn.Module):
    """Attention, then place by place; each adds to what the places hold.

    The order of norms (the spec's three forms):

    - "post": `x = N(x + A(x))`, `x = N(x + F(x))` (Vaswani et al.; BERT).
    - "pre": `x = x + A(N(x))`, `x = x + F(N(x))`; one more norm belongs after the last layer.
    - "sasrec": `q = N(x)`, `x = q + A(q, x, x)`, `y = N(x)`, `x = y + F(y)`: queries are normed,
      keys and values are not, and what is added to is the normed (code of Kang and McAuley, ICDM
      2018); one more norm belongs after the last layer.

    `gated` multiplies what is added by `sigmoid(x W)`, x being what it is added to, as in LiGR
    (arXiv:2502.03417).

    Args:
        width: D.
        heads: H.
        hidden: of the feed-forward.
        norm: the order.
        activation: of the feed-forward.
        dropout: of what is added; with "sasrec" of the hidden numbers too.
        attention_dropout: of the weights of attention.
        gated: whether what is added goes through a gate.
        eps: of the norms.
        precision: of the products, where the layer is fused (see `fused`).
    """

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int,
        *,
        norm: Order = "pre",
        activation: Activation = "gelu",
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        gated: bool = False,
        eps: float = 1e-5,
        precision: Precision = "float32",
    ) -> None:
        super().__init__()
        self.norm: Order = norm
        self.precision: Precision = precision
        self.attention = Attention(width, heads, dropout=attention_dropout)
        inner = dropout if norm == "sasrec" else 0.0
        self.feed = FeedForward(width, hidden, activation=activation, dropout=inner)
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=eps) for _ in range(2))
        self.gates = nn.ModuleList(nn.Linear(width, width) for _ in range(2 if gated else 0))
        self.dropout = Dropout(dropout)

    def forward(
        self,
        x: States,
        pattern: Pattern,
        *,
        there: There | None = None,
        bias: Bias | None = None,
        asking: Asking | None = None,
    ) -> Asking:
        """What the places hold afterwards.

        Args:
            x: what they hold.
            pattern: who hears whom.
            there: which places exist.
            bias: added to the products of attention.
            asking: what those hold that listen, where they are not all of x: the last layer need
                not compute a place that nobody looks at.
        """
        if asking is None and self.fusible(x):
            return self.fused(x, pattern, there, bias)
        first, second = self.norms
        own = x if asking is None else asking

        def hear(asked: Tensor, told: Tensor) -> Tensor:
            return self.attention(asked, told, pattern, there=there, bias=bias)

        if self.norm == "sasrec":
            # What is dropped of the attention are weights, and nothing of what it says.
            normed = first(own)
            y = second(normed + self._through(0, normed, hear(normed, x), drop=False))
            return y + self._through(1, y, self.feed(y))
        if self.norm == "post":
            y = first(own + self._through(0, own, hear(own, x)))
            return second(y + self._through(1, y, self.feed(y)))
        told = first(x)
        y = own + self._through(0, own, hear(told if own is x else first(own), told))
        return y + self._through(1, y, self.feed(second(y)))

    def fusible(self, x: States) -> bool:
        """Whether `fused` does the same: float32 on the processor, not to be exported."""
        # What is compiled here is no operation of a graph.
        plain = not torch.compiler.is_exporting() and self.dropout.share < 1
        here = x.dtype == torch.float32 and x.device.type == "cpu"
        return plain and here and not torch.is_autocast_enabled("cpu")

    def fused(self, x: States, pattern: Pattern, there: There | None, bias: Bias | None) -> States:
        """The same layer by `kernels.fused`: fewer passes over the states, and rounded products."""
        hears, feed, low = self.attention, self.feed, LOW[self.precision]
        first, second = (cast("nn.LayerNorm", norm) for norm in self.norms)
        weight, shift = hears.keys_values.weight, hears.keys_values.bias
        if self.norm == "sasrec":
            x_normed = first(x)
            q = bent_linear(x_normed.to(low), hears.query.weight, hears.query.bias)
            k, v = bent_linear(x.to(low), weight, shift).chunk(2, -1)
        else:
            x_normed = x
            weight = torch.cat([hears.query.weight, weight])
            shift = torch.cat([hears.query.bias, shift])
            told = self._normed(first, x) if self.norm == "pre" else x.to(low)
            q, k, v = bent_linear(told, weight, shift).chunk(3, -1)
        q, k, v = (split_heads(one, hears.heads) for one in (q, k, v))
        lost = hears.dropout if self.training else 0.0
        heard = hears.attend(q, k, v, pattern, there=there, bias=bias, dropout=lost)
        heard = heard.transpose(1, 2).flatten(2)
        # What is dropped of the attention of SASRec are weights, and nothing of what it says.
        y = self._added(0, x_normed, heard, hears.out, drop=self.norm != "sasrec")
        y = y if self.norm == "pre" else (first if self.norm == "post" else second)(y)
        told = self._normed(second, y) if self.norm == "pre" else y.to(low)
        hidden = bent_linear(told, feed.up.weight, feed.up.bias, feed.activation)
        y = self._added(1, y, feed.dropout(hidden), feed.down)
        return second(y) if self.norm == "post" else y

    def _normed(self, by: nn.LayerNorm, x: States) -> States:
        return normed(x, by.weight, by.bias, eps=by.eps, precision=self.precision)

    def _added(
        self, which: int, x: States, said: Tensor, out: nn.Linear, *, drop: bool = True
    ) -> States:
        """A product of what is said, dropped, through its gate where there is one, and added."""
        share = self.dropout.share if self.training and drop else 0.0
        key = int(torch.randint(2**62, ())) if share else 0
        if not len(self.gates):
            return linear_add(x, said, out.weight, out.bias, share=share, key=key)
        gate = cast("nn.Linear", self.gates[which])
        said = bent_linear(said, out.weight, out.bias)
        shut = bent_linear(x.to(said.dtype), gate.weight, gate.bias)
        return gated_add(x, said, shut, share=share, key=key)

    def _through(self, gate: int, x: Asking, said: Asking, *, drop: bool = True) -> Asking:
        said = self.dropout(said) if drop else said
        return said * torch.sigmoid(self.gates[gate](x)) if len(self.gates) else said


class HSTULayer(nn.Module):
    """Attention without a softmax, gated (Zhai et al., ICML 2024, arXiv:2402.17152, eq. 1-3).

    `U, V, Q, K = silu(N(x) W)`, `A = silu(Q K' + bias) / n` where the pattern lets through,
    `y = x + Wo drop(N(A V) * U)`; norms have neither gain nor bias, products of queries and keys
    are not scaled, and n is the length of the histories that the model is made for.

    Args:
        width: D.
        heads: H.
        key: K, of queries and keys; values and gates have the same.
        length: n.
        dropout: of what is added.
    """

    def __init__(
        self, width: int, heads: int, key: int, *, length: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.heads, self.key, self.length = heads, key, length
        self.mix = nn.Linear(width, 4 * heads * key, bias=False)
        self.out = nn.Linear(heads * key, width)
        self.attend: Attend = attend
        self.dropout = Dropout(dropout)

    def forward(
        self,
        x: States,
        pattern: Pattern,
        *,
        there: There | None = None,
        bias: Bias | None = None,
        asking: Asking | None = None,
    ) -> Asking:
        """What the places hold afterwards; see `TransformerLayer`."""
        u, v, q, k = self._mixed(x)
        if asking is not None:
            x = asking
            u, _, q, _ = self._mixed(x)
        v, q, k = (split_heads(one, self.heads) for one in (v, q, k))
        heard = self.attend(q, k, v, pattern, there=there, bias=bias, scale=1.0, merge="silu")
        heard = heard.transpose(1, 2).flatten(2) / self.length
        return x + self.out(self.dropout(layer_norm(heard, (heard.shape[-1],)) * u))

    def _mixed(self, x: States) -> tuple[Tensor, ...]:
        """U, V, Q and K of each place."""
        return silu(self.mix(layer_norm(x, (x.shape[-1],)))).chunk(4, -1)

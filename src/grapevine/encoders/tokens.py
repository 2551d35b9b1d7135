"""Hashed tokens to a vector: the mean of what each token says."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

# B = rows of a batch, T = tokens of all of them, D = width


class HashedTokens(nn.Module):
    """A vector for each token, pooled over the tokens of an item; zero where it has none.

    Vectors start small, so that a token which training never met says next to nothing beside
    those that it did.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """Options; how many tokens there are arrives in `build`."""

        width: int = 64
        """Length of a token's vector, D."""
        pool: Literal["mean", "root"] = "root"
        """Divide the sum by the number of tokens, or by its square root."""
        weighted: bool = False
        """Learn also how much each token counts beside the others of its item."""

        def build(self, buckets: int) -> "HashedTokens":
            """The encoder for token rows below `buckets`."""
            return HashedTokens(self, buckets)

    def __init__(self, config: Config, buckets: int) -> None:
        super().__init__()
        self.config = config
        self.vectors = nn.Parameter(torch.randn(buckets, config.width) * 0.1)
        self.importance = nn.Parameter(torch.zeros(buckets)) if config.weighted else None

    def forward(
        self, tokens: Int64[Tensor, " tokens"], offsets: Int64[Tensor, " rows"]
    ) -> Float[Tensor, "rows width"]:
        """Pool the tokens from each row's offset to the next one's."""
        lengths = torch.diff(offsets, append=offsets.new_tensor([len(tokens)]))
        weights_T = None
        if self.importance is not None:
            # The weights of an item average one, whatever their size: exp(a) / mean exp(a).
            raw_T = self.importance[tokens].exp()
            row_T = torch.repeat_interleave(torch.arange(len(offsets)), lengths)
            total_B = raw_T.new_zeros(len(offsets)).index_add(0, row_T, raw_T)
            weights_T = raw_T * (lengths / total_B.clamp_min(1e-12))[row_T]
        sum_BD = nn.functional.embedding_bag(
            tokens, self.vectors, offsets, mode="sum", per_sample_weights=weights_T
        )
        count_B = lengths.clamp_min(1).to(sum_BD.dtype)
        divisor_B = count_B if self.config.pool == "mean" else count_B.sqrt()
        return sum_BD / divisor_B[:, None]

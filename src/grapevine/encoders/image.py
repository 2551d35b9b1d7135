"""A picture to a vector: a small convolutional network."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

GROUPS = 4
"""Channels are normalised in so many groups, of one picture alone: never over the batch, so that
what a picture says does not depend on which others stand beside it."""


class SmallCNN(nn.Module):
    """Blocks of a convolution, each halving the picture, then the mean over what is left."""

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """Options; 60,000 parameters as they stand."""

        width: int = 64
        """Length of the vector."""
        channels: tuple[int, ...] = (16, 32, 64, 64)
        """Of each block; multiples of 4."""

        def build(self) -> "SmallCNN":
            """The encoder for pictures of any size."""
            return SmallCNN(self)

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        blocks: list[nn.Module] = []
        for before, after in zip((3, *config.channels), config.channels):
            blocks += [
                nn.Conv2d(before, after, 3, stride=2, padding=1),
                nn.GroupNorm(GROUPS, after),
                nn.ReLU(),
            ]
        # Channels side by side in memory: two to three times as fast on a processor.
        self.blocks = nn.Sequential(*blocks)
        self.blocks.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.out = nn.Linear(config.channels[-1], config.width)

    def forward(self, images: UInt8[Tensor, "rows 3 height width"]) -> Float[Tensor, "rows vector"]:
        """Bytes are brought to [-1, 1] here."""
        x_BCHW = images.to(self.out.weight.dtype, memory_format=torch.channels_last) / 127.5 - 1
        return self.out(self.blocks(x_BCHW).mean((2, 3)))

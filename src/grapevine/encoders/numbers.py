"""Numbers to a vector."""

from jaxtyping import Float
from torch import Tensor, nn


class Numbers(nn.Sequential):
    """Two layers: the second can tell a middling number from a large one, as one cannot."""

    def __init__(self, columns: int, width: int) -> None:
        super().__init__(nn.Linear(columns, width), nn.ReLU(), nn.Linear(width, width))

    def forward(self, input: Float[Tensor, "rows numbers"]) -> Float[Tensor, "rows width"]:
        """Standardised numbers, 0 for one that is missing."""
        return super().forward(input)

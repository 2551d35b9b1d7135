"""An answer about two texts that is read off several times, and meant to hold each time.

B = pairs, P = places of the premise, H = of the hypothesis, D = width, C = classes, K = turns
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class StochasticAnswer(nn.Module):
    """A state of the hypothesis that listens to the premise turn by turn, and answers each turn.

    What is said is the mean of the chances of all turns. In training each turn is left out by
    chance, but never all of them, and those that are kept are scaled up for it.

    Source: Liu, Duh, Gao: Stochastic answer networks for natural language inference,
    arXiv:1804.07888; as the head of MT-DNN: Liu, He, Chen, Gao, ACL 2019, section 3.

    Args:
        width: D, of both texts.
        outputs: C.
        turns: K.
        dropout: how often a turn is left out in training.
    """

    def __init__(self, width: int, outputs: int, *, turns: int = 5, dropout: float = 0.1) -> None:
        if turns < 1 or not 0 <= dropout < 1:
            raise ValueError(f"turns must be 1 or more and dropout in [0, 1): {turns}, {dropout}")
        super().__init__()
        self.turns, self.dropout = turns, dropout
        self.summed = nn.Linear(width, 1, bias=False)
        self.asked = nn.Linear(width, width, bias=False)
        self.moved = nn.GRUCell(width, width)
        self.answered = nn.Linear(4 * width, outputs)

    def forward(
        self,
        premise_BPD: Float[Tensor, "pairs premise width"],
        hypothesis_BHD: Float[Tensor, "pairs hypothesis width"],
        premise_BP: Bool[Tensor, "pairs premise"] | None = None,
        hypothesis_BH: Bool[Tensor, "pairs hypothesis"] | None = None,
    ) -> Float[Tensor, "pairs classes"]:
        """The chances of the classes; their log is what is to be learnt by.

        Args:
            premise_BPD: what its places hold.
            hypothesis_BHD: likewise.
            premise_BP: which of its places there are, one at least; all if not given.
            hypothesis_BH: likewise.
        """
        state_BD = _heard(self.summed(hypothesis_BHD)[..., 0], hypothesis_BHD, hypothesis_BH)
        said = list[Tensor]()
        for turn in range(self.turns):
            wanted_BP = (premise_BPD @ self.asked(state_BD)[:, :, None])[..., 0]
            heard_BD = _heard(wanted_BP, premise_BPD, premise_BP)
            both_B4 = torch.cat(
                [state_BD, heard_BD, (state_BD - heard_BD).abs(), state_BD * heard_BD], 1
            )
            said.append(self.answered(both_B4).softmax(1))
            if turn + 1 < self.turns:
                state_BD = self.moved(heard_BD, state_BD)
        said_BKC = torch.stack(said, 1)
        if not self.training or not self.dropout:
            return said_BKC.mean(1)
        keep_BK = torch.rand(said_BKC.shape[:2], device=said_BKC.device) >= self.dropout
        certain_B = torch.randint(self.turns, (len(keep_BK),), device=keep_BK.device)
        keep_BK[torch.arange(len(keep_BK), device=keep_BK.device), certain_B] = True
        return (said_BKC * (keep_BK / (1 - self.dropout))[..., None]).mean(1)


def _heard(
    wanted_BL: Float[Tensor, "pairs places"],
    x_BLD: Float[Tensor, "pairs places width"],
    there_BL: Bool[Tensor, "pairs places"] | None,
) -> Float[Tensor, "pairs width"]:
    """The mean of places by the softmax of how much each is wanted."""
    if there_BL is not None:
        wanted_BL = wanted_BL.masked_fill(~there_BL, -torch.inf)
    return (wanted_BL.softmax(1)[:, None] @ x_BLD)[:, 0]

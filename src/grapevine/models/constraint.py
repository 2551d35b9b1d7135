"""How UltraGCN learns: a constraint in place of convolutions, and items near each other."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor

from grapevine.core import gradients
from grapevine.data.dataset import Dataset
from grapevine.graph.cooccurrence import distinct, nearest_items
from grapevine.models.histories import training_events
from grapevine.models.tables import Draw, Pairs, TableLearner
from grapevine.structs.jagged import Jagged

if TYPE_CHECKING:
    from grapevine.models.ultragcn import UltraGCN

SPREAD = 1e-4
"""Standard deviation of the table at the start, as in the authors' code."""

# U = users, I = items, B = pairs of a batch, K = neighbours


class Constraint:
    """The weighted entropy of pairs, and the pull of items near the positive."""

    def __init__(self, config: "UltraGCN.Config", pairs: Pairs, taken: Jagged) -> None:
        self.config, self.num_items, self.first = config, pairs.num_items, pairs.num_users
        users_U = taken.lengths
        items_I = np.bincount(pairs.items, minlength=pairs.num_items)
        # Beta, eq. 6, is a product of what the user and what the item brings.
        self.of_users_U = torch.from_numpy(np.sqrt(users_U + 1) / np.maximum(users_U, 1)).float()
        self.of_items_I = torch.from_numpy(1 / np.sqrt(items_I + 1)).float()
        self.near_IK, self.weight_IK = near_items(taken, pairs.num_items, config.neighbours)

    def negatives(
        self, draw: np.random.Generator, positives: Int64[np.ndarray, " pairs"]
    ) -> Int64[np.ndarray, " negatives"]:
        """The same for all pairs, each item as likely as another."""
        del positives
        return draw.integers(self.num_items, size=min(self.config.negatives, self.num_items))

    def others(self, positives: Int64[np.ndarray, " pairs"]) -> tuple[Int64[np.ndarray, " _"], ...]:
        """The items near each positive."""
        return (self.near_IK[positives].ravel(),)

    def lose(self, batch: Draw, vectors: list[Tensor]) -> tuple[dict[str, float], list[Tensor]]:
        """Eq. 7 to 9 on a batch, and eq. 11 for its items."""
        users, positives, negatives = (torch.from_numpy(group) for group in batch.groups[:3])
        kind, config = vectors[0].dtype, self.config
        of_users_B = self.of_users_U[users].to(kind)
        of_items_B = self.of_items_I[positives - self.first].to(kind)
        share = config.negative_weight / len(negatives)
        paired, by_vectors = gradients.weighted_entropy(
            *vectors[:3],
            positive_B=config.positive_weight * of_users_B * of_items_B + config.least_weight,
            of_users_B=of_users_B,
            of_negatives_S=share * self.of_items_I[negatives - self.first].to(kind),
            least=share * config.least_weight,
        )
        if not config.neighbours:
            return {"pairs": paired}, [*by_vectors, vectors[3]]
        near_BKD = vectors[3].view(len(users), -1, vectors[3].shape[1])
        weight_BK = torch.from_numpy(self.weight_IK)[positives - self.first].to(kind)
        near, by_near = gradients.attraction(
            vectors[0], near_BKD, weight_BK.mul_(config.item_weight)
        )
        by_vectors[0] += by_near[0]
        return {"pairs": paired, "near": near}, [*by_vectors, by_near[1].flatten(0, 1)]

    def decay(self, batch: Draw, num_nodes: int) -> Float[np.ndarray, " nodes"]:
        """All rows alike."""
        del batch
        return np.full(num_nodes, self.config.regularization, np.float32)


def near_items(
    taken: Jagged, num_items: int, neighbours: int
) -> tuple[Int64[np.ndarray, "I K"], Float32[np.ndarray, "I K"]]:
    """The K items of most weight for each item, and the weights; an item of weight 0 fills up.

    With `n_ij` the users of both items and `g_i` the sum of row i of n, the weight is
    `n_ij / (g_i - n_ii) sqrt(g_i / g_j)` (eq. 10).
    """
    counts = np.bincount(taken.values, minlength=num_items)
    sums = np.bincount(taken.values, taken.lengths.repeat(taken.lengths), minlength=num_items)
    # One more than is asked for, since an item may be among its own neighbours.
    lists, alike = nearest_items(taken, np.ones(len(taken)), num_items, neighbours + 1, sizes=sums)
    of_items = np.repeat(np.arange(num_items), lists.lengths)
    other = lists.values != of_items
    alike *= (sums / np.maximum(sums - counts, 1))[of_items]
    others, weights = lists.where(other), Jagged(lists.offsets, alike).where(other)
    near_IK = np.zeros((num_items, neighbours), np.int64)
    weight_IK = np.zeros((num_items, neighbours), np.float32)
    row = np.repeat(np.arange(num_items), others.lengths)
    place = np.arange(len(row)) - others.offsets[row]
    kept = place < neighbours
    near_IK[row[kept], place[kept]] = others.values[kept]
    weight_IK[row[kept], place[kept]] = weights.values[kept]
    return near_IK, weight_IK


class ConstraintLearner(TableLearner):
    """The learner of UltraGCN."""

    def __init__(self, config: "UltraGCN.Config", train: Dataset, seed: int) -> None:
        events, self.behaviour = training_events(train, config.behaviours)
        taken = distinct(events.histories, events.num_items)
        pairs = Pairs.of(taken, events.num_items)
        super().__init__(
            pairs,
            Constraint(config, pairs, taken),
            seed=seed,
            epochs=config.epochs,
            patience=config.patience,
            batch=config.batch,
            learning_rate=config.learning_rate,
            layers=0,
            width=config.width,
            spread=SPREAD,
            rounded=False,
        )
        self.config = config

    def model(self) -> "UltraGCN":
        """The model as it is now."""
        from grapevine.models.ultragcn import UltraGCN

        users, items = self.vectors()
        return UltraGCN(
            config=self.config,
            users=users,
            items=items,
            degrees=np.bincount(self.pairs.items, minlength=self.pairs.num_items),
            behaviour=self.behaviour,
        )

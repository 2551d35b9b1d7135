"""LightGCN: users and items hold the mean of what they hear over the graph, and nothing else."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from jaxtyping import Float32

from grapevine.config import check_bounds
from grapevine.data.dataset import Dataset
from grapevine.errors import ConfigError
from grapevine.models.histories import Behaviours
from grapevine.models.schedules import Decay
from grapevine.models.vectors import UserItemVectors, unit
from grapevine.structs.batch import Batch
from grapevine.structs.products import Products

if TYPE_CHECKING:
    from grapevine.models.tables import TableLearner


@dataclass(frozen=True, kw_only=True)
class LightGCN(UserItemVectors):
    """A vector for each user and item: the mean over K convolutions of the graph between them.

    The defaults train by a softmax of cosines against other pairs of the batch (Wu, Wang, Gao,
    Chen, Fu, Qiu, He: On the effectiveness of sampled softmax loss for item recommendation,
    arXiv:2201.02327), which needs far fewer steps than the paper's loss; that is `Config.paper()`.
    Without layers it is matrix factorisation.
    """

    @dataclass(frozen=True, kw_only=True, slots=True)
    class Config:
        """The model, the loss and the steps."""

        width: int = 128
        """Width of the vectors, D; the paper's is 64. Twice as wide is better, and takes twice as
        long."""
        layers: int = 3
        """Convolutions, K."""
        loss: Literal["softmax", "bpr"] = "softmax"
        """Against negatives shared by the batch, or against one for each pair."""
        cosine: bool = True
        """The loss and the scores are of cosines, not of dot products."""
        temperature: float = 0.1
        """What scores are divided by in the softmax."""
        negatives: int = 0
        """Items drawn uniformly for each batch of the softmax; at most as many as there are."""
        in_batch: int = 2048
        """Positives of the batch that are negatives for its other pairs in the softmax."""
        log_q: bool = False
        """Take the log of how often a negative is expected off its score in training, and learn
        what is popular. Without it the batch's positives, as negatives, take popularity out of
        what is learnt, and scores put it back."""
        popularity: float = 1.0
        """What scores put back: so many times the log of how often an item was taken. Only where
        negatives are of the batch and `log_q` is not; 1 is what the loss took out."""
        regularization: float = 1e-3
        """Lambda, of the rows of the table that a batch holds, each time it holds them."""
        learning_rate: float = 0.02
        """Of Adam, at the start."""
        decay: Decay = "cosine"
        """How the learning rate goes down to a hundredth of that over all epochs."""
        batch: int = 8192
        """Pairs of a step, at most."""
        epochs: int = 12
        """Times each pair is seen, at most."""
        patience: int = 10
        """Epochs without a better validation that end the training."""
        rounded: bool = True
        """Whether what passes between nodes is rounded to bfloat16; sums never are."""
        behaviours: Behaviours = "target"
        """Which events count, in training and in a stranger's history."""

        def __post_init__(self) -> None:
            check_bounds(self, "lightgcn", "width", "batch", "epochs", least=1)
            check_bounds(self, "lightgcn", "popularity", least=0)
            check_bounds(self, "lightgcn", "layers", "negatives", "in_batch", "patience", least=0)
            check_bounds(self, "lightgcn", "temperature", "learning_rate", above=0)
            check_bounds(self, "lightgcn", "regularization", least=0)
            if self.loss == "softmax" and not self.negatives + self.in_batch:
                raise ConfigError(
                    "lightgcn: a softmax without negatives learns nothing",
                    hint="set model.negatives or model.in_batch above 0",
                )

        def learner(self, train: Dataset, *, seed: int = 0) -> "TableLearner":
            """What training starts from."""
            # Compiled code and torch are loaded only where they run.
            from grapevine.models.contrast import ContrastLearner

            return ContrastLearner(self, train, seed)

        @classmethod
        def paper(cls, **changes: Any) -> "LightGCN.Config":
            """The settings of He et al., 2020.

            Args:
                changes: options that shall differ, such as `batch=8192`.
            """
            said: dict[str, Any] = {
                "width": 64,
                "loss": "bpr",
                "cosine": False,
                "regularization": 1e-4,
                "learning_rate": 0.001,
                "decay": "constant",
                "batch": 2048,
                "epochs": 1000,
                "rounded": False,
            }
            return cls(**{**said, **changes})

        @property
        def put_back(self) -> float:
            """How much of the log of its popularity a score gets."""
            taken_out = self.loss == "softmax" and self.in_batch and not self.log_q
            return self.popularity if taken_out else 0.0

    paper: ClassVar[str] = (
        "He, Deng, Wang, Li, Zhang, Wang: LightGCN: Simplifying and powering graph convolution "
        "network for recommendation. SIGIR 2020. arXiv:2002.02126"
    )

    def products(self, batch: Batch) -> Products:
        """Cosines by the temperature, or dot products, and what the loss took out."""
        asking = super().products(batch).queries
        if self.config.cosine:
            asking = unit(asking)
        if self.config.put_back:
            asking = np.column_stack([asking, np.ones(len(asking), np.float32)])
        return Products(asking, self.item_side)

    @cached_property
    def item_side(self) -> Float32[np.ndarray, "items columns"]:
        """What a question's vector is multiplied with; one column more for what is put back."""
        items, config = self.items, self.config
        if config.cosine:
            items = unit(items) / np.float32(config.temperature)
        if not config.put_back:
            return items
        popular = config.put_back * np.log1p(self.degrees, dtype=np.float32)
        return np.column_stack([items, popular.astype(np.float32)])

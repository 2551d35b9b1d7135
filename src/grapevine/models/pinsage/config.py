"""The options of PinSage, with the names of the paper where it has one."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from grapevine.config import check_bounds
from grapevine.data.dataset import Dataset
from grapevine.errors import ConfigError
from grapevine.models.histories import Behaviours

if TYPE_CHECKING:  # torch is loaded when something is learnt
    from grapevine.models.pinsage.learner import PinSageLearner

Loss = Literal["softmax", "max-margin", "cross-entropy"]
"""Share of the positive among all; the paper's hinge; the paper's "xent" row (section 4.2)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Who listens to whom, what is asked in training, and how it is learnt.

    The defaults are those that did best on the built-in shop. The paper's own settings, as far as
    it tells them, are `Config.paper()`; its ablations are one option each: `features`, `layers=0`
    ("combined", no graph), `merge`, `loss`, `hard_negatives=0`.
    """

    # The network
    layers: int = 2
    """Convolutions, K; 0 leaves the features alone, without the graph."""
    width: int = 64
    """Of an item's vector, d."""
    hidden: int = 128
    """Of what an item says to those who listen, m."""
    merge: Literal["importance", "mean", "max", "attention"] = "importance"
    """How neighbours are merged; "attention" is one layer of it over an item and its neighbours."""
    skip: bool = True
    """Whether the last layers see what an item was before it heard anyone, beside what became of
    it; not in the paper. It keeps items of one neighbourhood apart."""
    final_norm: bool = True
    """Vectors of length one, so that the nearest by cosine are the nearest by dot product; the
    paper leaves them as they come."""
    features: tuple[str, ...] = (
        "title", "text", "category", "tags", "number", "time", "vector", "degree",
    )  # fmt: skip
    """Kinds of item columns (also "image"), or columns by name; "degree" is the log degree."""
    content: int = 64
    """Places of a vector that say what the item is about: tf-idf of its words, names and numbers
    along the first directions of the catalogue (`views.content`). They stand beside the `width`
    that are learnt, with a weight that is learnt, so that `content-knn` in closed form is a special
    case. 0 leaves them out; not in the paper."""
    content_weight: float = 0.135
    """How much those places count beside the others at the start. With more, content speaks first
    and what is learnt corrects it: 2 where new items are what counts, 10 where there are few events
    and many words besides."""
    ids: bool = True
    """A vector for each item of training beside its features."""
    id_dropout: float = 0.5
    """How often an item must do without it in training, as a new item must always; never where the
    catalogue has no other feature than the degree."""
    new_share: float = 0.1
    """How often an item is seen in training as if nobody had met it: without identity, degree and
    neighbours by walks, and in no history, so that items which are new in truth are nothing
    unusual. More makes better vectors of new items, and worse of others: 0.3 where new items are
    what counts. Never where the catalogue has no other feature than the degree."""
    content_neighbours: bool = True
    """Whether an item that nobody met listens to the items that its content is nearest to, T of
    those that someone met; else to nobody."""

    # The neighbourhood
    neighbours: int = 20
    """Of an item, T."""
    walks: int = 100
    """From each item."""
    length: int = 4
    """Double hops of a walk."""
    restart: float = 0.5
    """Chance to start over before a double hop."""
    most_degree: int = 0
    """Edges that an item or a user may have on the walks: whoever has more keeps a draw of them
    (`graph.hubs`). 0 for any."""
    behaviours: Behaviours = "all"
    """Which events make the graph and the histories."""

    # What is asked
    pairs: Literal["user", "item"] = "user"
    """Given the items of a user so far, the next one; or given one item, one that came soon after,
    as in the paper."""
    answers: Behaviours = "target"
    """Which events may be the next one."""
    quotas: tuple[float, ...] = ()
    """Share of each behaviour among the answers of a batch, in the order of the schema; as they
    come if not given."""
    window: int = 1
    """How soon after, in events, with `pairs="item"`."""
    in_order: bool = True
    """Whether the order of a history means anything. If not, a history is all that somebody did,
    but for what was done with the answer, as a set: what they like, and not what comes next. With
    `pairs="item"` it is the order of a question's history alone. Better where new items are
    what counts; always so for a dataset whose clock is "none"."""
    recent: int = 50
    """Events of a history that count, at most: the latest. Where order means nothing they are drawn
    in training, and a question's history counts whole."""
    half_life: float = 10.0
    """After so many later events an event counts half as much; with `pairs="user"` only at first,
    for how much each place and behaviour counts is learnt. 0: all alike."""

    # The loss
    loss: Loss = "softmax"
    """How positives are told from negatives; the paper's own is "max-margin"."""
    margin: float = 0.1
    """Of "max-margin"; the paper does not tell its own."""
    temperature: float = 0.05
    """What scores are divided by in "softmax"."""
    negatives: int = 2_000
    """Items that a batch shares as negatives; with as many as there are, "softmax" is exact."""
    in_batch: bool = True
    """Whether the answers of a batch are negatives of its other pairs, in "softmax"."""
    log_q: bool = True
    """Whether "softmax" takes off how often a negative was to be expected."""
    popularity: float = 1.0
    """How much of an item's popularity "softmax" lets its score tell: at 1 the scores tell how
    likely an answer is, at 0 how much likelier than of anyone, so that items which nobody has met
    stand on a level with the others."""
    hard_negatives: int = 0
    """At most so many of each pair's own: epoch n has n - 1. The paper ends with 6."""
    band: tuple[int, ...] = (2_000, 5_000)
    """Ranks by personalised PageRank from which hard negatives come."""
    band_share: tuple[float, ...] = (0.02, 0.2)
    """The same as shares of the catalogue, where it has fewer than 20,000 items."""

    # The training
    epochs: int = 20
    """The most."""
    patience: int = 4
    """Epochs without a better validation that end the training; 0 never does."""
    epoch_pairs: int = 200_000
    """Most pairs of an epoch, drawn anew for each; 0 takes all."""
    batch: int = 4_096
    """Pairs of a step, at most; the paper's best is 2048."""
    steps: int = 30
    """Fewest of an epoch: where there are few pairs a step takes fewer of them, but 256 at least
    (or `batch`, where that is less)."""
    learning_rate: float = 6e-3
    """The peak, reached at the end of the first epoch."""
    decay: float = 0.9
    """What the rate is multiplied by in each later epoch."""
    weight_decay: float = 1e-4
    """Pull of all weights towards 0."""
    clip: float = 1.0
    """Most length of a gradient; 0 sets no bound."""

    def __post_init__(self) -> None:
        check_bounds(
            self, "pinsage", "width", "hidden", "neighbours", "walks", "length", "window",
            "recent", "negatives", "epochs", "batch", least=1,
        )  # fmt: skip
        check_bounds(
            self, "pinsage", "layers", "content", "half_life", "hard_negatives", "patience",
            "epoch_pairs", "weight_decay", "clip", "margin", "steps", "most_degree", least=0,
        )  # fmt: skip
        check_bounds(
            self, "pinsage", "restart", "id_dropout", "new_share", "popularity", least=0, most=1
        )
        check_bounds(self, "pinsage", "temperature", "learning_rate", "content_weight", above=0)
        check_bounds(self, "pinsage", "decay", above=0, most=1)
        for name, most in (("band", float("inf")), ("band_share", 1)):
            ends = getattr(self, name)
            if len(ends) != 2 or not 0 <= ends[0] < ends[1] <= most:
                raise ConfigError(f"pinsage wants model.{name} as two rising ranks: got {ends}")
        if self.hard_negatives and not self.restart:
            raise ConfigError(
                "pinsage: hard negatives are ranked by PageRank, which has to start over",
                hint="set model.restart above 0, or model.hard_negatives to 0",
            )
        if self.quotas and not (min(self.quotas) >= 0 and sum(self.quotas) > 0):
            raise ConfigError(f"pinsage wants model.quotas as shares: got {self.quotas}")

    @classmethod
    def paper(cls, **changes: object) -> "Config":
        """The settings of Ying et al., 2018, as far as they tell them.

        Args:
            changes: options that shall differ, such as `width=64` on a small machine.
        """
        said: dict[str, object] = {
            "width": 1024,
            "hidden": 2048,
            "neighbours": 50,
            "skip": False,
            "final_norm": False,
            "ids": False,
            "content": 0,
            "content_neighbours": False,
            "new_share": 0.0,
            "features": ("title", "text", "image", "vector", "degree"),
            "pairs": "item",
            "answers": "all",
            "half_life": 0.0,
            "loss": "max-margin",
            "negatives": 500,
            "hard_negatives": 6,
            "batch": 2048,
            "steps": 0,
            "learning_rate": 1e-3,
        }
        return cls(**{**said, **changes})  # pyright: ignore[reportArgumentType]

    def learner(self, train: Dataset, *, seed: int = 0) -> "PinSageLearner":
        """Walk, see the features, pair up what follows what; nothing is learnt yet."""
        from grapevine.models.pinsage.learner import PinSageLearner

        return PinSageLearner(self, train, seed=seed)

"""The options of the sequence models: one network, one loss and one trainer with many settings."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from grapevine.config import check_bounds
from grapevine.data.dataset import Dataset
from grapevine.errors import ConfigError
from grapevine.models.histories import Behaviours
from grapevine.models.schedules import Decay

if TYPE_CHECKING:  # torch is loaded when something is learnt
    from grapevine.models.sequence.learner import SequenceLearner

Encoder = Literal["transformer", "hstu", "gru", "mixer"]
Loss = Literal["softmax", "gbce", "bce", "bpr", "bpr-max", "sampled-softmax"]
Drawn = Literal["uniform", "popularity", "in-batch", "mixed"]
LogQ = Literal["none", "classic", "refined"]
ItemVectors = Literal["ids", "features", "ids+features", "run", "ids+run"]
Asks = Literal["next", "cloze", "last"]
Windows = Literal["random", "latest", "lanes"]
Returns = Literal["none", "given", "shuffled"]
Rewards = Literal["values", "behaviours"]
Order = Literal["pre", "post", "sasrec"]
Activation = Literal["relu", "gelu", "swiglu"]
Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """What a history is, who hears whom in it, what is asked of it, and how that is learnt."""

    # What is heard
    length: int = 200
    """Events of a history that count, at most: the latest."""
    behaviours: Behaviours = "target"
    """Which events make the histories."""
    windows: Windows = "random"
    """Which events of a longer history an epoch learns from; "lanes" is all of them, in turn."""
    ends_early: float = 0.0
    """Share of the histories of an epoch that end at an event drawn, so that places do not tell
    where a log ends."""
    once: bool = False
    """Whether a history holds each item once, at the last of the farthest that was done with it:
    for questions about what was never met, which then is all that ever comes next."""
    lane_steps: int = 1
    """Events of each lane in a step, with "lanes": gradients go back no farther."""
    returns: Returns = "none"
    """Whether places are told what is still to come; "shuffled" tells them somebody else's."""
    rewards: Rewards = "values"
    """What an event adds to a return: its value where there are some, or how far it goes."""
    behaviour_input: bool = False
    """Whether places are told what was done with their item; only with behaviours="all"."""
    gap_input: bool = False
    """Whether places are told how long after the event before theirs was."""

    # What items are told by
    item_vectors: ItemVectors = "ids"
    """What an item's vector is the sum of: one of its own, one made of its features, and one made
    of what the run of `items_from` has."""
    features: tuple[str, ...] = ("title", "text", "category", "tags", "number", "time", "vector")
    """Kinds of item columns (also "image"), or columns by name, with "features"."""
    id_dropout: float = 0.1
    """How often an item must do without its own vector in training, where it has another."""
    items_from: str = ""
    """A run folder whose item vectors are taken over by their ids, with "run"."""
    frozen: bool = True
    """Whether they stay as they are, seen through a learnt map; else they are learnt on."""
    graph_layers: int = 0
    """Graph convolutions over the items that are met on walks, which are learnt with the rest."""
    neighbours: int = 20
    """Of an item, with `graph_layers`."""
    refresh: int = 1
    """Steps from one making of what items are told by beside their ids to the next; in between it
    stays as it is, and nothing is learnt of it. For large catalogues."""

    # The network
    encoder: Encoder = "transformer"
    """How the places of a history listen to each other."""
    width: int = 64
    """Of what a place holds, and of an item, D."""
    blocks: int = 2
    """Layers."""
    heads: int = 2
    """Of attention."""
    hidden: int = 0
    """Width within the feed-forward, or of the states of a GRU; 0 for four times D (GRU: D)."""
    norm: Order = "pre"
    """Where the norms stand: see `core.transformer`."""
    activation: Activation = "gelu"
    """Of the feed-forward."""
    gated: bool = False
    """Whether what a layer adds goes through a gate (LiGR)."""
    positions: Literal["learned", "none"] = "learned"
    """How places tell where they are, counted from the end of the history."""
    times: bool = False
    """Whether places hear each other by how long ago they were; only with "hstu"."""
    scaled: bool = False
    """Whether items are multiplied by the root of D before places are added."""
    tied: bool = True
    """Whether items that are asked for have the vectors of those that were met."""
    head: bool = False
    """Whether a dense layer, GELU and a norm stand before the items, and a bias on them."""
    prior: bool = False
    """Whether items have a bias that starts at what popularity alone would answer, so that what is
    left to learn is what histories tell: see `models.sequence.prior`."""
    dropout: float = 0.2
    """Of the input and of what each layer adds."""
    attention_dropout: float = 0.0
    """Of the weights of attention; above 0 it takes longer."""

    # What is asked
    asks: Asks = "next"
    """After each event, the next; or those that were masked; or what came after the last alone."""
    answers: Behaviours = "all"
    """Which events of a history may be what came next: with "target" the others are only heard."""
    masked: float = 0.2
    """Share of the events that a cloze masks."""
    last_masked: float = 0.1
    """Share of the histories of a cloze of which the last event alone is masked."""
    loss: Loss = "softmax"
    """The answer's share among all items, or how it stands to items drawn: see `losses`."""
    negatives: int = 256
    """Items drawn: for each answer, or for a batch with "bpr-max" and "sampled-softmax"."""
    unmet: bool = False
    """Whether nothing is drawn for an answer that its user has met; of "bce", "gbce" and "bpr"."""
    drawn: Drawn = "uniform"
    """From what a batch draws its items, with "bpr-max" and "sampled-softmax"."""
    alpha: float = 0.75
    """Power of the popularity that items are drawn by, with "popularity"."""
    log_q: LogQ = "refined"
    """How "sampled-softmax" makes up for items that are drawn more often than others."""
    regularisation: float = 1.0
    """Of the scores of negatives, with "bpr-max"."""
    bend: float = 0.5
    """Of scores below 0, with "bpr-max": they stay above minus this; 0 does not bend them."""
    calibration: float = 0.75
    """t of "gbce": 0 is the plain binary cross-entropy, 1 makes up for how few are drawn."""
    cosine: bool = False
    """Whether scores are cosines, divided by the temperature, and not dot products."""
    temperature: float = 0.05
    """Of cosines."""

    # The training
    epochs: int = 100
    """The most."""
    patience: int = 10
    """Epochs without a better validation that end the training; 0 never does."""
    batch: int = 128
    """Histories of a step."""
    pool: int = 8
    """Steps whose histories are sorted by length together, so that like lengths meet and little is
    padded; 1 leaves them as they are drawn, and a step is of short and long ones alike. "lanes" go
    on where they were, and are not sorted."""
    learning_rate: float = 1e-3
    """The peak."""
    warm_up: float = 1.0
    """Epochs until it is reached."""
    decay: Decay = "constant"
    """How it goes down to a hundredth over all epochs."""
    beta2: float = 0.999
    """Of Adam: how much of the mean of squared gradients stays at each step."""
    weight_decay: float = 0.0
    """Pull of all weights towards 0."""
    clip: float = 1.0
    """Most length of a gradient; 0 sets no bound."""
    average: float = 0.0
    """How much of what a weight was stays in its mean at each step, where the model is that mean of
    all its steps, such as 0.999; 0 takes the weights as the last step left them. A step then costs
    more for every item there is."""
    precision: Precision = "bfloat16"
    """Of the products of transformers and by all items; weights, states and sums are float32."""

    def __post_init__(self) -> None:
        check_bounds(
            self, "sequence", "length", "width", "blocks", "heads", "epochs", "batch", "negatives",
            "lane_steps", "neighbours", "refresh", "pool", least=1,
        )  # fmt: skip
        check_bounds(
            self, "sequence", "hidden", "patience", "warm_up", "weight_decay", "clip", "alpha",
            "regularisation", "bend", "graph_layers", least=0,
        )  # fmt: skip
        check_bounds(
            self,
            "sequence",
            "dropout",
            "attention_dropout",
            "masked",
            "last_masked",
            "calibration",
            "id_dropout",
            "ends_early",
            least=0,
            most=1,
        )
        check_bounds(self, "sequence", "temperature", "learning_rate", above=0)
        check_bounds(self, "sequence", "average", "beta2", least=0, most=0.99999)
        if self.width % self.heads:
            raise ConfigError(
                f"model.width={self.width} cannot be shared by model.heads={self.heads}",
                hint="make the width a multiple of the heads",
            )
        if self.asks == "cloze" and self.encoder != "transformer":
            raise ConfigError(
                f'model.asks="cloze" needs places that hear both ways, and "{self.encoder}" hears '
                "what was before",
                hint='set model.encoder="transformer" or model.asks="next"',
            )

        if self.windows == "lanes" and (self.encoder != "gru" or self.asks != "next"):
            raise ConfigError(
                'model.windows="lanes" carries the states of a chain from step to step, and '
                f'"{self.encoder}" that asks "{self.asks}" has none',
                hint='set model.encoder="gru" and model.asks="next", or model.windows="random"',
            )
        if self.unmet and self.loss not in ("bce", "gbce", "bpr"):
            raise ConfigError(
                f'model.unmet is of items drawn for each answer, and "{self.loss}" draws none',
                hint='set model.unmet=false, or model.loss="bce", "gbce" or "bpr"',
            )
        if self.unmet and (self.asks == "cloze" or self.windows == "lanes"):
            raise ConfigError(
                "model.unmet wants to know whose an answer is, which neither masks nor lanes tell",
                hint='set model.asks="next" and model.windows="random"',
            )
        if self.returns != "none" and (self.encoder != "transformer" or self.asks != "next"):
            raise ConfigError(
                f'model.returns="{self.returns}" stands between the events of a transformer that '
                f'asks what comes next, not of "{self.encoder}" that asks "{self.asks}"',
                hint='set model.returns="none"',
            )

        if self.behaviour_input and self.behaviours != "all":
            raise ConfigError(
                "model.behaviour_input tells events of different behaviours apart, and "
                f'model.behaviours="{self.behaviours}" has those of one alone',
                hint='set model.behaviours="all", or model.behaviour_input=false',
            )
        if self.answers == "target" and self.behaviours != "all":
            raise ConfigError(
                'model.answers="target" leaves out events that are heard and not asked for, and '
                f'model.behaviours="{self.behaviours}" has no others',
                hint='set model.behaviours="all", or model.answers="all"',
            )
        if self.answers == "target" and (self.asks != "next" or self.windows == "lanes"):
            raise ConfigError(
                'model.answers="target" leaves out places that would ask for another event, and '
                f'asks="{self.asks}" with windows="{self.windows}" has none to spare',
                hint='set model.asks="next" and model.windows="random", or model.answers="all"',
            )
        if self.made and not self.tied:
            raise ConfigError(
                "item vectors that are made of more than ids are those of answers too",
                hint='set model.tied=true, or model.item_vectors="ids" and model.graph_layers=0',
            )
        if self.prior and self.made:
            raise ConfigError(
                "model.prior=true says how often each item was met, and items that are told by "
                "more than their ids may be new",
                hint='set model.prior=false, or model.item_vectors="ids" and model.graph_layers=0',
            )
        if self.prior and self.loss == "bpr-max":
            raise ConfigError(
                "model.prior=true starts scores far below 0, where model.bend keeps those of "
                '"bpr-max" from moving',
                hint='set model.prior=false, or model.loss="softmax"',
            )
        if ("run" in self.parts) != bool(self.items_from):
            raise ConfigError(
                f'model.item_vectors="{self.item_vectors}" and '
                f'model.items_from="{self.items_from}" do not go together',
                hint='name a run folder in model.items_from, and have "run" or "ids+run"',
            )
        if not self.frozen and not self.items_from:
            raise ConfigError(
                "model.frozen=false learns the vectors of a run on, and there is none",
                hint="name a run folder in model.items_from",
            )

    @property
    def parts(self) -> tuple[str, ...]:
        """What an item's vector is the sum of."""
        return tuple(self.item_vectors.split("+"))

    @property
    def made(self) -> bool:
        """Whether an item's vector is more than its own row of a table."""
        return self.item_vectors != "ids" or self.graph_layers > 0

    def learner(self, train: Dataset, *, seed: int = 0) -> "SequenceLearner":
        """Cut the histories, start the network; nothing is learnt yet."""
        from grapevine.models.sequence.learner import SequenceLearner

        return SequenceLearner(self, train, seed=seed)

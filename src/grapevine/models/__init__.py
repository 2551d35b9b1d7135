"""Named systems, one short file a row of the table: who listens to whom, how, and what is asked."""

from dataclasses import dataclass
from typing import Any

from grapevine.models.als import ALS
from grapevine.models.blend import Blend
from grapevine.models.bpr import BPR
from grapevine.models.bspm import BSPM
from grapevine.models.cascade import CRGCN, EHCF, ESMM, GHCF, HGT, MBCGCN, NMTR, RGCN
from grapevine.models.chebycf import ChebyCF
from grapevine.models.content_knn import ContentKNN
from grapevine.models.ease import EASE
from grapevine.models.funnel import Funnel
from grapevine.models.gfcf import GFCF
from grapevine.models.gnn import GNN
from grapevine.models.item_knn import ItemKNN
from grapevine.models.lightgcn import LightGCN
from grapevine.models.markov import Markov
from grapevine.models.oracle import Oracle
from grapevine.models.pinsage import PinSage
from grapevine.models.popularity import Popularity
from grapevine.models.random import Random
from grapevine.models.ranking import DCN, DIEN, WideDeep
from grapevine.models.sequence import (
    HSTU,
    BERT4Rec,
    DecisionTransformer,
    GRU4Rec,
    GSASRec,
    MLP4Rec,
    SASRec,
)
from grapevine.models.ultragcn import UltraGCN
from grapevine.models.vine import Vine


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelRow:
    """A row of the one table: a name is a model and the options it starts from.

    Attributes:
        model: the class of the fitted model; `model.restore` opens a saved one.
        config: the options that the name alone gives; `config.fit` trains.
        neighbourhood: who listens to whom.
        merge: how the messages of the neighbours become one.
        update: what the listener makes of it.
        asked: the question it answers.
    """

    model: type
    config: Any
    neighbourhood: str
    merge: str
    update: str
    asked: str = "next item"


MODELS: dict[str, ModelRow] = {
    "random": ModelRow(
        model=Random,
        config=Random.Config(),
        neighbourhood="none",
        merge="none",
        update="hash",
    ),
    "popularity": ModelRow(
        model=Popularity,
        config=Popularity.Config(),
        neighbourhood="item <- all its users",
        merge="count",
        update="none",
    ),
    "recent-popularity": ModelRow(
        model=Popularity,
        config=Popularity.Config(days=30.0),
        neighbourhood="item <- its users of the last 30 days",
        merge="count",
        update="none",
    ),
    "funnel": ModelRow(
        model=Funnel,
        config=Funnel.Config(),
        neighbourhood="user <- items it has begun with",
        merge="what was done with each",
        update="share that went on to the target",
    ),
    "markov": ModelRow(
        model=Markov,
        config=Markov.Config(),
        neighbourhood="user <- last item -> next items",
        merge="share of steps",
        update="plus a little popularity",
    ),
    "item-knn": ModelRow(
        model=ItemKNN,
        config=ItemKNN.Config(),
        neighbourhood="user <- history -> nearest items",
        merge="sum of cosines",
        update="none",
    ),
    "content-knn": ModelRow(
        model=ContentKNN,
        config=ContentKNN.Config(),
        neighbourhood="user <- history -> items alike in content",
        merge="sum of cosines",
        update="none",
    ),
    "ease": ModelRow(
        model=EASE,
        config=EASE.Config(),
        neighbourhood="user <- history -> all items",
        merge="sum of ridge weights",
        update="none",
    ),
    "als": ModelRow(
        model=ALS,
        config=ALS.Config(),
        neighbourhood="user <-> its items, in turns",
        merge="confidence-weighted sum",
        update="least squares",
    ),
    "bpr": ModelRow(
        model=BPR,
        config=BPR.Config(),
        neighbourhood="user <-> one item taken, one not",
        merge="difference",
        update="gradient step",
    ),
    "gf-cf": ModelRow(
        model=GFCF,
        config=GFCF.Config(),
        neighbourhood="user <- history -> all items, two hops",
        merge="symmetric-normalised sum",
        update="linear and ideal low-pass filter",
    ),
    "bspm": ModelRow(
        model=BSPM,
        config=BSPM.Config(),
        neighbourhood="user <- history -> all items, many hops",
        merge="symmetric-normalised sum",
        update="blurred, then sharpened",
    ),
    "chebycf": ModelRow(
        model=ChebyCF,
        config=ChebyCF.Config(),
        neighbourhood="user <- history -> all items, many hops",
        merge="symmetric-normalised sum",
        update="Chebyshev and ideal low-pass filter",
    ),
    "pinsage": ModelRow(
        model=PinSage,
        config=PinSage.Config(),
        neighbourhood="item <- items that random walks from it meet; user <- its recent items",
        merge="importance-weighted mean",
        update="set beside its own, dense, ReLU, length one",
    ),
    "lightgcn": ModelRow(
        model=LightGCN,
        config=LightGCN.Config(),
        neighbourhood="user <-> its items, twice over",
        merge="sum by the roots of both degrees",
        update="mean over the turns",
    ),
    "blend": ModelRow(
        model=Blend,
        config=Blend.Config(),
        neighbourhood="user <- what a filter and LightGCN listen to",
        merge="sum of scores of like size",
        update="none",
    ),
    "ultragcn": ModelRow(
        model=UltraGCN,
        config=UltraGCN.Config(),
        neighbourhood="user <-> item taken, items drawn, items near it",
        merge="difference, weighted by degrees",
        update="gradient step",
    ),
    "gcn": ModelRow(
        model=GNN,
        config=GNN.Config(layer="gcn"),
        neighbourhood="user <-> its items, and itself, two hops",
        merge="symmetric-normalised sum",
        update="linear, ReLU between rounds",
    ),
    "mean-gnn": ModelRow(
        model=GNN,
        config=GNN.Config(layer="mean"),
        neighbourhood="user <-> its items, two hops",
        merge="mean",
        update="linear beside its own state, ReLU between rounds",
    ),
    "graphsage": ModelRow(
        model=GNN,
        config=GNN.Config(layer="sage-mean", neighbours=10),
        neighbourhood="user <-> ten of its items drawn, two hops",
        merge="mean",
        update="linear beside its own state, to length one",
    ),
    "sasrec": ModelRow(
        model=SASRec,
        config=SASRec.Config(),
        neighbourhood="event <- itself and those before",
        merge="softmax of dot products",
        update="residual, feed-forward, norm",
    ),
    "gsasrec": ModelRow(
        model=GSASRec,
        config=GSASRec.Config(),
        neighbourhood="event <- itself and those before",
        merge="softmax of dot products",
        update="residual, feed-forward, norm",
    ),
    "bert4rec": ModelRow(
        model=BERT4Rec,
        config=BERT4Rec.Config(),
        neighbourhood="event <- all of the history",
        merge="softmax of dot products",
        update="residual, feed-forward, norm",
        asked="masked item, then next item",
    ),
    "gru4rec": ModelRow(
        model=GRU4Rec,
        config=GRU4Rec.Config(),
        neighbourhood="event <- the one before, in turn",
        merge="gates",
        update="gates",
    ),
    "hstu": ModelRow(
        model=HSTU,
        config=HSTU.Config(),
        neighbourhood="event <- itself and those before, by time",
        merge="SiLU of dot products",
        update="gated by its own state, residual",
    ),
    "gat": ModelRow(
        model=GNN,
        config=GNN.Config(layer="gat", neighbours=10),
        neighbourhood="user <-> ten of its items drawn, and itself, two hops",
        merge="sum by a softmax of what both ends add up to",
        update="linear, ELU between rounds",
    ),
    "gatv2": ModelRow(
        model=GNN,
        config=GNN.Config(layer="gatv2", neighbours=10),
        neighbourhood="user <-> ten of its items drawn, and itself, two hops",
        merge="sum by a softmax of what both ends add up to, bent before it is weighed",
        update="linear, ELU between rounds",
    ),
    "graph-transformer": ModelRow(
        model=GNN,
        config=GNN.Config(layer="graph-transformer", neighbours=10),
        neighbourhood="user <-> ten of its items drawn, and itself, two hops",
        merge="sum by a softmax of dot products",
        update="added, normed; dense, added, normed",
    ),
    "mlp4rec": ModelRow(
        model=MLP4Rec,
        config=MLP4Rec.Config(),
        neighbourhood="event <- itself and those before",
        merge="weights learnt for each pair of places",
        update="residual, feed-forward, norm",
    ),
    "decision-transformer": ModelRow(
        model=DecisionTransformer,
        config=DecisionTransformer.Config(),
        neighbourhood="event <- itself and those before, and what they led to",
        merge="softmax of dot products",
        update="residual, feed-forward, norm",
        asked="next item, if the return shall be high",
    ),
    "vine": ModelRow(
        model=Vine,
        config=Vine.Config(),
        neighbourhood="event <- itself and those before; item <- its features, items near on walks",
        merge="softmax of dot products; importance-weighted mean",
        update="residual, feed-forward, norm; a head for each behaviour",
        asked="next item of any behaviour, its chance, its rating",
    ),
    "nmtr": ModelRow(
        model=NMTR,
        config=NMTR.Config(),
        neighbourhood="behaviour of a pair <- the behaviour before it",
        merge="sum of logits",
        update="product and perceptron of both ends",
        asked="each behaviour in turn, yes or no",
    ),
    "esmm": ModelRow(
        model=ESMM,
        config=ESMM.Config(),
        neighbourhood="behaviour of a pair <- the behaviour before it",
        merge="product of chances",
        update="perceptron of both ends",
        asked="each behaviour in turn, yes or no",
    ),
    "ehcf": ModelRow(
        model=EHCF,
        config=EHCF.Config(),
        neighbourhood="behaviour <- the behaviour before it",
        merge="map of its weights",
        update="weighted product of both ends",
        asked="each behaviour, of all pairs",
    ),
    "ghcf": ModelRow(
        model=GHCF,
        config=GHCF.Config(),
        neighbourhood="user <-> its items by each behaviour at once",
        merge="symmetric-normalised sum, times the relation",
        update="linear, leaky ReLU, mean of before and after",
        asked="each behaviour, of all pairs",
    ),
    "mb-cgcn": ModelRow(
        model=MBCGCN,
        config=MBCGCN.Config(),
        neighbourhood="user <-> its items, behaviour by behaviour",
        merge="symmetric-normalised sum",
        update="mapped for the next behaviour, summed over all",
    ),
    "crgcn": ModelRow(
        model=CRGCN,
        config=CRGCN.Config(),
        neighbourhood="user <-> its items, behaviour by behaviour",
        merge="symmetric-normalised sum",
        update="added to what the behaviour before left",
        asked="each behaviour, next item",
    ),
    "rgcn": ModelRow(
        model=RGCN,
        config=RGCN.Config(),
        neighbourhood="user <-> its items, either <-> its attributes, relation by relation",
        merge="mean, through a matrix of the relation",
        update="linear beside its own state, ReLU between rounds, mean over the rounds",
        asked="each behaviour, next item",
    ),
    "hgt": ModelRow(
        model=HGT,
        config=HGT.Config(),
        neighbourhood="user <-> its items, either <-> its attributes, relation by relation",
        merge="softmax of dot products over all relations, matrices of types and relations",
        update="GELU, linear, gated beside its own state, mean over the rounds",
        asked="each behaviour, next item",
    ),
    "wide-deep": ModelRow(
        model=WideDeep,
        config=WideDeep.Config(),
        neighbourhood="candidate <- the history of who is asked, and what was done with it",
        merge="mean; sum of a weight for each pair of ids",
        update="layers over both vectors and their products",
        asked="each behaviour, of the candidates of another row",
    ),
    "dien": ModelRow(
        model=DIEN,
        config=DIEN.Config(),
        neighbourhood="event <- the one before, then again for each candidate",
        merge="gates, the second times a softmax of products with the candidate",
        update="layers over both vectors and their products",
        asked="each behaviour, of the candidates of another row",
    ),
    "dcn": ModelRow(
        model=DCN,
        config=DCN.Config(),
        neighbourhood="candidate <- the history of who is asked, and what was done with it",
        merge="softmax of products with the candidate",
        update="cross layers, then others",
        asked="each behaviour, of the candidates of another row",
    ),
    "taste-oracle": ModelRow(
        model=Oracle,
        config=Oracle.Config(carts=False),
        neighbourhood="user and item <- the shop's truth, but for the carts",
        merge="chance",
        update="none",
        asked="next item, on the built-in shop only",
    ),
    "oracle": ModelRow(
        model=Oracle,
        config=Oracle.Config(),
        neighbourhood="user and item <- the shop's truth",
        merge="chance",
        update="none",
        asked="next item, on the built-in shop only",
    ),
}
"""Every system by the name it has on the command line."""

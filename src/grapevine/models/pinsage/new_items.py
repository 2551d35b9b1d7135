"""Vectors of items that training never met, without training again."""

import numpy as np
import polars as pl
import torch
from jaxtyping import Float32

from grapevine.encoders.fusion import Shapes
from grapevine.errors import DataError
from grapevine.graph.cooccurrence import distinct, transposed
from grapevine.models.base import refuse_other_arrays
from grapevine.models.pinsage.alike import (
    CONTENT,
    most_met,
    nearest,
    neighbours_of,
    nobody,
    with_content,
)
from grapevine.models.pinsage.inference import embed
from grapevine.models.pinsage.model import PinSage
from grapevine.models.pinsage.network import Network
from grapevine.structs.bipartite import Bipartite
from grapevine.structs.features import Features
from grapevine.structs.jagged import Jagged, offsets_of
from grapevine.structs.neighbour_table import NeighbourTable
from grapevine.views.content import Content
from grapevine.views.features import FeatureView


def embed_new(
    model: PinSage,
    table: pl.DataFrame,
    *,
    graph: Bipartite | None = None,
    edges: Jagged | None = None,
    seed: int = 0,
) -> Float32[np.ndarray, "items width"]:
    """The vectors of new items, in the space of the old ones.

    They hear what the items of training say, and each other; those of training stay as they are,
    so that an index of them stands until the next time all are embedded.

    Args:
        model: the fitted model.
        table: the new items, with the columns of the catalogue as far as they are known.
        graph: items of training and their contexts, as `views.graph.bipartite` gives them.
        edges: of each new item, the rows of the contexts that met it, one for each event. Nobody
            has met any if not given: then their features alone speak, and the items that these
            are nearest to.
        seed: names the walks.

    Raises:
        DataError: there are edges and no graph, or as many lists of them as there are not items,
            or a context that the graph has not.
    """
    if edges is not None and (graph is None or len(edges) != len(table)):
        raise DataError(
            f"{len(edges)} lists of edges for {len(table)} new items"
            if graph is not None
            else "the edges of new items need the graph that they lead into",
            hint="give graph=views.graph.bipartite(events) and a list for each item",
        )
    edges = Jagged.empty(len(table)) if edges is None else edges
    view = FeatureView.from_arrays(model.view)
    features = view.encode(table, edges.lengths)
    if model.content:
        features = with_content(features, Content.from_arrays(model.content))
    new = edges.lengths == 0
    neighbours = _neighbours(model, graph, edges, seed)
    if model.content and model.config.content_neighbours:
        width, about = model.config.neighbours, features.vectors[CONTENT]
        alike = nearest(about, model.about, most_met(model.met), width)
        neighbours.nodes[new], neighbours.weights[new] = alike.nodes[new], alike.weights[new]
    rows = np.full(len(table), -1, np.int64)
    network = network_of(model, features, view)
    return embed(network, features, neighbours, rows, model.said).items


def network_of(model: PinSage, features: Features, view: FeatureView) -> Network:
    """The network of a fitted model, for features as its view gives them.

    Raises:
        BundleError: a parameter is missing, or there is one too many.
    """
    shapes = Shapes.of(features, buckets=view.buckets, degree=view.degree is not None)
    network = Network(model.config, shapes, len(model.items), len(model.behaviour_weight))
    refuse_other_arrays(PinSage, network.state_dict(), model.network)
    network.load_state_dict({name: torch.from_numpy(one) for name, one in model.network.items()})
    return network


def _neighbours(
    model: PinSage, graph: Bipartite | None, edges: Jagged, seed: int
) -> NeighbourTable:
    """Whom the new items listen to: rows of training, then their own."""
    width = model.config.neighbours
    if graph is None or not len(edges.values):
        return nobody(len(edges), width)
    if int(edges.values.max()) >= graph.num_contexts or int(edges.values.min()) < 0:
        raise DataError(
            f"contexts of new items must lie in [0, {graph.num_contexts}): "
            f"got {edges.values.min()} .. {edges.values.max()}"
        )
    added = distinct(edges, graph.num_contexts)
    contexts = Jagged(
        offsets_of(np.concatenate([graph.contexts.lengths, added.lengths])),
        np.concatenate([graph.contexts.values, added.values]),
    )
    wider = Bipartite(contexts, transposed(contexts, graph.num_contexts))
    return neighbours_of(
        model.config, wider, seed, graph.num_items + np.arange(len(edges), dtype=np.int64)
    )

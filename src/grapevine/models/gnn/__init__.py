"""GCN, mean GNN and GraphSAGE on the graph of users and items: one model, three rows of the table.

Users and items are the nodes of one graph, each with a vector of its own that is learnt, and listen
to each other along the events. They differ in the layer alone (`config.KINDS`).
"""

from grapevine.models.gnn.config import Config
from grapevine.models.gnn.model import GNN

__all__ = ["GNN", "Config"]

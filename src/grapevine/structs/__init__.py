"""The nouns: frozen values that check themselves once, so that nothing downstream needs to.

`Graph` holds torch tensors and is imported from its own file, so that the command line can answer
before torch is loaded.
"""

from grapevine.structs.batch import Batch
from grapevine.structs.bipartite import Bipartite
from grapevine.structs.features import Features
from grapevine.structs.jagged import Jagged
from grapevine.structs.neighbour_table import NeighbourTable
from grapevine.structs.products import Products
from grapevine.structs.ranking import Ranking

__all__ = ["Batch", "Bipartite", "Features", "Jagged", "NeighbourTable", "Products", "Ranking"]

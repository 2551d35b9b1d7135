import numpy as np
import pytest

from grapevine.structs import NeighbourTable


def test_a_table_knows_its_size():
    table = NeighbourTable(np.full((4, 3), -1, np.int32), np.zeros((4, 3), np.float32))
    assert (len(table), table.width) == (4, 3)


def test_nodes_and_weights_pair_up(unchecked):
    with pytest.raises(ValueError, match=r"\(4, 3\) and \(4, 2\)"):
        NeighbourTable(np.full((4, 3), -1, np.int32), np.zeros((4, 2), np.float32))

import math

import pytest
import torch

from grapevine.core.maps import distance, entropy, share_at


def test_a_map_of_equal_shares_by_hand():
    """Causal, three places: each hears itself and all before it alike."""
    maps = torch.tensor([[1, 0, 0], [1 / 2, 1 / 2, 0], [1 / 3, 1 / 3, 1 / 3]])
    assert float(entropy(maps)) == pytest.approx((math.log(2) + math.log(3)) / 3)
    assert float(distance(maps)) == pytest.approx((0 + 1 / 2 + 1) / 3)
    assert float(share_at(maps, 0)) == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    assert float(share_at(maps, 1)) == pytest.approx((1 / 2 + 1 / 3) / 3)
    assert float(share_at(maps, -1)) == 0


def test_heads_are_told_one_by_one_and_a_last_query_stands_at_the_last_place():
    looks_back, looks_here = torch.tensor([[0.0, 1.0, 0.0]]), torch.tensor([[0.0, 0.0, 1.0]])
    maps = torch.stack([looks_back, looks_here])[None]
    assert distance(maps).tolist() == [[1, 0]]
    assert share_at(maps, 1).tolist() == [[1, 0]]
    assert entropy(maps).tolist() == [[0, 0]]

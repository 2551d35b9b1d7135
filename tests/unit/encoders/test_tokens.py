import pytest
import torch

from grapevine.encoders.tokens import HashedTokens


@pytest.fixture
def bags():
    return torch.tensor([3, 1, 3, 0]), torch.tensor([0, 3, 3])


@pytest.mark.parametrize(("pool", "power"), [("mean", 1.0), ("root", 0.5)])
def test_pooling_by_hand(bags, pool, power):
    built = HashedTokens.Config(width=4, pool=pool).build(5)
    v = built.vectors.detach()
    expected = torch.stack([(2 * v[3] + v[1]) / 3**power, torch.zeros(4), v[0]])
    torch.testing.assert_close(built(*bags).detach(), expected)


def test_weights_by_hand(bags):
    built = HashedTokens.Config(width=4, pool="mean", weighted=True).build(5)
    with torch.no_grad():
        built.importance.copy_(torch.tensor([7.0, 1.0, 1.0, 2.0, 1.0]).log())
    v = built.vectors.detach()
    # Token 3 counts 2 and token 1 counts 1; one token alone counts as it is.
    expected = torch.stack([(4 * v[3] + v[1]) / 5, torch.zeros(4), v[0]])
    torch.testing.assert_close(built(*bags).detach(), expected)


def test_a_token_counts_as_much_as_any_at_the_start(bags):
    torch.manual_seed(0)
    plain = HashedTokens.Config(width=4).build(5)
    torch.manual_seed(0)
    weighted = HashedTokens.Config(width=4, weighted=True).build(5)
    torch.testing.assert_close(weighted(*bags), plain(*bags))

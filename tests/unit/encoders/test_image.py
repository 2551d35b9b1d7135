import torch

from grapevine.encoders.image import SmallCNN


def test_a_picture_does_not_depend_on_the_others():
    built = SmallCNN.Config(width=8).build()
    pictures = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8)
    whole = built(pictures)
    assert whole.shape == (5, 8)
    torch.testing.assert_close(built(pictures[2:3])[0], whole[2])
    assert not torch.allclose(whole[0], whole[1])


def test_any_size_will_do_and_black_is_finite():
    built = SmallCNN.Config(width=8, channels=(4, 8)).build()
    assert built(torch.zeros((2, 3, 7, 11), dtype=torch.uint8)).isfinite().all()


def test_it_is_small():
    size = sum(p.numel() for p in SmallCNN.Config().build().parameters())
    assert 40_000 < size < 70_000


def test_two_colours_are_learnt_apart():
    torch.manual_seed(0)
    built = SmallCNN.Config(width=1, channels=(4, 4)).build()
    pictures = torch.randint(0, 60, (40, 3, 8, 8), dtype=torch.uint8)
    pictures[:20, 0] += 180
    label = torch.arange(40) < 20
    optimiser = torch.optim.Adam(built.parameters(), lr=0.03)
    for _ in range(40):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            built(pictures)[:, 0], label.float()
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert ((built(pictures)[:, 0] > 0) == label).all()

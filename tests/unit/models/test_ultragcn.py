import numpy as np
import pytest
import torch
from torch.nn.functional import logsigmoid

from grapevine import training
from grapevine.models.constraint import near_items
from grapevine.models.ultragcn import UltraGCN
from grapevine.structs.jagged import Jagged
from grapevine.testing.worlds import checkerboard, world

DATA = world(checkerboard(20, 16))


def test_items_near_each_other_by_hand():
    # Users {0, 1}, {0, 1, 2}, {2}: n is [[2, 2, 1], [2, 2, 1], [1, 1, 2]], its rows sum to 5, 5, 4.
    taken = Jagged.from_lists([[0, 1], [0, 1, 2], [2]])
    near, weight = near_items(taken, 4, 2)
    assert near[:3].tolist() == [[1, 2], [0, 2], [0, 1]]
    far = 1 / 3 * np.sqrt(5 / 4)
    last = 1 / 2 * np.sqrt(4 / 5)
    wanted = [[2 / 3, far], [2 / 3, far], [last, last], [0, 0]]
    np.testing.assert_allclose(weight, wanted, rtol=1e-6)


@pytest.mark.parametrize("neighbours", [0, 3])
def test_the_loss_is_that_of_the_paper(neighbours):
    config = UltraGCN.Config(
        width=5, negatives=6, neighbours=neighbours, item_weight=0.3, regularization=0.01
    )
    learner = config.learner(DATA, seed=3)
    first = learner.pairs.num_users
    start = np.random.default_rng(0).normal(size=learner.state()["table"].shape)
    learner.load({**learner.state(), "table": start.astype(np.float32)})
    theirs = torch.from_numpy(start.astype(np.float32)).double().requires_grad_(True)
    optimiser = torch.optim.Adam([theirs], lr=0.01)
    rows = DATA.interactions
    of_users = np.bincount(rows.users)
    of_items = np.bincount(rows.items, minlength=rows.num_items)
    beta = torch.from_numpy(np.sqrt(of_users + 1) / of_users)[:, None] / torch.from_numpy(
        np.sqrt(of_items + 1)
    )
    batch = learner.batches(0)[0]
    users, positives, negatives = (torch.from_numpy(g) for g in batch.groups[:3])
    scores = theirs[:first] @ theirs[first:].T
    near, far = positives - first, negatives - first
    lost = -((beta[users, near] + 1e-6) * logsigmoid(scores[users, near])).mean()
    weight = beta[users][:, far] + 1e-6
    pushed = weight * logsigmoid(-scores[users][:, far])
    lost = lost - 300 * pushed.mean(1).mean()
    parts = {"pairs": lost.item()}
    if neighbours:
        taken = Jagged.from_lists([sorted(row) for row in rows.histories])
        others, alike = map(torch.from_numpy, near_items(taken, rows.num_items, neighbours))
        pulled = alike[near] * logsigmoid(scores[users[:, None], others[near]])
        parts["near"] = -0.3 * pulled.sum(1).mean().item()
        lost = lost - 0.3 * pulled.sum(1).mean()
    assert learner.step(batch, 0.01) == {k: pytest.approx(v, rel=1e-5) for k, v in parts.items()}
    (lost + 0.01 * (theirs**2).sum() / 2).backward()
    optimiser.step()
    np.testing.assert_allclose(learner.state()["table"], theirs.detach().numpy(), atol=2e-5)


def test_it_tells_the_two_tastes_apart():
    config = UltraGCN.Config(width=8, epochs=60, learning_rate=0.02, negative_weight=2.0)
    model = training.fit(config, DATA)
    rows = DATA.interactions
    scores = model.score(rows.batch(np.arange(rows.num_users)))
    numbers = np.array([int(item) for item in DATA.items.ids])
    users = np.array([int(user) for user in DATA.users.ids])
    alike = users[:, None] % 2 == numbers % 2
    assert scores[alike].mean() > scores[~alike].mean() + 0.5 * scores.std()

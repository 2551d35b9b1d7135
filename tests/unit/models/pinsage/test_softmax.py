from dataclasses import replace

import numpy as np
import torch

from grapevine.core import losses
from grapevine.models.pinsage.learner import PinSageLearner
from grapevine.models.pinsage.softmax import SharedSoftmax


def test_block_by_block_it_is_the_loss_of_all_scores_at_once_with_its_gradients():
    torch.manual_seed(0)
    asking, answers, negatives = (
        torch.randn(rows, 5, dtype=torch.float64, requires_grad=True) for rows in (7, 7, 4)
    )
    keep = torch.rand(7, 4) < 0.7
    keep[2] = False
    log_expected = torch.randn(4, dtype=torch.float64)
    fused = SharedSoftmax.apply(
        asking, answers, negatives, np.flatnonzero(~keep.numpy()), log_expected, 0.3
    )
    plain = losses.sampled_softmax(
        (asking * answers).sum(1), asking @ negatives.T, keep,
        log_expected_S=log_expected, temperature=0.3,
    )  # fmt: skip
    torch.testing.assert_close(fused, plain)
    inputs = (asking, answers, negatives)
    found = torch.autograd.grad(2 * fused, inputs)
    for one, other in zip(found, torch.autograd.grad(2 * plain, inputs)):
        torch.testing.assert_close(one, other)


def test_where_popularity_is_told_apart_scores_need_not_tell_it(planted, small):
    learner = PinSageLearner(replace(small, popularity=0.0, new_share=0.0), planted(), seed=2)
    ground = learner.ground
    np.testing.assert_allclose(
        ground.told,
        small.temperature * np.log(np.maximum(ground.chances, 1 / len(ground.pairs))),
        rtol=1e-5,
    )
    batch = learner.batches(0)[0]
    learner.items.eval()
    z = learner.items(batch.graph)
    asking = learner.items.ask(z, batch.asked, batch.behaviours)
    scores = asking @ z.T + batch.told
    plain = losses.sampled_softmax(
        scores[torch.arange(len(scores)), batch.answers], scores[:, batch.shared], batch.keep,
        log_expected_S=batch.log_expected, temperature=small.temperature,
    )  # fmt: skip
    torch.testing.assert_close(learner.loss(batch)["softmax"], plain)

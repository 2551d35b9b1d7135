import numpy as np
import pytest
import torch

from grapevine.core.losses import sampled_softmax
from grapevine.core.stochastic_answer import StochasticAnswer

WIDTH, CLASSES = 6, 3


def texts(seed=0, pairs=4, premise=5, hypothesis=3):
    made = torch.Generator().manual_seed(seed)
    return (
        torch.randn(pairs, premise, WIDTH, generator=made),
        torch.randn(pairs, hypothesis, WIDTH, generator=made),
    )


def head(seed=0, **options):
    torch.manual_seed(seed)
    return StochasticAnswer(WIDTH, CLASSES, **options)


def test_one_turn_is_one_classifier_of_the_first_state_and_what_it_hears():
    premise, hypothesis = texts()
    made = head(turns=1).eval()
    state = torch.einsum("bh,bhd->bd", (hypothesis @ made.summed.weight[0]).softmax(1), hypothesis)
    wanted = torch.einsum("bpd,bd->bp", premise, state @ made.asked.weight.T)
    heard = torch.einsum("bp,bpd->bd", wanted.softmax(1), premise)
    both = torch.cat([state, heard, (state - heard).abs(), state * heard], 1)
    found = made(premise, hypothesis)
    torch.testing.assert_close(found, made.answered(both).softmax(1))
    torch.testing.assert_close(found.sum(1), torch.ones(len(found)))


def test_turns_move_the_state_and_their_chances_are_averaged():
    premise, hypothesis = texts()
    made = head(turns=4).eval()
    each = []
    for turns in range(1, 5):
        made.turns = turns
        each.append(made(premise, hypothesis))
    alone = [each[0], *(n * each[n - 1] - (n - 1) * each[n - 2] for n in range(2, 5))]
    for one in alone:  # the chances of each turn
        torch.testing.assert_close(one.sum(1), torch.ones(len(one)))
        assert (one >= -1e-6).all()
    assert (alone[1] - alone[0]).abs().max() > 1e-3


def test_without_dropout_training_says_what_evaluation_says():
    premise, hypothesis = texts()
    made = head(dropout=0.0)
    torch.testing.assert_close(made(premise, hypothesis), made.eval()(premise, hypothesis))


def test_a_turn_is_always_kept_and_those_left_out_are_made_up_for():
    premise, hypothesis = texts(pairs=2000)
    made = head(turns=3, dropout=0.9).train()
    # As many as there are turns that were kept, by how much these are scaled up.
    kept = made(premise, hypothesis).sum(1) * 3 * (1 - 0.9)
    np.testing.assert_allclose(kept.detach(), kept.detach().round(), atol=1e-4)
    assert set(kept.detach().round().int().tolist()) == {1, 2, 3}
    # One is certain, each of the other two is there by a tenth.
    assert kept.mean().item() == pytest.approx(1.2, abs=0.05)


def test_places_that_are_not_there_say_nothing():
    premise, hypothesis = texts()
    made = head().eval()
    there = torch.tensor([True, True, True, False, False]).expand(4, 5)
    of_hypothesis = torch.tensor([True, True, False]).expand(4, 3)
    torch.testing.assert_close(
        made(premise, hypothesis, there, of_hypothesis), made(premise[:, :3], hypothesis[:, :2])
    )


def test_a_ranking_of_two_candidates_is_a_logistic_regression_of_their_difference():
    # MT-DNN, eq. 8, with its logarithm: the answer's share among the candidates of a question.
    right, wrong = torch.tensor([0.3, -1.2, 2.0]), torch.tensor([1.1, -1.0, -2.0])
    wanted = torch.nn.functional.softplus(wrong - right).mean()
    torch.testing.assert_close(sampled_softmax(right, wrong[:, None]), wanted)


@pytest.mark.parametrize("options", [{"turns": 0}, {"dropout": 1.0}])
def test_what_makes_no_sense_is_refused(options):
    with pytest.raises(ValueError, match="turns must be 1 or more"):
        head(**options)

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grapevine.tasks.cascade import cascaded, log_chances, log_loss

OWN = [torch.tensor([value], dtype=torch.float64) for value in (-1.0, 0.5, 0.2)]


def test_logits_are_passed_on():
    chances = [float(z.sigmoid()) for z in cascaded(OWN, "logit")]
    assert chances == pytest.approx([0.268941, 0.377541, 0.425557], abs=1e-6)


def test_chances_are_passed_on_as_logits_or_as_factors():
    first, second, third = (float(z) for z in cascaded(OWN, "probability"))
    chance = [1 / (1 + math.exp(-z)) for z in (first, second)]
    assert [first, second, third] == pytest.approx([-1, 0.5 + chance[0], 0.2 + chance[1]])
    factors = [1 / (1 + math.exp(-float(own))) for own in OWN]
    found = [float(z.exp()) for z in cascaded(OWN, "chain")]
    assert found == pytest.approx([math.prod(factors[: n + 1]) for n in range(3)])


@pytest.mark.parametrize("how", ["none", "logit"])
def test_behaviours_that_say_nothing_leave_the_last_as_it_is(how):
    silent = [torch.zeros(1, dtype=torch.float64)] * 2
    assert cascaded([*silent, OWN[2]], how)[-1] == OWN[2]
    assert cascaded(OWN, "none") == OWN


@given(said=st.lists(st.floats(-60, -1e-9), min_size=1))
def test_the_chance_of_no_keeps_its_digits(said):
    x = torch.tensor(said, dtype=torch.float64, requires_grad=True)
    yes, no = log_chances(x, "chain")
    wanted = [math.log(-math.expm1(min(one, -1e-6))) for one in said]
    assert no.tolist() == pytest.approx(wanted, rel=1e-9, abs=1e-12)
    assert yes.tolist() == said
    no.sum().backward()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("how", ["none", "chain"])
def test_the_loss_is_of_what_was_done_and_of_what_was_not(how):
    positive, negative = torch.tensor([-0.5, -2.0]), torch.tensor([[-1.0, -3.0], [-0.2, -0.1]])
    chance = torch.exp if how == "chain" else torch.sigmoid
    wanted = -(chance(positive).log().sum() + (1 - chance(negative)).log().sum()) / 2
    torch.testing.assert_close(log_loss(positive, negative, how), wanted)

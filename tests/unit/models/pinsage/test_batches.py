from dataclasses import replace

import numpy as np
import pytest
import torch

from grapevine.models.pinsage.batches import Ground
from grapevine.testing.worlds import world


@pytest.fixture(scope="module")
def clicks_and_buys():
    """Item i was clicked by 8 + i users and bought by i of them: item 0 by nobody."""
    clicks = [(user, item, "click") for item in range(6) for user in range(8 + item)]
    buys = [(user, item, "buy") for item in range(6) for user in range(item)]
    return world(clicks + buys, behaviours=("click", "buy"))


@pytest.mark.parametrize("behaviours", ["target", "all"])
def test_degrees_are_standardised_by_the_events_that_are_counted(
    clicks_and_buys, small, behaviours
):
    ground = Ground.of(replace(small, behaviours=behaviours), clicks_and_buys, 0)
    assert ground.features.numbers is not None
    met = ground.features.numbers[ground.events.counts() > 0, -1]
    np.testing.assert_allclose(met.mean(), 0, atol=0.02)
    np.testing.assert_allclose(met.std(), 1, atol=0.02)


def test_what_counts_as_new_in_training_has_the_degree_of_what_is_new(small):
    data = world([(user, item) for item in range(6) for user in range(item)], items=range(6))
    learner = replace(small, ids=False).learner(data, seed=0)
    numbers = learner.ground.features.numbers
    assert numbers is not None
    truly_new, most_met = numbers[0, -1], numbers[5, -1]
    network = learner.items.eval()
    new = torch.tensor([True])
    with torch.no_grad():
        held, wanted = (
            network.start({"numbers": torch.tensor([[degree]])}, torch.tensor([-1]), one)
            for degree, one in ((most_met, new), (truly_new, None))
        )
    np.testing.assert_array_equal(held, wanted)

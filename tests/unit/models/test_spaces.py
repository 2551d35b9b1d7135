import pytest

from grapevine.models import MODELS
from grapevine.models.spaces import SPACES
from grapevine.search import default, space_of


@pytest.mark.parametrize("name", SPACES)
def test_what_is_searched_of_a_model_are_options_that_it_has(name):
    space = space_of(MODELS[name].config, default(name))
    assert set(space) == set(SPACES[name])

import numpy as np
import pytest

from grapevine import training
from grapevine.errors import BundleError, ConfigError
from grapevine.models import MODELS
from grapevine.models.blend import Blend, scaled
from grapevine.testing.worlds import checkerboard, world

DATA = world(checkerboard(12, 8))
SMALL = ("lightgcn.width=8", "lightgcn.epochs=3", "chebycf.rank=4")


def asked():
    rows = DATA.interactions
    return rows.batch(np.arange(rows.num_users))


def test_its_score_is_the_weighted_sum_of_its_parts_each_of_like_size():
    config = Blend.Config(weights=(2.0, 0.5), settings=SMALL)
    blend = training.fit(config, DATA, seed=3)
    wanted = 0
    for options, weight in zip(config.configs().values(), (2.0, 0.5), strict=True):
        score = training.fit(options, DATA, seed=3).score(asked())
        wanted = wanted + weight * score / np.sqrt((score**2).mean(1, keepdims=True))
    np.testing.assert_allclose(blend.score(asked()), wanted, rtol=1e-4, atol=1e-6)


def test_scaling_leaves_zeros_and_what_is_never_shown():
    score = np.array([[0, 3, -3], [0, 0, 0], [-np.inf, 1, 7], [-np.inf] * 3], np.float32)
    wanted = np.array([[0, 1.2247449, -1.2247449], [0, 0, 0], [-np.inf, 0.2, 1.4], score[3]])
    np.testing.assert_allclose(scaled(score), wanted, rtol=1e-6)


def test_a_saved_blend_is_the_same_and_foreign_arrays_are_refused():
    config = Blend.Config(settings=SMALL)
    blend = training.fit(config, DATA, seed=1)
    again = Blend.restore(config, blend.state())
    np.testing.assert_array_equal(again.score(asked()), blend.score(asked()))
    with pytest.raises(BundleError, match=r"too many: bpr\.users"):
        Blend.restore(config, {**blend.state(), "bpr.users": np.zeros(1)})
    part = {name: array for name, array in blend.state().items() if name != "lightgcn.users"}
    with pytest.raises(BundleError, match="missing: users"):
        Blend.restore(config, part)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"parts": ("ease", "gf-cf")}, "exactly one part is trained"),
        ({"parts": ("lightgcn", "pinsage")}, "got 2 .lightgcn, pinsage"),
        ({"parts": ("chebycf", "lightgnc")}, "lightgnc"),
        ({"parts": ("blend", "lightgcn")}, "blend"),
        ({"settings": ("ease.ridge=3",)}, "ease"),
        ({"settings": ("lightgcn.widht=3",)}, "widht"),
        ({"settings": ("lightgcn.width",)}, "not a setting"),
        ({"epochs": -1}, "model.epochs >= 0"),
        ({"weights": (1.0,)}, "1 weights for 2 parts"),
        ({"weights": (1.0, 0.0)}, "weights > 0"),
        ({"settings": ("lightgcn.width=0",)}, "in model.settings of the blend: lightgcn wants"),
        ({"parts": ("lightgcn", "lightgcn")}, "named twice"),
    ],
)
def test_what_makes_no_blend_is_refused_before_anything_is_learnt(options, said):
    with pytest.raises(ConfigError, match=said):
        Blend.Config(**options).learner(DATA)


def test_epochs_are_those_of_the_part_that_is_trained():
    assert Blend.Config(epochs=5, settings=SMALL).learner(DATA).epochs == 5
    assert Blend.Config(settings=SMALL).learner(DATA).epochs == 3


def test_the_row_of_the_table_is_the_default():
    assert MODELS["blend"].config == Blend.Config()
    assert list(Blend.Config().configs()) == ["chebycf", "lightgcn"]

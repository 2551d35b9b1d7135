import numpy as np
import pytest

import grapevine as gv
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
        ({"parts": ("ease", "gf-cf")}, "one part at least is trained"),
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


TWO = Blend.Config(
    parts=("gru4rec", "popularity", "lightgcn"),
    weights=(1.0, 0.5, 1.0),
    settings=(
        "gru4rec.epochs=2", "gru4rec.width=8", "gru4rec.hidden=8", "gru4rec.batch=4",
        "lightgcn.epochs=3", "lightgcn.width=8",
    ),
)  # fmt: skip
"""Two parts are trained, one of them longer."""


def test_several_parts_are_each_trained_as_if_alone():
    blend = training.fit(TWO, DATA, seed=3)
    for options, part in zip(TWO.configs().values(), blend.parts, strict=True):
        alone = training.fit(options, DATA, seed=3)
        for name, array in alone.state().items():
            np.testing.assert_array_equal(part.state()[name], array)


def test_several_parts_take_turns_and_go_on_where_they_stood():
    learner, again = TWO.learner(DATA, seed=0), TWO.learner(DATA, seed=0)
    first = learner.batches(0)
    lengths = {name: len(batches) for name, batches in first.of.items()}
    assert list(lengths) == ["gru4rec", "lightgcn"]
    assert len(first) == sum(lengths.values())
    assert list(learner.batches(2).of) == ["lightgcn"]
    with pytest.raises(IndexError):
        first.at(len(first))
    first = learner.batches(0)
    lost = [learner.step(first[step], learner.rate(0, step, len(first))) for step in (0, 1)]
    # What is told of a part is its loss by how many of the steps are its own.
    alone = TWO.configs()["gru4rec"].learner(DATA, seed=0)
    batches = alone.batches(0)
    for step, one in enumerate(lost):
        (told,) = alone.step(batches[step], alone.rate(0, step, len(batches))).values()
        assert one == {"gru4rec softmax": pytest.approx(told * len(first) / len(batches))}
    again.load(learner.state())
    again.batches(0)
    for step in range(2, len(first)):
        for one in (learner, again):
            one.step(first[step], one.rate(0, step, len(first)))
    for name, array in learner.state().items():
        np.testing.assert_array_equal(again.state()[name], array)


def test_a_blend_tells_what_its_parts_are_learnt_from(tmp_path):
    assert TWO.learner(DATA).identity == {}
    gv.fit("als", DATA, out=tmp_path / "als", settings=["model.factors=4"])
    options = Blend.Config(
        parts=("popularity", "gru4rec"),
        settings=("gru4rec.item_vectors=run", f"gru4rec.items_from={tmp_path / 'als'}"),
    )
    assert list(options.learner(DATA).identity) == ["gru4rec.items_from"]


def test_the_row_of_the_table_is_the_default():
    assert MODELS["blend"].config == Blend.Config()
    assert list(Blend.Config().configs()) == ["chebycf", "lightgcn"]

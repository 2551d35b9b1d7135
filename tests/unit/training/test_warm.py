"""Beginning where another training ended."""

from dataclasses import replace

import numpy as np
import pytest

import grapevine as gv
from grapevine import training
from grapevine.errors import BundleError, ConfigError
from grapevine.models.run import Run
from grapevine.testing.learners import Tiny
from grapevine.testing.worlds import checkerboard, world
from grapevine.training.warm import Start, begin, over

DATA = world(checkerboard())


@pytest.fixture
def trained(tmp_path):
    """A run with its checkpoints."""
    config = replace(gv.models.SASRec.Config(), width=8, heads=1, epochs=1)
    return gv.fit(config, DATA, out=tmp_path / "run")


def test_a_run_begins_another_and_the_record_says_so(trained, tmp_path):
    bigger = world([*checkerboard(), (20, 20), (20, 1)])
    run = gv.fit(trained.model.config, bigger, out=tmp_path / "next", begin=trained)
    told = run.record["begun_from"]
    assert told["items"] == {"carried": 12, "of": 13}
    assert told["users"] == {"carried": 12, "of": 13}
    assert told["anew"] == []
    assert told["parameters"] > 10
    plain = gv.fit(trained.model.config, bigger)
    assert not np.array_equal(plain.model.items, run.model.items)
    again = gv.fit(trained.model.config, bigger, begin=gv.open_run(tmp_path / "run"))
    np.testing.assert_array_equal(again.model.items, run.model.items)


def test_the_epoch_that_was_kept_is_begun_from(tmp_path):
    config = Tiny.Config(epochs=3, patience=0)
    worths = iter([0.1, 0.9, 0.2])
    session = training.Session(folder=tmp_path / "run/checkpoints", validate=lambda _: next(worths))
    outcome = training.train_with(config, DATA, session=session)
    record = {"fingerprint": DATA.fingerprint}
    # Of no row of the table, but a run all the same.
    run = replace(Run.of("bpr", outcome.model, DATA, record, None), path=tmp_path / "run")
    learner = config.learner(DATA, seed=9)
    begin(learner, DATA, Start.of(run))
    np.testing.assert_array_equal(learner.model().items, outcome.model.items)


def test_a_training_is_not_gone_on_with_from_another_start(trained, tmp_path):
    config, out = replace(trained.model.config, epochs=3), tmp_path / "checkpoints"
    first = training.Session(folder=out, time_limit=1e-9)
    training.train_with(config, DATA, session=first, start=Start.of(trained))
    goes_on = training.Session(folder=out, resume=True)
    with pytest.raises(ConfigError, match="of another training: its begun_from"):
        training.train_with(config, DATA, session=goes_on)
    assert training.train_with(config, DATA, session=goes_on, start=Start.of(trained)).epochs


def test_what_has_nothing_to_begin_from_is_said(trained, tmp_path):
    closed = gv.fit("ease", DATA, out=tmp_path / "ease")
    with pytest.raises(ConfigError, match="fitted in closed form: it has nothing to begin from"):
        Start.of(closed)
    with pytest.raises(ConfigError, match="there are no steps to resume, to cut short or to begin"):
        gv.fit("ease", DATA, begin=trained)
    with pytest.raises(ConfigError, match="holds no checkpoint"):
        Start.of(replace(trained, path=None))
    with pytest.raises(ConfigError, match="holds no checkpoint"):
        Start.of(replace(trained, record=trained.record | {"fingerprint": "another"}))
    for path in (tmp_path / "run" / "checkpoints").glob("step-*/state.safetensors"):
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BundleError, match="damaged"):
        Start.of(trained)


def test_of_another_model_nothing_fits(trained):
    other = replace(gv.models.LightGCN.Config(), width=8).learner(DATA)
    with pytest.raises(ConfigError, match=r"nothing of .* fits what is to be trained"):
        begin(other, DATA, Start.of(trained))
    wider = replace(trained.model.config, blocks=1, length=30)
    told = begin(wider.learner(DATA), DATA, Start.of(trained))
    assert told.anew == ("network.places",)

    class Other:
        pass

    with pytest.raises(ConfigError, match="`Other` cannot begin from another training"):
        begin(Other(), DATA, Start.of(trained))  # pyright: ignore[reportArgumentType]


def test_rows_and_shapes_by_hand():
    places = {"users": np.array([1, -1]), "items": np.array([-1, 0])}
    before = {"users": 2, "items": 1}
    new, old = np.zeros((5, 2)), np.arange(8.0).reshape(4, 2)
    found = over(new, old, ("users", "items", 1), places, before)
    assert found is not None
    assert found.tolist() == [[2, 3], [0, 0], [0, 0], [4, 5], [6, 7]]
    assert over(new, old, ("users", "items"), places, before) is None
    assert over(np.zeros((5, 3)), old, ("users", "items", 1), places, before) is None
    assert over(new, old, (), places, before) is None

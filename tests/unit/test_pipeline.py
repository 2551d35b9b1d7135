"""The page of the system: what it refuses, what it chooses, what it makes again."""

from dataclasses import replace

import numpy as np
import pytest

import grapevine as gv
from grapevine import pipeline
from grapevine.data import split
from grapevine.data.folder import open_dataset
from grapevine.errors import CheckFailed, ConfigError
from grapevine.index.folder import open_index
from grapevine.models import EASE
from grapevine.testing.worlds import world


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return pipeline.make_shop(300, seed=5, out=tmp_path_factory.mktemp("made") / "shop")


@pytest.fixture(scope="module")
def parts(shop):
    return pipeline.prepare(shop)


def test_a_run_that_learnt_the_answers_is_not_measured(shop, parts):
    _, test = parts
    with pytest.raises(ConfigError, match="perhaps on the answers"):
        gv.evaluate([gv.fit("ease", shop)], test)
    other = pipeline.prepare(shop, "time")
    with pytest.raises(ConfigError, match="perhaps on the answers"):
        gv.evaluate([gv.fit("ease", other.train)], test)
    mixed = [gv.fit("popularity", parts.train), gv.fit("ease", other.train)]
    with pytest.raises(ConfigError, match="ease was trained on other events"):
        gv.evaluate(mixed, test)


def test_a_leaking_split_stops_with_a_failed_check(shop, parts):
    leaking = replace(parts, train=replace(parts.train, interactions=parts.test.history))
    with pytest.raises(CheckFailed, match="training"):
        pipeline.checked(leaking)


@pytest.mark.parametrize(
    ("rule", "options"),
    [
        ("leave-last-out", {}),
        ("leave-last-out", {"repeats": "keep"}),
        ("time", {}),
        ("time", {"test_fraction": 0.3, "validation_fraction": 0.0}),
        ("none", {}),
    ],
)
def test_a_split_is_made_again_from_what_a_run_remembers(shop, tmp_path, rule, options):
    made = split.of(shop, rule, **options)
    record = {"split": split.settings_of(made)}
    run = gv.fit("popularity", made.train, out=tmp_path / "run", record=record)
    kept = gv.open_run(run.path)
    if rule == "none":
        with pytest.raises(ConfigError, match="learnt from every event"):
            pipeline.split_of(kept, shop)
        return
    again = pipeline.split_of(kept, shop)
    np.testing.assert_array_equal(again.labels, made.labels)
    assert again.train.fingerprint == kept.record["fingerprint"] == made.test.trained_on


def test_every_rolling_window_is_made_again(shop):
    for made in split.rolling(shop, windows=2):
        again = split.remake(shop, split.settings_of(made))
        np.testing.assert_array_equal(again.labels, made.labels)


def test_a_folder_with_labels_may_be_split_otherwise(shop, tmp_path):
    folder = split.write(pipeline.prepare(shop, "time"), tmp_path / "labelled")
    labelled = open_dataset(folder)
    for rule in ("published", "leave-last-out"):
        made = split.of(labelled, rule)
        run = gv.fit("popularity", made.train, record={"split": split.settings_of(made)})
        np.testing.assert_array_equal(pipeline.split_of(run, labelled).labels, made.labels)


def test_the_best_on_validation_is_chosen_and_bounds_are_not(parts):
    runs = pipeline.baselines(parts.train)
    names = [run.name for run in runs]
    assert names == list(pipeline.BASELINES)
    chosen = pipeline.choose(runs, parts)
    scores = {
        run.name: pipeline.ranking.measure(run.model, parts.validation, "ndcg@10") for run in runs
    }
    able = {name: score for name, score in scores.items() if name not in pipeline.BOUNDS}
    assert chosen.name == max(able, key=lambda name: able[name])
    assert scores["oracle"] > max(able.values())


def test_without_validation_the_choice_is_stated_not_drawn(shop, parts):
    silent = pipeline.prepare(shop, "time", validation_fraction=0.0)
    runs = [gv.fit(name, silent.train) for name in ("popularity", "ease", "random")]
    assert pipeline.choose(runs, silent).name == "ease"
    assert pipeline.choose([runs[0], runs[2]], silent).name == "popularity"


def test_a_baseline_that_cannot_be_fitted_says_why_and_the_others_go_on(caplog):
    data = world([("u", "a"), ("u", "b"), ("v", "a")])
    timeless = replace(data, schema=replace(data.schema, clock="order"))
    names = [run.name for run in pipeline.baselines(timeless)]
    assert "recent-popularity" not in names
    assert "oracle" not in names
    assert "ease" in names
    assert "baseline recent-popularity left out" in caplog.text


def test_a_config_is_found_in_the_table_by_its_class_and_values(parts):
    assert gv.fit(EASE.Config(), parts.train).name == "ease"
    from grapevine.models import Popularity

    assert gv.fit(Popularity.Config(days=30.0), parts.train).name == "recent-popularity"
    assert gv.fit(Popularity.Config(days=3.0), parts.train).name == "popularity"
    with pytest.raises(ConfigError, match="not the config of a model"):
        gv.fit(object(), parts.train)


def test_two_settings_of_one_model_stand_side_by_side(parts):
    runs = [gv.fit(EASE.Config(regularization=weight), parts.train) for weight in (1.0, 500.0)]
    report = gv.evaluate(runs, parts.test)
    assert len({result.label for result in report.results}) == 2
    assert any("regularization=1.0" in result.label for result in report.results)


def test_vectors_and_their_index_come_of_a_run_or_of_its_folder(parts, tmp_path):
    run = gv.fit("als", parts.train, out=tmp_path / "run", settings=["model.iterations=1"])
    facts = pipeline.embed(run, tmp_path / "vectors")
    assert facts == pipeline.embed(tmp_path / "run", tmp_path / "again")
    built = pipeline.index(tmp_path / "vectors", tmp_path / "index", metric="cosine")
    assert (len(built), built.settings.metric) == (facts["items"], "cosine")
    assert list(open_index(tmp_path / "index").ids) == list(run.items.ids)
    with pytest.raises(ConfigError, match="does not hold an index"):
        pipeline.index(tmp_path / "vectors", tmp_path / "run")

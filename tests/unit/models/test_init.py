"""What every model of the table does besides `grapevine.testing.contracts.check_model`."""

import math
import re
from dataclasses import fields, replace

import numpy as np
import pytest

from grapevine import training
from grapevine.config import override
from grapevine.data.dataset import Dataset
from grapevine.data.schema import Schema
from grapevine.errors import ConfigError
from grapevine.models import MODELS, ModelRow
from grapevine.structs.batch import Batch
from grapevine.structs.jagged import Jagged
from grapevine.testing.contracts import briefly

ROWS = {name: row for name, row in MODELS.items() if not name.endswith("oracle")}
# A chain looks at the last item alone: its planted world is the cycle, in test_markov.py.
# With more factors than items, ALS would tell back what happened and nothing else.
TASTE = {
    "item-knn": MODELS["item-knn"].config,
    "ease": MODELS["ease"].config,
    "als": replace(MODELS["als"].config, factors=2),
    "bpr": MODELS["bpr"].config,
}

every_model = pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)


@pytest.fixture
def train(world, random_histories) -> Dataset:
    return world(random_histories, 30)


@every_model
def test_asking_changes_neither_the_model_nor_the_question(row: ModelRow, train: Dataset):
    model = training.fit(briefly(row.config), train)
    batch = train.interactions.batch(np.arange(80))
    before, items = model.state(), batch.items.copy()
    before = {name: array.copy() for name, array in before.items()}
    model.score(batch)
    np.testing.assert_array_equal(batch.items, items)
    for name, array in model.state().items():
        np.testing.assert_array_equal(array, before[name])


@every_model
def test_no_question_no_history_and_unknown_items_are_answered(row: ModelRow, train: Dataset):
    model = training.fit(briefly(row.config), train)
    nobody = Batch.of_histories(Jagged.from_lists([]))
    assert model.score(nobody).shape == (0, 30)
    empty, unknown = model.score(Batch.of_histories(Jagged.from_lists([[], [-1, -1]])))
    assert np.isfinite(empty).all()
    if "random" not in type(model).__name__.lower():
        np.testing.assert_allclose(empty, unknown)


@pytest.mark.parametrize("config", TASTE.values(), ids=TASTE)
def test_finds_the_held_out_item_of_the_checkerboard(config, world, checkerboard):
    train = world(checkerboard, 24)
    scores = config.fit(train).score(train.interactions.batch(np.arange(24))).copy()
    for user, history in enumerate(checkerboard):
        scores[user, history] = -np.inf
    np.testing.assert_array_equal(scores.argmax(1), np.arange(24))


@pytest.mark.parametrize(
    "row",
    [row for name, row in ROWS.items() if name in {"popularity", "markov", "item-knn", "ease"}],
    ids=lambda row: row.model.__name__,
)
def test_renaming_the_items_renames_the_scores(row: ModelRow, world, random_histories):
    order = np.random.default_rng(0).permutation(30)
    renamed = [order[history].tolist() for history in random_histories]
    users = np.arange(80)
    before, after = (
        row.config.fit(data).score(data.interactions.batch(users))
        for data in (world(random_histories, 30), world(renamed, 30))
    )
    np.testing.assert_allclose(after[:, order], before, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["markov", "item-knn", "ease", "als"])
def test_a_stranger_with_the_same_history_gets_the_same_scores(name, train: Dataset):
    model = MODELS[name].config.fit(train)
    known = train.interactions.batch(np.arange(80))
    strangers = Batch.of_histories(train.interactions.histories)
    np.testing.assert_array_equal(model.score(known), model.score(strangers))


@pytest.mark.parametrize("name", ["markov", "item-knn", "ease", "als"])
def test_only_the_target_counts_unless_all_are_asked_for(name, world):
    schema = Schema(behaviours=("click", "buy"))
    histories = [[0, 1, 2], [0, 1, 3], [1, 0, 3], [2, 3, 4]]
    behaviours = [[1, 1, 0], [1, 1, 0], [1, 0, 1], [0, 1, 1]]
    mixed = world(histories, 5, behaviours=behaviours, schema=schema)
    bought = [
        [item for item, kind in zip(items, kinds) if kind == 1]
        for items, kinds in zip(histories, behaviours)
    ]
    only = world(bought, 5)
    config = MODELS[name].config
    users = np.arange(4)
    np.testing.assert_array_equal(
        config.fit(mixed).score(mixed.interactions.batch(users)),
        config.fit(only).score(only.interactions.batch(users)),
    )
    plain = world(histories, 5)
    np.testing.assert_array_equal(
        replace(config, behaviours="all").fit(mixed).score(mixed.interactions.batch(users)),
        config.fit(plain).score(plain.interactions.batch(users)),
    )


def numbers(row: ModelRow, *kinds: object) -> list[str]:
    return [one.name for one in fields(row.config) if one.type in kinds]


@every_model
def test_no_option_is_nan_or_infinite(row: ModelRow):
    for name in numbers(row, float, float | None):
        for value in (math.nan, math.inf, -math.inf):
            with pytest.raises(ConfigError, match=rf"model\.{name} .*: got -?(nan|inf)\nhint: "):
                replace(row.config, **{name: value})


@every_model
def test_impossible_settings_are_refused_by_name(row: ModelRow):
    for name in numbers(row, int, float, float | None):
        for text in ("nan", "-1"):
            with pytest.raises(ConfigError, match=rf"model\.{name}.* got {text}"):
                override(row.config, [f"model.{name}={text}"])


@pytest.mark.parametrize(
    ("name", "option", "value", "message"),
    [
        ("ease", "regularization", 0.0, "> 0 and finite: got 0.0\nhint: the paper tries 100"),
        ("recent-popularity", "days", 0.0, "> 0 and finite: got 0.0\nhint: leave it out"),
        ("als", "factors", 0, ">= 1 and finite: got 0\nhint: leave it out for 64"),
        ("als", "iterations", 0, ">= 1"),
        ("als", "steps", 0, ">= 1"),
        ("als", "alpha", 0.0, "> 0"),
        ("als", "regularization", 0.0, "> 0"),
        ("bpr", "factors", 0, ">= 1"),
        ("bpr", "iterations", 0, ">= 1"),
        ("bpr", "learning_rate", 0.0, "> 0"),
        ("item-knn", "neighbours", 0, ">= 1"),
        ("markov", "last", 0, ">= 1"),
        ("markov", "decay", 0.0, "> 0 and <= 1: got 0.0"),
        ("markov", "decay", 1.1, "> 0 and <= 1: got 1.1"),
    ],
)
def test_bounds_of_the_options(name, option, value, message):
    with pytest.raises(ConfigError, match=re.escape(f"model.{option} {message}")):
        replace(MODELS[name].config, **{option: value})


def test_the_ends_that_will_do():
    replace(MODELS["bpr"].config, regularization=0.0)
    replace(MODELS["item-knn"].config, shrink=0.0, neighbours=1)
    replace(MODELS["markov"].config, decay=1.0, backoff=0.0, last=1)
    replace(MODELS["popularity"].config, days=None)

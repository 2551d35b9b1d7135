import numpy as np
import pytest

import grapevine as gv
from grapevine.errors import ConfigError
from grapevine.models import recommend

SMALL = ["model.width=16", "model.epochs=1"]


@pytest.fixture(scope="module")
def parts():
    return gv.pipeline.prepare(gv.shop(users=60))


@pytest.fixture(scope="module")
def vine(parts):
    return gv.fit("vine", parts.train, settings=SMALL)


def test_a_list_tells_each_chance_and_the_rating_of_its_items(parts, vine):
    users = vine.users.ids[:4].to_list()
    table = vine.recommend(users=users, k=3, chances=True)
    plain = vine.recommend(users=users, k=3)
    assert table.drop("chances", "rating").equals(plain)
    batch = vine.questions(users)
    items = vine.items.rows(table["item_id"]).reshape(4, 3)
    told = vine.model.chances(batch, items).reshape(12, -1)
    names = vine.schema.behaviours
    for column, name in enumerate(names):
        np.testing.assert_allclose(
            table["chances"].struct.field(name), told[:, column], rtol=1e-5, atol=1e-7
        )
    np.testing.assert_allclose(table["rating"], vine.model.ratings(batch, items).ravel(), rtol=1e-5)
    # Of another behaviour's list the chances are the same.
    clicks = vine.answering("click").recommend(users=users[:1], k=3, chances=True)
    assert clicks["chances"].struct.fields == list(names)


def test_however_many_are_asked_at_once_the_chances_are_the_same(vine, monkeypatch):
    users = vine.users.ids[:7].to_list()
    whole = vine.recommend(users=users, k=3, chances=True)
    monkeypatch.setattr(recommend, "BLOCK_BYTES", 4 * len(vine.items) * 2)  # two users a block
    asked, chances = list[int](), type(vine.model).chances
    monkeypatch.setattr(
        type(vine.model), "chances",
        lambda model, batch, items: asked.append(len(batch)) or chances(model, batch, items),
    )  # fmt: skip
    parts = vine.recommend(users=users, k=3, chances=True)
    assert asked == [2, 2, 2, 1]
    assert parts["item_id"].equals(whole["item_id"])
    for field in whole["chances"].struct.fields:
        np.testing.assert_allclose(
            parts["chances"].struct.field(field), whole["chances"].struct.field(field), rtol=1e-5
        )


def test_what_was_not_learnt_is_left_out_and_nothing_at_all_is_an_error(parts):
    ranked = gv.fit("dcn", parts.train, settings=["model.epochs=1", "model.folds=2"])
    user = ranked.users.ids[:1].to_list()
    found = ranked.recommend(users=user, k=3, chances=True)
    assert "rating" not in found.columns
    assert found["chances"].struct.fields == list(ranked.model.names)
    untaught = ["model.chances=0", "model.ratings=0", *SMALL]
    silent = gv.fit("vine", parts.train, settings=untaught)
    with pytest.raises(ConfigError, match="learnt no chances"):
        silent.recommend(users=user, chances=True)
    with pytest.raises(ConfigError, match="tells no chances"):
        gv.fit("popularity", parts.train).recommend(users=user, chances=True)

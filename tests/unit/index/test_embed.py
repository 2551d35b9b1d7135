from dataclasses import dataclass, replace

import numpy as np
import pytest

import grapevine as gv
from grapevine.errors import BundleError, CheckFailed, ConfigError
from grapevine.index import embed as embedding
from grapevine.index.embed import embed, open_embeddings
from grapevine.models.base import Fitted
from grapevine.testing.worlds import checkerboard, world


@pytest.fixture(scope="module")
def run():
    return gv.fit("als", world(checkerboard(30, 24)), settings=["model.factors=8"])


def test_products_of_the_vectors_are_the_scores(run, tmp_path):
    facts = embed(run, tmp_path / "vectors")
    given = open_embeddings(tmp_path / "vectors")
    assert (facts["items"], facts["users"], facts["width"]) == (24, 30, 8)
    assert given.ids.to_list() == run.items.ids.to_list()
    assert given.user_ids.to_list() == run.users.ids.to_list()
    scores = run.model.score(run.questions(given.user_ids.to_list()))
    assert np.allclose(given.user_vectors @ given.vectors.T, scores, atol=1e-5)


def test_users_come_block_by_block(run, tmp_path, monkeypatch):
    embed(run, tmp_path / "whole")
    monkeypatch.setattr(embedding, "USERS_AT_ONCE", 7)
    embed(run, tmp_path / "parts")
    one, two = (open_embeddings(tmp_path / name) for name in ("whole", "parts"))
    assert np.allclose(one.user_vectors, two.user_vectors, atol=1e-6)


@dataclass(frozen=True, kw_only=True)
class Layered(Fitted):
    """A model that has vectors of items and counts what they cost."""

    def score(self, batch):
        return np.zeros((len(batch), 24), np.float32)

    def item_vectors(self):
        return np.arange(48, dtype=np.float32).reshape(24, 2), {"convolution rows": 2 * 24}


def test_a_model_that_knows_how_to_embed_is_asked_first(run, tmp_path):
    facts = embed(replace(run, model=Layered(config=None)), tmp_path / "vectors")
    given = open_embeddings(tmp_path / "vectors")
    assert facts["counted"] == given.settings["counted"] == {"convolution rows": 48}
    assert given.vectors.tolist() == np.arange(48).reshape(24, 2).tolist()
    assert len(given.user_ids) == len(given.user_vectors) == 0


def test_a_model_without_vectors_says_which_have_them(tmp_path):
    run = gv.fit("popularity", world(checkerboard(6, 6)))
    with pytest.raises(ConfigError, match=r"popularity has no vectors[^\n]*\nhint: .*\bals\b"):
        embed(run, tmp_path / "vectors")
    assert not (tmp_path / "vectors").exists()


def test_a_vector_that_is_not_finite_is_named(run, tmp_path):
    broken = run.model.items.copy()
    broken[[3, 5], 0] = np.nan
    bad = replace(run, model=replace(run.model, items=broken))
    with pytest.raises(CheckFailed, match="the vector of item `3` is not finite, and 1 more"):
        embed(bad, tmp_path / "vectors")


def test_an_index_is_no_folder_of_vectors(tmp_path):
    with pytest.raises(BundleError, match="grapevine embed RUN --out DIR"):
        open_embeddings(tmp_path)

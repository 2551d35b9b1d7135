"""The vectors that a run is embedded by are those that its scores are products of, and serve it."""

import numpy as np
import pytest

import grapevine as gv
from grapevine.index.build import build
from grapevine.index.embed import embed, open_embeddings
from grapevine.models import MODELS
from grapevine.models.base import Factored
from grapevine.serving.engine import Served
from grapevine.testing.contracts import briefly
from grapevine.testing.worlds import checkerboard, world

DATA = world(checkerboard(40, 24), items=("new",))
NAMES = sorted(name for name, row in MODELS.items() if hasattr(row.model, "products"))


@pytest.mark.parametrize("name", NAMES)
def test_embedded_indexed_and_served(name, tmp_path):
    run = gv.fit(briefly(MODELS[name].config, 1), DATA, seed=0)
    assert isinstance(run.model, Factored)
    embed(run, tmp_path / "vectors")
    given = open_embeddings(tmp_path / "vectors")
    scores = run.model.score(run.questions(given.user_ids.to_list()))
    products = given.user_vectors @ given.vectors.T
    np.testing.assert_allclose(products, scores, atol=1e-5 * np.abs(scores).max())
    index = build(given.vectors, given.ids, kind="flat")
    Served.of(run, "1", index=index)

import json
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import pytest

from grapevine.data.schema import Schema
from grapevine.evaluation.pictures import flat, pictures_of
from grapevine.models import MODELS
from grapevine.models.als import ALS
from grapevine.models.run import Run
from grapevine.structs import NeighbourTable
from grapevine.testing.worlds import checkerboard, world

RECORD = {"seed": 0, "train_seconds": 0.1, "events": 66, "split": {}}


@dataclass(frozen=True, kw_only=True)
class WalkedALS(ALS):
    """ALS that says that each item listens to the next two."""

    @property
    def neighbours(self):
        nodes = (np.arange(12)[:, None] + [1, 2]) % 12
        return NeighbourTable(nodes.astype(np.int32), np.full((12, 2), 0.5, np.float32))


@pytest.fixture
def run(tmp_path):
    data = world(checkerboard())
    model = MODELS["als"].config.fit(data, seed=0)
    walked = WalkedALS(config=model.config, **model.state())
    table = data.item_table.with_columns(
        title=pl.format("<Item {}>", "item_id"),
        tags=pl.Series([["even"] if i % 2 == 0 else ["odd"] for i in range(12)]),
    )
    made = Run.of("als", walked, data, RECORD, None)
    schema = Schema(items={"title": "title", "tags": "tags"})
    return replace(made, item_table=table, schema=replace(schema, behaviours=("event",)))


def test_a_run_shows_its_neighbourhoods_and_its_map(run):
    pictures = {one.title: one for one in pictures_of(run)}
    network, items = pictures.values()
    assert network.title.startswith("Whom <Item ")
    assert network.drawing.count('class="edge"') == 2
    assert "&lt;Item" in network.drawing
    assert "<Item" not in network.drawing
    assert items.drawing.count("<circle") == 12
    assert "tags" in items.note
    assert "even" in items.note


def test_a_model_that_neither_walks_nor_has_vectors_has_no_picture(run):
    data = world(checkerboard())
    plain = MODELS["item-knn"].config.fit(data, seed=0)
    assert pictures_of(replace(run, model=plain)) == []


def test_training_is_drawn_where_there_was_some(run, tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"epoch": 1, "seconds": 2}\n')
    assert "Loss" not in [one.title for one in pictures_of(replace(run, path=tmp_path))]
    lines = [
        {"epoch": n, "loss": {"bpr": 1 / n, "l2": 0.1}, "validation": {"ndcg@10": n / 9}}
        for n in range(1, 4)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    pictures = {one.title: one for one in pictures_of(replace(run, path=tmp_path))}
    assert pictures["Loss"].drawing.count('class="curve') == 2
    assert pictures["Validation"].drawing.count('class="curve') == 1


def test_a_map_is_the_plane_that_the_vectors_lie_in_and_does_not_turn_over():
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, 50)
    plane = np.stack([np.cos(angle), np.sin(angle)], 1)
    turn, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    vectors = (plane @ turn[:2]).astype(np.float32)
    places = flat(vectors)
    # All distances are kept, since nothing lies outside the plane.
    for one, other in rng.integers(50, size=(20, 2)):
        wanted = np.linalg.norm(plane[one] - plane[other])
        assert np.linalg.norm(places[one] - places[other]) == pytest.approx(wanted, abs=1e-5)
    np.testing.assert_allclose(flat(vectors * 3), places, atol=1e-5)
    assert flat(np.ones((4, 1), np.float32)).shape == (4, 2)

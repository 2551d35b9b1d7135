from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from grapevine.data.dataset import LABELS, TEST, TRAIN, UNUSED, VALIDATION, Dataset
from grapevine.data.interactions import Interactions
from grapevine.data.schema import Schema
from grapevine.data.vocabulary import Vocabulary


@pytest.fixture
def data() -> Dataset:
    return Dataset(
        schema=Schema(name="tiny", behaviours=("click", "buy")),
        users=Vocabulary.of(["u", "v"]),
        items=Vocabulary.of([10, 20, 30]),
        interactions=Interactions(
            offsets=np.array([0, 2, 3]),
            items=np.array([0, 1, 1], np.int32),
            behaviours=np.array([0, 1, 1], np.uint8),
            times=np.array([1, 2, 3]),
            num_items=3,
        ),
        item_table=pl.DataFrame({"item_id": [10, 20, 30]}),
    )


def test_labels_are_named_in_the_order_of_their_numbers():
    assert [LABELS[n] for n in (TRAIN, VALIDATION, TEST, UNUSED)] == [
        "train", "validation", "test", "unused"
    ]  # fmt: skip


def test_the_target_is_what_is_predicted(data):
    assert data.name == "tiny"
    assert [part.tolist() for part in data.target_interactions.histories] == [[1], [1]]


def test_a_user_without_a_row_is_refused(data):
    with pytest.raises(ValueError, match="2 histories for 1 users"):
        replace(data, users=Vocabulary.of(["u"]))


def test_items_events_and_table_must_agree(data):
    with pytest.raises(ValueError, match="3 items, but 3 in the events and 2 in the item table"):
        replace(data, item_table=data.item_table.head(2))
    with pytest.raises(ValueError, match="2 items, but 3 in the events"):
        replace(data, items=Vocabulary.of([10, 20]))


def items_of(data: Dataset, **columns) -> Dataset:
    return replace(data, item_table=pl.DataFrame({"item_id": [10, 20, 30], **columns}))


def test_the_catalogue_is_known_by_each_cell_and_not_by_how_it_was_cut(data):
    columns = {
        "title": ["tea", None, "jam"],
        "tags": [["a"], [], ["b", "c"]],
        "picture": [b"1", b"22", None],
        "kind": pl.Series(["x", "y", "x"], dtype=pl.Categorical),
    }
    given = items_of(data, **columns)
    table = given.item_table
    cut = pl.concat([table.head(1), pl.concat([table, table]).slice(4, 2)], rechunk=False)
    assert replace(data, item_table=cut).catalogue_fingerprint == given.catalogue_fingerprint
    changed = [
        {**columns, "title": ["tea", None, "jan"]},
        {**columns, "title": ["tea", "", "jam"]},
        {**columns, "tags": [["a"], ["b"], ["c"]]},
        {**columns, "picture": [b"1", b"23", None]},
        {**columns, "kind": ["x", "y", "y"]},
    ]
    found = {items_of(data, **other).catalogue_fingerprint for other in changed}
    titled = replace(given, schema=replace(data.schema, items={"title": "title"}))
    assert len(found | {given.catalogue_fingerprint, titled.catalogue_fingerprint}) == 7
    assert titled.fingerprint == given.fingerprint


def test_every_part_of_a_long_catalogue_counts(data, monkeypatch):
    monkeypatch.setattr("grapevine.data.dataset.ITEMS_AT_ONCE", 2)
    one, other = items_of(data, title=["a", "b", "c"]), items_of(data, title=["a", "b", "d"])
    assert one.catalogue_fingerprint != other.catalogue_fingerprint

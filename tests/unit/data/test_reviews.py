from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from grapevine.data import split
from grapevine.data.audit import audit
from grapevine.data.dataset import TEST, TRAIN
from grapevine.data.folder import open_dataset, write_dataset
from grapevine.data.reviews import COLUMN, with_reviews_as_text
from grapevine.data.schema import Schema
from grapevine.errors import ConfigError, DataError
from grapevine.testing.worlds import world


@pytest.fixture
def data(tmp_path):
    """Ten users review twenty items in turn; every review has a word of its own."""
    rows = [(u, (7 * n + 3 * u) % 20, 10 * n + u) for u in range(10) for n in range(12)]
    events = pl.DataFrame(
        {
            "user_id": [f"u{u}" for u, _, _ in rows],
            "item_id": [f"i{i:02}" for _, i, _ in rows],
            "timestamp": [t for _, _, t in rows],
            "text": [f"u{u}i{i:02}" for u, i, _ in rows],
            "summary": [f"t{t}" if t % 2 else None for _, _, t in rows],
        }
    )
    schema = Schema(name="reviews", behaviours=("review",), events={"summary": "text"})
    return open_dataset(write_dataset(tmp_path / "data", schema, events))


def words(parts) -> set[str]:
    """Of which events something can be read, as `uUiI`."""
    texts = parts.train.item_table[COLUMN].drop_nulls()
    found = {word for text in texts for word in text.split() if word.startswith("u")}
    assert len(found) == sum(text.count("u") for text in texts)
    return found


def names(data, keep) -> set[str]:
    events = data.interactions
    return {
        f"{user}{item}"
        for user, item in zip(
            data.users.ids.gather(events.users[keep]), data.items.ids.gather(events.items[keep])
        )
    }


def test_only_training_reviews_are_read(data):
    parts = with_reviews_as_text(data, "leave-last-out")
    plain = split.leave_last_out(data)
    assert np.array_equal(parts.labels, plain.labels)
    assert parts.train.fingerprint == plain.train.fingerprint
    assert words(parts) == names(data, plain.labels == TRAIN)
    assert parts.train.schema.items == {COLUMN: "text"}


def test_reviews_of_an_item_are_its_own_oldest_first_with_all_their_texts(data):
    parts = with_reviews_as_text(data, "leave-last-out")
    table = parts.train.item_table
    item = table["item_id"].to_list().index("i07")
    text = table[COLUMN][item].split()
    authors = [word for word in text if word.startswith("u")]
    assert all(word.endswith("i07") for word in authors)
    row = data.items.rows(["i07"])[0]
    order = np.argsort(data.interactions.times[data.interactions.items == row])
    written = data.users.ids.gather(data.interactions.users[data.interactions.items == row][order])
    assert authors == [f"{user}i07" for user in written if f"{user}i07" in authors]
    assert any(word.startswith("t") for word in text)


def test_a_cold_item_is_described_by_what_is_neither_learnt_nor_asked(data):
    parts = with_reviews_as_text(data, "cold-items", set_aside=2)
    assert not audit(parts).findings
    read = words(parts)
    assert not read & names(parts.data, parts.labels != TRAIN)
    assert names(parts.data, parts.labels == TRAIN) < read
    cold = set(parts.train.items.ids.gather(np.unique(parts.test.targets.values)).to_list())
    for item, text in parts.train.item_table.select("item_id", COLUMN).iter_rows():
        reviews = [word for word in text.split() if word.startswith("u")]
        assert len(reviews) == 2 if item in cold else len(reviews) >= 2
    assert len(parts.data.interactions) == len(data.interactions) - 2 * len(data.items)
    assert (parts.labels == TEST).any()


def test_who_wrote_a_description_is_never_asked_for_the_item(tmp_path):
    """Even where they came back to it."""
    again = [("u", "a", 1), ("u", "a", 9), ("v", "a", 2), ("w", "a", 3), ("w", "b", 4)]
    events = pl.DataFrame(
        {
            "user_id": [u for u, _, _ in again],
            "item_id": [i for _, i, _ in again],
            "timestamp": [t for _, _, t in again],
            "text": ["x"] * 5,
        }
    )
    made = write_dataset(tmp_path / "data", Schema(behaviours=("review",)), events)
    parts = with_reviews_as_text(open_dataset(made), "none", set_aside=1)
    assert names(parts.data, parts.labels == TRAIN) == {"va", "wa"}


def test_items_with_a_catalogue_keep_it(data):
    table = data.item_table.with_columns(title=pl.lit("tea"))
    schema = replace(data.schema, catalogue=True, items={"title": "title"})
    parts = with_reviews_as_text(replace(data, item_table=table, schema=schema), "cold-items")
    assert parts.train.schema.items == {"title": "title", COLUMN: "text"}
    assert parts.train.item_table.columns == ["item_id", "title", COLUMN]


def test_what_cannot_be_is_refused(data):
    with pytest.raises(DataError, match="carry no text"):
        with_reviews_as_text(world([("u", "a")]))
    with pytest.raises(ConfigError, match="cannot be set aside"):
        with_reviews_as_text(data, set_aside=-1)
    with pytest.raises(ConfigError, match="column `reviews` already"):
        with_reviews_as_text(
            replace(data, item_table=data.item_table.with_columns(reviews=pl.lit("")))
        )

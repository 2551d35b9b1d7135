import io
import json
from dataclasses import replace
from datetime import date, datetime

import numpy as np
import polars as pl
import pytest
from PIL import Image

from grapevine.data import split
from grapevine.data.dataset import Dataset
from grapevine.errors import ConfigError
from grapevine.testing.worlds import AWKWARD, world
from grapevine.views.features import FeatureView, degrees_of

ROLES = {
    "name": "title",
    "about": "text",
    "brand": "category",
    "genres": "tags",
    "price": "number",
    "since": "time",
    "look": "vector",
    "picture": "image",
    "sound": "audio",
}


def png(colour) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 20), colour).save(buffer, "PNG")
    return buffer.getvalue()


def table(items) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "item_id": items,
            "name": ["Green Tea", "green  TEA!", None, "Rum"],
            "about": ["a drink", None, "", "a drink"],
            "brand": ["x", "x", None, "y"],
            "genres": [["hot", "leaf"], [], None, ["cold"]],
            "price": [1.0, 2.0, None, 3.0],
            "since": [datetime(2024, 1, 1), datetime(2024, 1, 3), datetime(2024, 1, 5), None],
            "look": [[1.0, 0.0], [3.0, 4.0], None, [5.0, 2.0]],
            "picture": [png("red"), b"no picture", None, png((0, 0, 255))],
            "sound": [b"", b"", b"", b""],
        },
        schema_overrides={"genres": pl.List(pl.String), "look": pl.List(pl.Float64)},
    )


@pytest.fixture
def data() -> Dataset:
    made = world([("u", i) for i in "abcd"] + [("v", "a"), ("v", "b")])
    return replace(
        made, schema=replace(made.schema, items=ROLES), item_table=table(list(made.items.ids))
    )


@pytest.fixture
def view(data) -> FeatureView:
    return FeatureView.fit(data, image_size=8)


def test_words_are_folded_and_the_same_title_has_the_same_tokens(view, data):
    features = view.encode_all(data)
    title = features.tokens["title"]
    assert title[0].tolist() == title[1].tolist()
    # Two words, and one token for each of their letters.
    assert len(title[0]) == 2 + len("greentea")
    assert len(title[2]) == 0
    assert len(features.tokens["text"][0]) == 2


def test_names_are_tokens_and_what_is_missing_is_none(view, data):
    tokens = view.encode_all(data).tokens
    assert tokens["category"].lengths.tolist() == [1, 1, 0, 1]
    assert tokens["category"].values[0] == tokens["category"].values[1]
    assert tokens["tags"].lengths.tolist() == [2, 0, 0, 1]
    assert all(lists.values.max() < view.buckets for lists in tokens.values())


def test_odd_letters_are_words_too(view):
    odd = pl.DataFrame({"name": ["E\u0301te\u0301 ２", "été 2", "日本茶", "🍵 — !", "ﬁn"]})
    title = view.encode(odd).tokens["title"]
    # Composed or not, wide or not: the same letters.
    assert title[0].tolist() == title[1].tolist()
    assert len(title[2]) == 1 + 3
    assert len(title[3]) == 0
    assert len(title[4]) == 1 + 3


def test_numbers_by_hand(view, data):
    numbers = view.encode_all(data).numbers
    # price and its flag, since and its flag, degree
    assert numbers.shape == (4, 5)
    price, price_flag, since, since_flag, degree = numbers.T
    # Clipped at the outer half percent: 1.01, 2 and 2.99, with mean 2.
    np.testing.assert_allclose(price, np.array([-0.99, 0, 0, 0.99]) / (0.99 * (2 / 3) ** 0.5), 1e-5)
    assert price_flag.tolist() == [0, 0, 1, 0]
    assert since_flag.tolist() == [0, 0, 0, 1]
    assert since[0] == pytest.approx(-since[2])
    assert degree[0] == degree[1] > degree[2] == degree[3]


def test_vectors_are_standardised_and_zero_where_missing(view, data):
    look = view.encode_all(data).vectors["look"]
    known = look[[0, 1, 3]]
    np.testing.assert_allclose(known.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(known.std(0), 1, rtol=1e-6)
    assert look[2].tolist() == [0, 0]


def test_vectors_of_another_width_are_missing(view):
    other = pl.DataFrame({"look": [[1.0, 0.0, 0.0], [float("nan"), 1.0], [1.0, 0.0]]})
    look = view.encode(other).vectors["look"]
    assert (look[:2] == 0).all()
    assert (look[2] != 0).all()


def test_pictures_are_pixels_and_black_where_unreadable(view, data, caplog):
    caplog.set_level("INFO", logger="grapevine")
    images = view.encode_all(data).images
    assert images.shape == (4, 3, 8, 8)
    assert (images[0] == np.array([255, 0, 0])[:, None, None]).all()
    assert (images[3] == np.array([0, 0, 255])[:, None, None]).all()
    assert not images[1:3].any()
    assert "1 are missing, 1 cannot be read" in caplog.text


def test_a_view_is_what_its_arrays_say(view, data):
    again = FeatureView.from_arrays({n: a.copy() for n, a in view.arrays().items()})
    assert all(isinstance(one, np.ndarray) for one in view.arrays().values())
    first, second = view.encode_all(data), again.encode_all(data)
    assert first.numbers.tobytes() == second.numbers.tobytes()
    assert first.vectors["look"].tobytes() == second.vectors["look"].tobytes()
    assert first.images.tobytes() == second.images.tobytes()
    for kind, lists in first.tokens.items():
        assert lists.values.tolist() == second.tokens[kind].values.tolist()
    assert json.loads(view.arrays()["settings"].tobytes())["image_size"] == 8


def test_new_items_are_seen_as_if_they_had_been_there(view, data):
    features = view.encode_all(data)
    new = view.encode(data.item_table[[3, 0]], degrees=np.array([1, 2]))
    same = features.take(np.array([3, 0]))
    assert new.numbers.tolist() == same.numbers.tolist()
    assert new.tokens["title"].values.tolist() == same.tokens["title"].values.tolist()
    assert (new.images == same.images).all()


def test_a_new_item_has_no_degree_and_may_lack_columns(view, caplog):
    caplog.set_level("INFO", logger="grapevine")
    new = view.encode(pl.DataFrame({"name": ["Rum"]}))
    assert np.isfinite(new.numbers).all()
    # Nothing is known of it yet: the mean, not the least.
    assert new.numbers[0, -1] == 0
    assert not new.images.any()
    assert "`brand` is missing of all 1 items" in caplog.text


def test_items_nobody_met_do_not_make_the_degree_of_the_others():
    met = world([(u, i) for u, i in zip("uuuuvvw", "abcdaba")])
    more = world([(u, i) for u, i in zip("uuuuvvw", "abcdaba")], items="xyz")
    first, second = (FeatureView.fit(data) for data in (met, more))
    assert first.degree == second.degree
    numbers = second.encode_all(more).numbers
    assert numbers.shape == (7, 1)
    np.testing.assert_allclose(numbers[:4].mean(), 0, atol=1e-6)
    assert not numbers[4:].any()


def test_degrees_are_of_the_training_events_alone():
    data = world([("u", i) for i in "abc"] + [("v", i) for i in "bca"])
    train, _ = split.leave_last_out(data)
    assert degrees_of(train).sum() == len(train.interactions) < len(data.interactions)
    unsplit = FeatureView.fit(data).degree
    assert FeatureView.fit(train).degree != unsplit


@pytest.mark.parametrize(
    ("use", "kinds"),
    [
        (["title"], {"title"}),
        (["image", "degree"], {"image", "numbers"}),
        (["brand", "price"], {"category", "numbers"}),
        (["look"], {"look"}),
    ],
)
def test_only_what_is_used_is_seen(data, use, kinds):
    features = FeatureView.fit(data, use=use, image_size=4).encode_all(data)
    found = {*features.tokens, *features.vectors}
    found |= {"numbers"} if features.numbers is not None else set()
    found |= {"image"} if features.images is not None else set()
    assert found == kinds


def test_sound_is_left_out_with_a_note(data, caplog):
    caplog.set_level("INFO", logger="grapevine")
    assert "sound" not in FeatureView.fit(data).columns
    assert "`sound` is left out" in caplog.text


def test_a_wrong_kind_and_nothing_at_all_are_refused(data):
    with pytest.raises(ConfigError, match="titel"):
        FeatureView.fit(data, use=["titel"])
    with pytest.raises(ConfigError, match="its items have nothing of title"):
        FeatureView.fit(world([("u", "a")]), use=["title"])


@pytest.mark.parametrize("made", AWKWARD.values(), ids=AWKWARD)
def test_a_catalogue_of_ids_alone_has_degrees(made):
    data = made()
    features = FeatureView.fit(data).encode_all(data)
    assert features.numbers.shape == (len(data.items), 1)
    assert np.isfinite(features.numbers).all()


def test_skewed_numbers_are_taken_by_their_logarithm():
    made = world([("u", i) for i in range(50)])
    price = np.exp(np.linspace(0, 9, 50))
    items = made.item_table.with_columns(price=pl.Series(price), year=pl.Series(range(50)))
    roles = {"price": "number", "year": "number"}
    view = FeatureView.fit(
        replace(made, item_table=items, schema=replace(made.schema, items=roles))
    )
    assert view.scales["price"].log
    assert not view.scales["year"].log
    assert not view.scales["year"].flag
    spread = view.encode(items).numbers[:, 0]
    assert abs(spread).max() < 2


@pytest.mark.parametrize(
    "column",
    [
        pl.Series("since", [date(2024, 1, 1), date(2024, 1, 2)]),
        pl.Series("since", ["1", "soon"]),
        pl.Series("since", [float("inf"), 1.0]),
        pl.Series("since", [None, None], pl.Datetime("us", "Europe/Berlin")),
    ],
)
def test_times_of_any_kind_are_finite(column):
    made = world([("u", "a"), ("u", "b")])
    items = made.item_table.with_columns(column)
    data = replace(made, item_table=items, schema=replace(made.schema, items={"since": "time"}))
    assert np.isfinite(FeatureView.fit(data).encode_all(data).numbers).all()

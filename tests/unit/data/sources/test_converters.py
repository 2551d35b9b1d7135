"""What each converter makes of a few lines whose meaning is known, and of the real files."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from grapevine.data.fetch import convert, fetch
from grapevine.data.folder import open_dataset
from grapevine.data.sources import SOURCES
from grapevine.data.sources.base import Tables
from grapevine.data.sources.graphs import load_graph
from grapevine.data.sources.open_bandit import load_logs
from grapevine.errors import BundleError


def tables_of(name: str, folder: Path, files: dict[str, bytes]) -> Tables:
    """The tables that a source makes of hand-made files."""
    for file, content in files.items():
        (folder / file).write_bytes(content)
    tables = SOURCES[name].convert({file: folder / file for file in files})
    assert isinstance(tables, Tables)
    return tables


LASTFM = {
    "user_artists.dat": b"userID\tartistID\tweight\r\n2\t51\t13883\r\n2\t52\t11690\r\n4\t51\t1\r\n",
    "artists.dat": 'id\tname\turl\tpictureURL\n51\tDuran "D" Duran\tu\tp\n52\tMöt\tu\tp\n'.encode(),
}

ML_1M = {
    "ratings.dat": b"2::30::5::978300001\n1::10::3::978300760\n1::20::4::978300760\n"
    b"1::30::1::978300000\n",
    "movies.dat": "10::Amélie (Le fabuleux) (2001)::Comedy|Romance\n20::Heat (1995)::Action\n"
    "30::M (1931)::Crime\n40::Never rated (1950)::Drama\n".encode("latin-1"),
    "users.dat": b"1::F::1::10::48067\n2::M::56::16::06810-1\n",
}


def test_lastfm_by_hand(tmp_path):
    tables = tables_of("lastfm", tmp_path, LASTFM)
    assert tables.events.select("user_id", "item_id", "value").rows() == [
        (2, 51, 13883.0),
        (2, 52, 11690.0),
        (4, 51, 1.0),
    ]
    assert tables.items is not None
    assert tables.items.rows() == [(51, 'Duran "D" Duran'), (52, "Möt")]
    assert tables.schema.clock == "none"


def test_lastfm_of_the_wrong_size_is_refused(tmp_path):
    folder = tmp_path / "mirror/lastfm"
    folder.mkdir(parents=True)
    for name, content in LASTFM.items():
        (folder / name).write_bytes(content)
    with pytest.raises(BundleError, match="users should be 1,892, got 2"):
        convert(SOURCES["lastfm"], tmp_path / "out", tmp_path / "mirror")


def test_movielens_in_the_publishers_layout_by_hand(tmp_path):
    tables = tables_of("ml-1m", tmp_path, ML_1M)
    # In the order of time, ties in the order of the file.
    assert tables.events.select("user_id", "item_id", "value").rows() == [
        (1, 30, 1.0),
        (1, 10, 3.0),
        (1, 20, 4.0),
        (2, 30, 5.0),
    ]
    assert tables.events["timestamp"][0] == datetime(2000, 12, 31, 22, 0, tzinfo=UTC)
    assert tables.items is not None
    assert tables.items.row(0) == (10, "Amélie (Le fabuleux) (2001)", ["Comedy", "Romance"], 2001)
    assert len(tables.items) == 4
    assert tables.users is not None
    assert tables.users.row(1) == (2, "M", "56", "16", "06810-1")
    assert tables.schema.clock == "exact"
    assert "checked by their counts only" in tables.schema.notes[0]


def test_beibei_in_the_publishers_layout_by_hand(tmp_path):
    files = {"train.txt": b"0 5 6\n1 7\n", "cart.txt": b"0 5\n1\n", "test.txt": b"0 9\n"}
    tables = tables_of("beibei-mb", tmp_path, files)
    assert tables.events.select("user_id", "item_id", "behaviour", "split").rows() == [
        (0, 5, "cart", "train"),
        (0, 5, "buy", "train"),
        (0, 6, "buy", "train"),
        (1, 7, "buy", "train"),
        (0, 9, "buy", "test"),
    ]


@pytest.mark.data
@pytest.mark.slow
def test_movielens_says_which_times_are_bounds_and_keeps_the_order(mirror, fetched):
    data = open_dataset(fetched("ml-1m"))
    assert "34 % of the timestamps" in data.schema.notes[0]
    order = pl.read_parquet(mirror / "ml-1m/ratings.parquet").sort("user_id", "order")
    assert data.items.take(data.interactions.items).to_list() == order["item_id"].to_list()
    assert data.item_table.filter(pl.col("item_id") == 1).row(0, named=True) == {
        "item_id": 1,
        "title": "Toy Story (1995)",
        "genres": ["Animation", "Children's", "Comedy"],
        "year": 1995,
    }


@pytest.mark.data
@pytest.mark.slow
def test_ncf_negatives_were_never_rated_and_the_test_item_comes_last(fetched):
    data = open_dataset(fetched("ml-1m-ncf"))
    negatives = pl.read_parquet(fetched("ml-1m-ncf") / "negatives.parquet")
    assert len(negatives) == 6040
    assert set(negatives["item_id"].list.n_unique()) == {99}
    assert negatives["item_id"].list.eval(pl.element().is_null()).explode().sum() == 0
    events = pl.read_parquet(fetched("ml-1m-ncf") / "events.parquet")
    met = negatives.explode("item_id").join(events, on=["user_id", "item_id"], how="inner")
    # As published, 156 lists hold the test item itself; no other item was ever rated.
    assert len(met) == 156
    assert set(met["split"]) == {"test"}
    assert "156" in data.schema.notes[-1]
    last = events.group_by("user_id", maintain_order=True).last()
    assert set(last["split"]) == {"test"}
    assert int((events["split"] == "test").sum()) == 6040


@pytest.mark.data
def test_a_test_purchase_without_a_time_follows_its_users_last_event(fetched):
    out = fetched("retailrocket")
    events = pl.read_parquet(out / "events.parquet")
    last = events.filter(pl.col("split") == "train").group_by("user_id")
    test = events.filter(pl.col("split") == "test").join(
        last.agg(end=pl.col("timestamp").max()), on="user_id"
    )
    assert len(test) == 2174
    assert ((test["timestamp"] - test["end"]).dt.total_milliseconds() == 1000).all()
    assert set(test["behaviour"]) == {"buy"}


@pytest.mark.data
@pytest.mark.slow
def test_taobao_keeps_test_views_out_of_training(fetched):
    events = pl.read_parquet(fetched("taobao-mb") / "events.parquet")
    counts = dict(
        events.group_by("behaviour", "split")
        .len()
        .select(pl.format("{} {}", "behaviour", "split"), "len")
        .iter_rows()
    )
    assert counts == {
        "view train": 858505,
        "view unused": 15449,
        "cart train": 180027,
        "cart unused": 15449,
        "buy train": 76731,
        "buy validation": 15449,
        "buy test": 15449,
    }


@pytest.mark.data
@pytest.mark.slow
def test_beibei_in_either_layout_is_the_same(mirror, fetched, tmp_path):
    rows = pl.read_parquet(mirror / "beibei-mb/interactions.parquet")
    folder = tmp_path / "mirror/beibei-mb"
    folder.mkdir(parents=True)
    for name, kind, split in (
        ("train", "buy", "train"),
        ("cart", "cart", "train"),
        ("test", "buy", "test"),
    ):
        chosen = rows.filter(pl.col("behavior") == kind, pl.col("split") == split)
        lists = chosen.group_by("user", maintain_order=True).agg("item")
        lines = [" ".join(map(str, [user, *items])) for user, items in lists.iter_rows()]
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
    out = convert(SOURCES["beibei-mb"], tmp_path / "out", tmp_path / "mirror")
    columns = ["user_id", "item_id", "behaviour", "split"]
    again, first = (
        pl.read_parquet(place / "events.parquet", columns=columns).sort(columns)
        for place in (out, fetched("beibei-mb"))
    )
    assert again.equals(first)


@pytest.mark.data
@pytest.mark.slow
def test_no_pinterest_test_pair_is_a_training_pair(fetched):
    events = pl.read_parquet(fetched("pinterest") / "events.parquet")
    assert events.select(pl.struct("user_id", "item_id").is_duplicated().sum()).item() == 0
    assert int((events["split"] == "test").sum()) == 218891 - 8743


@pytest.mark.data
@pytest.mark.slow
def test_gowalla_has_the_publishers_ids(fetched):
    events = pl.read_parquet(fetched("gowalla") / "events.parquet")
    # The first line of test.txt is user 0 (ID 343) and begins with item 7580.
    test = events.filter(pl.col("user_id") == 343, pl.col("split") == "test")
    assert len(test) == 32
    assert 8975 in events.filter(pl.col("user_id") == 343, pl.col("split") == "train")["item_id"]


@pytest.mark.data
def test_amazon_links_stay_inside_the_catalogue(fetched):
    data = open_dataset(fetched("amazon-grocery-rechorus"))
    assert data.links is not None
    assert set(data.links["relation"]) == {"complement", "substitute"}
    assert (data.items.rows(data.links["source_id"]) >= 0).all()
    assert (data.items.rows(data.links["target_id"]) >= 0).all()
    first = data.links.filter(pl.col("source_id") == 1, pl.col("relation") == "substitute")
    assert first["target_id"].to_list() == [6285, 194, 4169, 6068, 2286, 6426, 6191]


@pytest.mark.data
def test_gift_cards_have_text_prices_and_titles(fetched):
    data = open_dataset(fetched("amazon-gift-cards"))
    card = data.item_table.filter(pl.col("item_id") == "B001H53QEO").row(0, named=True)
    assert card["title"].startswith("Amazon.com $50 Gift Cards, Pack of 50")
    assert card["price"] is None
    assert data.item_table["price"].value_counts().sort("count").row(-2) == (25.0, 146)


@pytest.mark.data
@pytest.mark.slow
def test_online_retail_sells_only_products_and_names_guests_by_invoice(fetched):
    out = fetched("online-retail")
    events = pl.read_parquet(out / "events.parquet")
    assert (events["value"] > 0).all()
    assert not events["item_id"].is_in(["POST", "DOT", "M"]).any()
    guests = events.filter(pl.col("user_id").str.starts_with("guest-"))
    assert (guests["user_id"] == "guest-" + guests["session_id"]).all()
    item = pl.read_parquet(out / "items.parquet").filter(pl.col("item_id") == "85123A")
    assert item["title"].item() == "WHITE HANGING HEART T-LIGHT HOLDER"


@pytest.mark.data
@pytest.mark.slow
def test_steam_prices_are_numbers_and_undated_reviews_come_last(fetched):
    data = open_dataset(fetched("steam"))
    prices = dict(data.item_table.select("item_id", "price").iter_rows())
    assert prices[761140] == 4.99
    assert prices[670290] == 0.0
    assert data.interactions.times.max() == 1451606400000  # 2016-01-01
    assert int((data.interactions.times == 1451606400000).sum()) == 9929


REAL = [name for name in SOURCES if SOURCES[name].files]


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("name", REAL)
def test_every_source_has_the_published_counts(name, fetched):
    folder = fetched(name)
    if (folder / "graph.toml").is_file():
        assert load_graph(folder).name == name
    elif (folder / "bandit.toml").is_file():
        logs = load_logs(folder)
        assert logs.counts() == SOURCES[name].expected
    else:
        data = open_dataset(folder)
        assert data.name == name
        assert len(data.users) == SOURCES[name].expected.get("users", len(data.users))


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(
    "name", ["s3rec-beauty", "amazon-gift-cards", "online-retail", "steam", "cora", "retailrocket"]
)
def test_a_second_conversion_writes_the_same_bytes(name, fetched, mirror, tmp_path):
    first, again = fetched(name), fetch(name, tmp_path / "again", mirror)
    names = sorted(path.name for path in first.iterdir())
    assert names == sorted(path.name for path in again.iterdir())
    for file in names:
        assert (first / file).read_bytes() == (again / file).read_bytes(), file


@pytest.mark.data
@pytest.mark.parametrize("name", REAL)
def test_one_flipped_byte_in_any_file_of_a_mirror_is_refused(name, mirror, tmp_path):
    def stored(path: str) -> Path:
        plain, packed = mirror / path, mirror / f"{path}.gz"
        return plain if plain.is_file() else packed

    for number, damaged in enumerate(SOURCES[name].files):
        copy = tmp_path / str(number)
        for file in SOURCES[name].files:
            original = stored(file.path)
            copied = copy / original.relative_to(mirror)
            copied.parent.mkdir(parents=True, exist_ok=True)
            if file is damaged:
                content = bytearray(original.read_bytes())
                content[len(content) // 2] ^= 1
                copied.write_bytes(content)
            else:
                copied.symlink_to(original)
        with pytest.raises(BundleError, match=rf"{damaged.name}.*SHA-256 should be"):
            fetch(name, tmp_path / "out", copy)
        assert not (tmp_path / "out").exists()

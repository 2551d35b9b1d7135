"""MovieLens-1M: ratings, films and users; its 5-core; and the published negatives of NCF."""

from dataclasses import replace

import polars as pl

from grapevine.data.schema import Schema
from grapevine.data.sources.base import File, Files, Source, Tables, milliseconds, read

_RATINGS = File(
    path="ml-1m/ratings.parquet",
    sha256="34a36da65488f5e99547d139811a8c7c042eef1f0054dd000672d075f5e42b60",
    size=6365547,
)
_MOVIES = File(
    path="ml-1m/movies.dat",
    sha256="0140fc2356357c1a851d0f52e893a1e4d3696df632c4141cea8d5bc3d621f0b9",
    size=171308,
    gzipped="0c4c296ce1204c20abb1508530260817acb42b9e6146769a116fbd47a1fb0cc4",
)
_USERS = File(
    path="ml-1m/users.dat",
    sha256="1dc3a95300cb19f7c10e027daf29b8cdf1d908dab65b5edfb45950aa389a10a3",
    size=134368,
    gzipped="1bfdd04e6e7543fb1e26369bc4966040076d06814f07682a5b77497b1ffa2700",
)
_NCF = "https://github.com/hexiangnan/neural_collaborative_filtering/raw/4aab159e81c4/Data"
_NCF_TEST = File(
    path="ncf/ml-1m.test.rating",
    sha256="231ae11eb060b643a8c58c063cd17ffc743b54f569afb073d1abb6cf126b88b5",
    size=128039,
    gzipped="8e11ce0957e30adfa934de19395a9c8fde14c60b851222688bf2eb537995afc0",
    url=f"{_NCF}/ml-1m.test.rating",
)
_NCF_NEGATIVES = File(
    path="ncf/ml-1m.test.negative",
    sha256="127853228a76b7d21c0481e8ef8d00dd009cd5c88670dbdd9e9debfdb9f93de4",
    size=2891424,
    gzipped="593efd18c323aac9ee3215a13bbbc310b7440f7e200caf38232aaab95b18fc59",
    url=f"{_NCF}/ml-1m.test.negative",
)
_NCF_ITEMS = File(
    path="ncf/ml-1m_item_map.parquet",
    sha256="9170422b9a5b0c88a1058780e63e7da6e28672fb7f5ef81baf30df068ec58a36",
    size=16744,
)

_BOUNDS = (
    "34 % of the timestamps (335,127 of 1,000,209) are lower bounds, not the true times: the last "
    "exact time before the event in its user's sequence. The order within each user is exact for "
    "all events (ties in the order of the original file), and the timestamps never fall along it.",
    "Half of the bounds lie within 70 s of the truth and 95 % within 24 min, 1 % miss it by more "
    "than 16 days: do not read gaps between events, or a global time split, to the second.",
)
_UNCHECKED = (
    "Made from the publisher's ratings.dat, whose bytes were checked by their counts only.",
)
_OWN_TEST = (
    "156 of the published lists of 99 negatives hold the user's own test item: leave it out there."
)


def _fields(content: bytes, names: list[str]) -> pl.DataFrame:
    """A `::` separated table, all columns as text."""
    text = content.decode("latin-1").replace("::", "\t").encode()
    return pl.read_csv(
        text,
        has_header=False,
        separator="\t",
        quote_char=None,
        new_columns=names,
        infer_schema=False,
    )


def _events(files: Files) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Ratings in the order of each user, and what to know about their times."""
    if "ratings.dat" in files:
        names = ["user_id", "item_id", "rating", "timestamp"]
        # The file keeps no order in time, but its own order settles ties.
        ratings = _fields(read(files["ratings.dat"]), names).cast(pl.Int64)
        ratings, notes = ratings.sort("user_id", "timestamp", maintain_order=True), _UNCHECKED
    else:
        ratings, notes = pl.read_parquet(files["ratings.parquet"]), _BOUNDS
        ratings = ratings.sort("user_id", "timestamp", "order")
    events = ratings.select(
        pl.col("user_id").cast(pl.Int64),
        pl.col("item_id").cast(pl.Int64),
        behaviour=pl.lit("rating"),
        timestamp=milliseconds("timestamp"),
        value=pl.col("rating").cast(pl.Float32),
    )
    return events, notes


def _items(files: Files) -> pl.DataFrame:
    movies = _fields(read(files["movies.dat"]), ["item_id", "title", "genres"])
    return movies.select(
        pl.col("item_id").cast(pl.Int64),
        # With its year, as published: that alone tells one Hamlet from another.
        title=pl.col("title").str.strip_chars(),
        genres=pl.col("genres").str.split("|"),
        year=pl.col("title").str.extract(r"\((\d{4})\)\s*$").cast(pl.Int32),
    )


def _users(files: Files) -> pl.DataFrame:
    names = ["user_id", "gender", "age", "occupation", "zip"]
    return _fields(read(files["users.dat"]), names).with_columns(pl.col("user_id").cast(pl.Int64))


def _convert(files: Files) -> Tables:
    events, notes = _events(files)
    schema = Schema(
        behaviours=("rating",),
        clock="exact" if "ratings.dat" in files else "approximate",
        items={"title": "title", "genres": "tags", "year": "number"},
        users=dict.fromkeys(("gender", "age", "occupation", "zip"), "category"),
        notes=(*notes, "Ages are brackets, given by the youngest age in each; 1 is under 18."),
    )
    return Tables(schema=schema, events=events, items=_items(files), users=_users(files))


def _convert_5core(files: Files) -> Tables:
    tables = _convert(files)
    items = tables.events.group_by("item_id").len().filter(pl.col("len") >= 5)["item_id"].implode()
    return replace(
        tables,
        events=tables.events.filter(pl.col("item_id").is_in(items)),
        items=_items(files).filter(pl.col("item_id").is_in(items)),
    )


def _convert_ncf(files: Files) -> Tables:
    tables = _convert(files)
    movie = pl.read_parquet(files["ml-1m_item_map.parquet"]).cast(pl.Int64)
    test = pl.read_csv(
        read(files["ml-1m.test.rating"]),
        has_header=False,
        separator="\t",
        new_columns=["user", "ncf_item", "rating", "time"],
    ).join(movie, on="ncf_item")
    test = test.select(
        user_id=pl.col("user") + 1, item_id=pl.col("movielens_item_id"), split=pl.lit("test")
    )
    events = tables.events.join(test, on=["user_id", "item_id"], how="left", maintain_order="left")
    # The test item shares its time with others of the same user: it goes last among them.
    events = events.sort("user_id", "timestamp", pl.col("split").is_not_null(), maintain_order=True)
    return replace(
        tables,
        schema=replace(
            tables.schema, split={"by": "published"}, notes=(*tables.schema.notes, _OWN_TEST)
        ),
        events=events.with_columns(pl.col("split").fill_null("train")),
        further={"negatives": _negatives(files, movie)},
    )


def _negatives(files: Files, movie: pl.DataFrame) -> pl.DataFrame:
    """The 99 published negatives of each user, in MovieLens IDs.

    Lines are `(user,item)` and 99 items, between tabs, in NCF's own numbers; NCF's user u is
    MovieLens's u + 1.
    """
    lines = pl.Series("line", read(files["ml-1m.test.negative"]).decode().splitlines())
    cells = lines.str.split("\t").to_frame()
    rows = cells.select(
        user_id=pl.col("line").list.first().str.extract(r"\((\d+),").cast(pl.Int64) + 1,
        ncf_item=pl.col("line").list.slice(1).list.eval(pl.element().cast(pl.Int64)),
    ).explode("ncf_item")
    rows = rows.join(movie, on="ncf_item", how="left", maintain_order="left")
    return rows.group_by("user_id", maintain_order=True).agg(item_id="movielens_item_id")


ML_1M = Source(
    name="ml-1m",
    title="MovieLens 1M",
    home="https://grouplens.org/datasets/movielens/1m/",
    licence="GroupLens: research use with citation, no redistribution, no commercial use",
    cite="Harper and Konstan, The MovieLens Datasets, ACM TiiS 5(4), 2015",
    serves="ratings, sequences, cold start, attributes of items and users",
    expected={
        "users": 6040,
        "items": 3706,
        "catalogue": 3883,
        "events": 1000209,
    },
    convert=_convert,
    files=(_RATINGS, _MOVIES, _USERS),
    original=tuple(File(path=f"ml-1m/{name}.dat") for name in ("ratings", "movies", "users")),
    origin="ratings.parquet: a re-encoding with the exact order and some bounds for times; take "
    "ratings.dat, movies.dat and users.dat of ml-1m.zip instead",
)

ML_1M_5CORE = replace(
    ML_1M,
    name="ml-1m-5core",
    title="MovieLens 1M, films with at least 5 ratings",
    cite="Kang and McAuley, SASRec, ICDM 2018; Sun et al., BERT4Rec, CIKM 2019",
    serves="sequences, as SASRec and BERT4Rec use it",
    expected={"users": 6040, "items": 3416, "catalogue": 3416, "events": 999611},
    convert=_convert_5core,
)

ML_1M_NCF = replace(
    ML_1M,
    name="ml-1m-ncf",
    title="MovieLens 1M with the published test items and negatives of NCF",
    home="https://github.com/hexiangnan/neural_collaborative_filtering",
    cite="He et al., Neural Collaborative Filtering, WWW 2017",
    serves="one test item against 99 published negatives a user (`negatives.parquet`)",
    convert=_convert_ncf,
    files=(_RATINGS, _MOVIES, _USERS, _NCF_TEST, _NCF_NEGATIVES, _NCF_ITEMS),
    original=(*ML_1M.original, _NCF_TEST, _NCF_NEGATIVES, _NCF_ITEMS),
    origin=f"{ML_1M.origin}; ml-1m_item_map.parquet was derived from the test ratings",
)

"""Steam reviews (recommended or not) and what is known of the games."""

import json

import polars as pl

from grapevine.data.schema import Schema
from grapevine.data.sources.base import File, Files, Source, Tables, read

_NOTES = (
    "`value` is 1 where the user recommends the game and 0 where not; there is no review text.",
    "9,929 of 58,400 reviews have no date: the site leaves the year out in the year itself, 2016. "
    "They stand at 2016-01-01, a lower bound, after every dated review of their user.",
    "Dates are days: the order within a day is that of the file.",
)


def _convert(files: Files) -> Tables:
    reviews = pl.read_parquet(files["reviews.parquet"])
    undated = pl.lit("2016-01-01").str.to_date()
    day = pl.col("date").fill_null(undated).cast(pl.Datetime("ms"))
    events = reviews.select(
        user_id=pl.col("user").cast(pl.Int64),
        item_id=pl.col("item").cast(pl.Int64),
        behaviour=pl.lit("review"),
        timestamp=day.dt.replace_time_zone("UTC"),
        value=pl.col("recommend").cast(pl.Float32),
    )
    games = _games(read(files["games.jsonl"]))
    reviewed = events.select(pl.col("item_id").unique())
    schema = Schema(
        behaviours=("review",),
        items={
            "title": "title",
            "genres": "tags",
            "tags": "tags",
            "specs": "tags",
            "price": "number",
            "developer": "category",
            "publisher": "category",
            "released": "time",
        },
        notes=_NOTES,
    )
    # 487 reviewed games are not described: they stay in the catalogue, with nothing known.
    items = games.join(reviewed, on="item_id", how="full", coalesce=True).sort("item_id")
    return Tables(schema=schema, events=events, items=items)


def _games(content: bytes) -> pl.DataFrame:
    lines = [json.loads(line) for line in content.splitlines()]
    games = pl.DataFrame(
        {
            "item_id": [line["id"] for line in lines],
            "title": [line.get("title") or line.get("app_name") for line in lines],
            "genres": [line.get("genres") for line in lines],
            "tags": [line.get("tags") for line in lines],
            "specs": [line.get("specs") for line in lines],
            # "Free to Play", "Starting at $499.00" and plain numbers stand side by side.
            "price": [str(line.get("price")) for line in lines],
            "developer": [line.get("developer") for line in lines],
            "publisher": [line.get("publisher") for line in lines],
            "released": [line.get("release_date") for line in lines],
        }
    )
    price = pl.col("price")
    number = price.str.extract(r"(\d+\.?\d*)").cast(pl.Float64)
    return games.with_columns(
        pl.col("item_id").cast(pl.Int64),
        price=pl.when(price.str.contains("(?i)free")).then(0.0).otherwise(number),
        released=pl.col("released").str.to_date("%Y-%m-%d", strict=False),
    ).unique("item_id", keep="first", maintain_order=True)


STEAM = Source(
    name="steam",
    title="Steam reviews and games (version 1)",
    home="https://cseweb.ucsd.edu/~jmcauley/datasets.html#steam_data",
    licence="Steam data (Kang, Pathak and McAuley): research use with citation",
    cite="Kang and McAuley, SASRec, ICDM 2018; Pathak, Gupta and McAuley, SIGIR 2017",
    serves="item text, tags and prices; a yes or no label",
    expected={"users": 25446, "items": 3682, "events": 58400},
    convert=_convert,
    files=(
        File(
            path="steam/reviews.parquet",
            sha256="2862ecc0c02c3464d371bb0eed8b212b9067db2e8d645734d9f7656b21f21c07",
            size=320644,
        ),
        File(
            path="steam/games.jsonl",
            sha256="07c9059af94b54a1050df253d39fb4a23e7121b331563333d42af9bfc3fc8b50",
            size=12926128,
            gzipped="65f7769b12765e8e7848479fd09d2e2fd160a7390f593dccf177b9a3182872b5",
        ),
    ),
    origin="reviews and games of version 1, 58,400 of 59,305 reviews, users under new numbers",
)

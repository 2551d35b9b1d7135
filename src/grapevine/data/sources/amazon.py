"""Amazon reviews with text, with metadata, and with relations between items."""

import json
from typing import Any

import polars as pl

from grapevine.data.schema import Schema
from grapevine.data.sources.base import File, Files, Source, Tables, milliseconds, read

_LICENCE = "Amazon reviews (McAuley et al.): research use with citation"
_MIDNIGHT = "Times are days (midnight UTC): the order within a day is that of the file."


def _json_lines(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines()]


def _reviews(content: bytes) -> pl.DataFrame:
    """Events of `reviewerID, asin, overall, reviewText, summary, unixReviewTime` lines."""
    names = {
        "user_id": "reviewerID",
        "item_id": "asin",
        "value": "overall",
        "text": "reviewText",
        "summary": "summary",
        "time": "unixReviewTime",
    }
    lines = _json_lines(content)
    rows = pl.DataFrame({new: [line.get(old) for line in lines] for new, old in names.items()})
    return rows.with_columns(
        pl.col("value").cast(pl.Float32),
        behaviour=pl.lit("review"),
        timestamp=milliseconds("time"),
    ).drop("time")


def _convert_musical_instruments(files: Files) -> Tables:
    events = _reviews(read(files["Musical_Instruments_5.json.gz"]))
    schema = Schema(behaviours=("review",), events={"summary": "text"}, notes=(_MIDNIGHT,))
    return Tables(schema=schema, events=events)


def _convert_gift_cards(files: Files) -> Tables:
    events = _reviews(read(files["Gift_Cards_5.json.gz"]))
    meta = _json_lines(read(files["meta_Gift_Cards.json"]))
    items = pl.DataFrame(
        {
            "item_id": [line["asin"] for line in meta],
            "title": [line["title"].strip() for line in meta],
            "brand": [line["brand"] or None for line in meta],
            "categories": [line["category"] for line in meta],
            "price": [line["price"] for line in meta],
            "description": [" ".join(line["description"]) or None for line in meta],
        }
    )
    price = pl.col("price").str.extract(r"^\$([\d,]+\.?\d*)$").str.replace_all(",", "")
    schema = Schema(
        behaviours=("review",),
        events={"summary": "text"},
        items={
            "title": "title",
            "brand": "category",
            "categories": "tags",
            "price": "number",
            "description": "text",
        },
        notes=(_MIDNIGHT, "3 of the 2,972 reviews repeat another and count once."),
    )
    return Tables(
        schema=schema,
        events=events,
        items=items.with_columns(price.cast(pl.Float64)),
        links=_relations(
            [
                (line["asin"], kind, line[kind])
                for line in meta
                for kind in ("also_buy", "also_view")
            ]
        ),
    )


def _relations(lists: list[tuple[Any, str, list[Any]]]) -> pl.DataFrame:
    """Links from (item, relation, other items), only between items that are listed themselves."""
    sources, relations, targets = zip(*lists)
    links = pl.DataFrame({"source_id": sources, "relation": relations, "target_id": targets})
    known = links["source_id"].unique().implode()
    links = links.explode("target_id").filter(pl.col("target_id").is_in(known))
    return links.unique(maintain_order=True).select("source_id", "target_id", "relation")


def _convert_subscription_boxes(files: Files) -> Tables:
    lines = _json_lines(read(files["Subscription_Boxes.jsonl"]))
    rows = pl.DataFrame(
        {
            "user_id": [line["user_id"] for line in lines],
            "item_id": [line["parent_asin"] for line in lines],
            "timestamp": [line["timestamp"] for line in lines],
            "value": [line["rating"] for line in lines],
            "text": [line["text"] for line in lines],
            "summary": [line["title"] for line in lines],
        }
    )
    events = rows.with_columns(
        pl.col("value").cast(pl.Float32),
        pl.col("timestamp").cast(pl.Datetime("ms", "UTC")),
        behaviour=pl.lit("review"),
    )
    schema = Schema(
        behaviours=("review",),
        events={"summary": "text"},
        notes=(
            "Reviews of variants are kept under the product they belong to (parent_asin).",
            "200 of the 16,216 reviews repeat another and count once.",
        ),
    )
    return Tables(schema=schema, events=events)


def _convert_grocery(files: Files) -> Tables:
    rows = pl.read_csv(read(files["train.csv"]), separator="\t")
    meta = pl.read_csv(read(files["item_meta.csv"]), separator="\t")
    kinds = {"complement": "r_complement", "substitute": "r_substitute"}
    links = _relations(
        [
            (item, kind, json.loads(others))
            for kind, column in kinds.items()
            for item, others in meta.select("item_id", column).iter_rows()
        ]
    )
    schema = Schema(
        behaviours=("review",),
        items={"category": "category"},
        notes=(
            _MIDNIGHT,
            "The training part of ReChorus: the last two events of each user are not published "
            "with it (151,254 events in the original).",
        ),
    )
    events = rows.select(
        "user_id", "item_id", behaviour=pl.lit("review"), timestamp=milliseconds("time")
    )
    items = meta.select("item_id", category=pl.col("i_category").cast(pl.String))
    return Tables(
        schema=schema,
        events=events,
        items=items,
        links=links,
        raw={f"{kind} links": n for kind, n in links["relation"].value_counts().iter_rows()},
    )


MUSICAL_INSTRUMENTS = Source(
    name="amazon-musical-instruments",
    title="Amazon Musical Instruments 2014 (5-core)",
    home="https://cseweb.ucsd.edu/~jmcauley/datasets/amazon/links.html",
    licence=_LICENCE,
    cite="McAuley et al., Image-based Recommendations on Styles and Substitutes, SIGIR 2015",
    serves="ratings with review text",
    expected={"users": 1429, "items": 900, "events": 10261},
    convert=_convert_musical_instruments,
    files=(
        File(
            path="amazon-musical-instruments/Musical_Instruments_5.json.gz",
            sha256="11ea0cf234d91e900f74e830b83bb20628ab383e5c1bd138a146b30a549acf75",
            size=2332358,
        ),
    ),
    origin="the published file without the names of the reviewers",
)

GIFT_CARDS = Source(
    name="amazon-gift-cards",
    title="Amazon Gift Cards 2018 (5-core) with metadata",
    home="https://nijianmo.github.io/amazon/",
    licence=_LICENCE,
    cite="Ni, Li and McAuley, Justifying Recommendations using Distantly-Labeled Reviews, "
    "EMNLP 2019",
    serves="a small set with text, metadata and relations",
    expected={"users": 458, "items": 148, "catalogue": 1547, "events": 2972},
    convert=_convert_gift_cards,
    files=(
        File(
            path="amazon-gift-cards/Gift_Cards_5.json.gz",
            sha256="c64362f374f3f9a34f17c6a1b04f4b56c7890172f55db7400666c19372c75f60",
            size=153610,
        ),
        File(
            path="amazon-gift-cards/meta_Gift_Cards.json",
            sha256="538994d5d15bef85a2d5a81ce79becff140719cdc6394a46e4b934cf63e09acf",
            size=2768620,
            gzipped="2bc7ed186d4d52a3eca15896c99b7e0135c144673db2f342c0f2425a7bdd67b3",
        ),
    ),
    origin="the published reviews without the names of the reviewers, and their metadata",
)

SUBSCRIPTION_BOXES = Source(
    name="amazon-subscription-boxes",
    title="Amazon Subscription Boxes 2023",
    home="https://amazon-reviews-2023.github.io/",
    licence=_LICENCE,
    cite="Hou et al., Bridging Language and Items for Retrieval and Recommendation, 2024",
    serves="review text, sentiment",
    expected={"users": 15237, "items": 641, "events": 16216},
    convert=_convert_subscription_boxes,
    files=(
        File(
            path="amazon-subscription-boxes/Subscription_Boxes.jsonl",
            sha256="52e08112faa2b8769b35d364cbd3b8ac674ddd56621b171e7531a5a2071f460f",
            size=8953020,
            gzipped="d62b81bd021ab6482e68605a97702f7c9df21314ff9657d3c1d0c34351d66ebd",
        ),
    ),
    origin="Subscription_Boxes.jsonl, as published or gzipped",
)

GROCERY_RECHORUS = Source(
    name="amazon-grocery-rechorus",
    title="Amazon Grocery and Gourmet Food, build of ReChorus, training part",
    home="https://github.com/THUwangcy/ReChorus",
    licence=_LICENCE,
    cite="Wang et al., Make It a Chorus, SIGIR 2020",
    serves="complements and substitutes, sequences with times",
    expected={"users": 14681, "items": 8687, "catalogue": 8713, "events": 121892},
    convert=_convert_grocery,
    files=(
        File(
            path="amazon-grocery-rechorus/train.csv",
            sha256="75847958fbcfec35dd0a20bda43432c22a5d7e5b5fe571fef0b25ff580b475f4",
            size=2575651,
            gzipped="d493e0f3c92c16673a03cb0f6f57176e7a8b50547de91838101d883530f7df71",
            url="https://github.com/THUwangcy/ReChorus/raw/e58d75255863/data/"
            "Grocery_and_Gourmet_Food/train.csv",
        ),
        File(
            path="amazon-grocery-rechorus/item_meta.csv",
            sha256="35a7d55fb7024b3cf7937cbc424762bc1cb5ef1f41d49f5955011effcebf144c",
            size=2275381,
            gzipped="0be47d66e38363209981eb2d8587de79d75d0d0b5594f544b7607c3fc5e93137",
            url="https://github.com/THUwangcy/ReChorus/raw/e58d75255863/data/"
            "Grocery_and_Gourmet_Food/item_meta.csv",
        ),
    ),
)

"""Amazon sequences as BERT4Rec and S3-Rec published them: the order is known, the times are not."""

import json

import polars as pl

from grapevine.data.schema import Schema
from grapevine.data.sources.base import File, Files, Source, Tables, catalogue, read, read_lists

_HOME = "https://cseweb.ucsd.edu/~jmcauley/datasets.html"
_LICENCE = "Amazon reviews (McAuley et al.): research use with citation"
_NOTE = "Timestamps are places in the user's sequence; IDs are the numbers of the published files."


def _in_sequence(pairs: pl.DataFrame) -> pl.DataFrame:
    """Pairs in the order of the file, each at its place in its user's sequence."""
    place = pl.int_range(pl.len(), dtype=pl.Int64).over("user_id")
    return pairs.with_columns(timestamp=place, behaviour=pl.lit("review"))


def _convert_bert4rec(files: Files) -> Tables:
    pairs = pl.read_csv(
        read(files["beauty.txt"]),
        has_header=False,
        separator=" ",
        new_columns=["user_id", "item_id"],
    )
    schema = Schema(behaviours=("review",), clock="order", notes=(_NOTE,))
    return Tables(schema=schema, events=_in_sequence(pairs), items=catalogue(pairs))


def _convert_s3rec(files: Files) -> Tables:
    pairs = read_lists(next(path for name, path in files.items() if name.endswith(".txt")))
    attributes = next(path for name, path in files.items() if name.endswith(".json"))
    tags = {int(item): numbers for item, numbers in json.loads(read(attributes)).items()}
    items = pl.DataFrame(
        {"item_id": tags.keys(), "attributes": [[str(n) for n in tags[item]] for item in tags]}
    ).sort("item_id")
    schema = Schema(
        behaviours=("review",),
        clock="order",
        items={"attributes": "tags"},
        notes=(_NOTE, "Attributes are categories and brands by number; their names are not given."),
    )
    return Tables(schema=schema, events=_in_sequence(pairs), items=items)


BERT4REC_BEAUTY = Source(
    name="bert4rec-beauty",
    title="Amazon Beauty as BERT4Rec uses it",
    home="https://github.com/FeiSun/BERT4Rec",
    licence=_LICENCE,
    cite="Sun et al., BERT4Rec, CIKM 2019; He and McAuley, WWW 2016",
    serves="next item",
    expected={"users": 40226, "items": 54542, "events": 353962},
    convert=_convert_bert4rec,
    files=(
        File(
            path="bert4rec/beauty.txt",
            sha256="f480b7a7403852342ffd8f9809bb30697dd669be31813d0e204b698fec86ef49",
            size=3912093,
            gzipped="a39be59ab2a64e24c259f372fc74d5bec69d549b62e67608d8e4712a6141b572",
            url="https://github.com/FeiSun/BERT4Rec/raw/615eaf2004ab/data/beauty.txt",
        ),
    ),
)


def _s3rec(name: str, category: str, files: tuple[File, File], expected: dict[str, int]) -> Source:
    return Source(
        name=name,
        title=f"Amazon {category} (5-core) as S3-Rec uses it",
        home=_HOME,
        licence=_LICENCE,
        cite="Zhou et al., S3-Rec, CIKM 2020; McAuley et al., SIGIR 2015",
        serves="next item, attributes of items",
        expected={**expected, "catalogue": expected["items"]},
        convert=_convert_s3rec,
        files=files,
    )


def _s3rec_file(name: str, sha256: str, size: int, gzipped: str) -> File:
    return File(
        path=f"s3rec-amazon/{name}",
        sha256=sha256,
        size=size,
        gzipped=gzipped,
        url=f"https://github.com/aHuiWang/CIKM2020-S3Rec/raw/49a890dcb516/data/{name}",
    )


S3REC_BEAUTY = _s3rec(
    "s3rec-beauty",
    "Beauty",
    (
        _s3rec_file(
            "Beauty.txt",
            "226cce9c3105299ca0db9615d7d3fb32b3175e90da43100ae352599f0f0107b8",
            1090094,
            "d90327e98288647f5bae59c0dba82e153af2d940eafb7540f4b05185e108d0fe",
        ),
        _s3rec_file(
            "Beauty_item2attributes.json",
            "129e40f67486f6877eff0f5318cfa8530ee8ac23d8b0d1de04e1bb7a2ba0b2d4",
            305674,
            "1914fdc21c3e1b0c36d23c3fc5e2cf64205bcc47f311ccbe7b51089221188fad",
        ),
    ),
    {"users": 22363, "items": 12101, "events": 198502},
)

S3REC_TOYS = _s3rec(
    "s3rec-toys",
    "Toys and Games",
    (
        _s3rec_file(
            "Toys_and_Games.txt",
            "176c680c688d497598c4a89a03b402c0fe78d795e5db335c2e78dd5f2d778a3f",
            922166,
            "0bd73bdefb52da7dbfb3913e050fc15455ddaa0b98a7cf7049ee21585a5d0936",
        ),
        _s3rec_file(
            "Toys_and_Games_item2attributes.json",
            "d371acd25101eedac04afc727626464b7acec770c4eda708705d51eb76eb1ad0",
            327536,
            "e54973e9c274759cae517f3e34bf0fcad378b6bb9fa17b342250d2828734eb70",
        ),
    ),
    {"users": 19412, "items": 11924, "events": 167597},
)

S3REC_SPORTS = _s3rec(
    "s3rec-sports",
    "Sports and Outdoors",
    (
        _s3rec_file(
            "Sports_and_Outdoors.txt",
            "2a095e0648872beb9982408958290f5d655db5be2911c3756b5446de9f0b8de2",
            1707483,
            "e7c618d95a4d2975ac546950a87a5906efc9956df722be01a2af724638faf527",
        ),
        _s3rec_file(
            "Sports_and_Outdoors_item2attributes.json",
            "7fb10733ac4f1811384a52144cdefa7fcc7536fa80a7232c5da9bd789155c34b",
            653780,
            "6059d464f0ec26302d5d763271b158b36e127a15b9c8cb1282c3991bd3be3de5",
        ),
    ),
    {"users": 35598, "items": 18357, "events": 296337},
)
